"""What a trial was worth at each evaluation: kept beside its ledger, and shown to its scheduler."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow.parquet as pq

from common.errors import TrialError
from common.ledger import LedgerRow, as_current
from common.objective import OBJECTIVE_NAME
from common.records import EvaluationsRecord
from common.sentinels import SentinelRow
from trainables.checkpoints import starting_checkpoint
from trainables.digest import summarize

if TYPE_CHECKING:
    from pathlib import Path

    from common.objective import ObjectiveConfig
    from trainables.spec import Progress

__all__ = ["Evaluations", "heard_at", "take_in_untold"]


class Evaluations:
    """Keeps what a trial was worth at each evaluation, and says which ones its scheduler is to see."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._record = EvaluationsRecord.read(folder)
        self._last: int | None = None

    def taken_in(self, progress: Progress) -> dict[str, float]:
        """The objective under the scheduler's name where this report brings a new evaluation, else nothing.

        Later reports repeat the objective at other steps. The untrained policy and the end of a trial are
        no reason to stop it.
        """
        step, objective = progress.objective_step, progress.objective
        if step is None or objective is None or step == self._last:
            return {}
        self._last = step
        self._record = self._record.with_evaluation(step, objective, progress.seconds)
        self._record.write(self._folder)
        return {OBJECTIVE_NAME: objective} if 0 < step < progress.total_steps else {}


def heard_at(folder: Path, step: int) -> tuple[SentinelRow, ...]:
    """What the sentinels need of a trial's evaluation at a step; empty where its ledger has none.

    Args:
        folder: the trial's.
        step: optimizer steps taken before it.
    """
    return tuple(
        SentinelRow(**row)
        for part in sorted(folder.glob("ledger/held-out-*.parquet"))
        if int(part.stem.rpartition("-")[2]) == step
        for row in as_current(pq.read_table(part)).select(SentinelRow._fields).to_pylist()
    )


def take_in_untold(folder: Path, objective: ObjectiveConfig) -> None:
    """Record the evaluation of the checkpoint that a trial goes on from, where only its ledger has it.

    A process that dies between the two told nobody, and the trial does not evaluate there again: a
    population would decide its round without it. One that the trial failed by, such as for a scorer that
    did not answer, is taken out of the ledger, and so made again.

    Args:
        folder: the trial's.
        objective: the sweep's, under which the evaluation was made.
    """
    start, record = starting_checkpoint(folder), EvaluationsRecord.read(folder)
    if start is None or start.step in record.objectives:
        return
    for part in folder.glob("ledger/held-out-*.parquet"):
        rows = [LedgerRow(**row) for row in pq.read_table(part).to_pylist()]
        if rows[0].step == start.step:
            try:
                worth = summarize(rows, objective).objective
            except TrialError:
                part.unlink()
            else:
                record.with_evaluation(start.step, worth, record.seconds).write(folder)
