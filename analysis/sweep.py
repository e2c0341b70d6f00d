"""Read what a sweep stored: its record, its trials and their ledger.

A sweep may still be running or have been killed. A file that was torn is skipped and named in
`torn_files`; a trial without a result has not ended. Loading reads records and the footers of the ledger's
files; its rows are read when they are asked for.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import ValidationError

from analysis.folder import Folder
from analysis.ledger_parts import read_part, read_rows
from common.errors import UserError, first_problem
from common.ledger import LEDGER_SCHEMA
from common.lineage import LineageRecord
from common.records import RESULT_FILE, TRIAL_FILE, ResultRecord, TimeRecord, TrialRecord
from search_spaces.sweep_record import SWEEP_RECORD, SweepRecord

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from analysis.ledger_parts import LedgerPart
    from common.ledger import Split
    from common.objective import ObjectiveConfig

__all__ = ["StoredTrial", "Sweep", "load_sweep"]

R = TypeVar("R", TrialRecord, ResultRecord, LineageRecord, TimeRecord)


@dataclass(frozen=True)
class StoredTrial:
    """One trial's folder: what it ran, and how it ended."""

    record: TrialRecord
    result: ResultRecord | None
    """None while the trial has not ended."""
    lineage: LineageRecord = LineageRecord()  # noqa: RUF009 - frozen
    """How its configuration changed while it trained; `record` has the first."""
    parts: tuple[LedgerPart, ...] = ()
    """The files of its ledger."""
    seconds: float = 0.0
    """Wall-clock seconds that were spent on it, by all its attempts."""
    sweep: str = ""
    """The name of its sweep, where several are looked at as one (analysis/pooled.py)."""

    @property
    def was_stopped(self) -> bool:
        """Whether the sweep's scheduler ended it before its last step."""
        return self.result is not None and self.result.status == "stopped"

    @property
    def last_evaluation(self) -> tuple[LedgerPart, ...]:
        """The files that may hold its last held-out evaluation."""
        held_out = [part for part in self.parts if "held_out" in part.splits]
        last = max((part.last_step for part in held_out), default=None)
        return tuple(part for part in held_out if part.last_step == last)


@dataclass(frozen=True)
class Sweep:
    """A stored sweep; every outcome is a function of it."""

    folder: Folder
    record: SweepRecord
    """The resolved sweep, what it ran on, and with which versions."""
    trials: tuple[StoredTrial, ...]
    """In the order of their ids; baselines are among them."""
    torn_files: tuple[str, ...]
    """Files that could not be read, and are left out."""

    @property
    def name(self) -> str:
        """The sweep's name."""
        return self.record.sweep.name

    @property
    def objective(self) -> ObjectiveConfig:
        """Fixed evaluation weights and floor."""
        return self.record.sweep.objective

    @property
    def parts(self) -> tuple[LedgerPart, ...]:
        """All files of the ledger."""
        return tuple(part for trial in self.trials for part in trial.parts)

    @property
    def num_rows(self) -> int:
        """Rows of the ledger."""
        return sum(part.num_rows for part in self.parts)

    @cached_property
    def ledger(self) -> pa.Table:
        """Every column of every row, in LEDGER_SCHEMA: gigabytes for a large sweep, kept once asked for."""
        table = read_rows(self.parts, LEDGER_SCHEMA.names)
        return table.cast(LEDGER_SCHEMA).replace_schema_metadata(LEDGER_SCHEMA.metadata)

    def rows(self, columns: Sequence[str], split: Split | None = None) -> pa.Table:
        """Some columns of all rows; what repeats (`analysis.ledger_parts.REPEATED`) as dictionaries.

        Args:
            columns: names in LEDGER_SCHEMA.
            split: only its rows; both where not given.
        """
        return read_rows(self.parts, columns, split)

    def last_evaluations(self, columns: Sequence[str]) -> pa.Table:
        """Some columns of each trial's last held-out evaluation, by which it is ranked."""
        parts = [part for trial in self.trials for part in trial.last_evaluation]
        return read_rows(parts, columns, "held_out")

    def unscored_reasons(self) -> Counter[str]:
        """Why completions could not be scored, rollouts among them, and how many."""
        parts = [part for part in self.parts if part.any_unscored]
        reasons = read_rows(parts, ["unscored_reason"])["unscored_reason"]
        counts = pc.value_counts(reasons.cast(pa.string()).drop_null()).to_pylist()
        return Counter({entry["values"]: entry["counts"] for entry in counts})


def load_sweep(place: Path | str) -> Sweep:
    """Load a sweep directory, finished or not.

    Args:
        place: what `vibesweep sweep run` wrote, such as `runs/quickstart` or `s3://bucket/runs/quickstart`.

    Raises:
        UserError: no sweep directory, or one written by another version.
    """
    folder = Folder.at(place)
    record = _sweep_record(folder)
    torn: list[str] = []
    stored = (_stored_trial(folder / "trials" / name, torn) for name in (folder / "trials").folders())
    trials = tuple(trial for trial in stored if trial is not None)
    return Sweep(folder, record, trials, tuple(torn))


def _stored_trial(folder: Folder, torn: list[str]) -> StoredTrial | None:
    """One trial; None where it has no record, or that was torn."""
    record = _read_record(TrialRecord, folder, TRIAL_FILE, torn)
    if record is None:
        return None
    parts: list[LedgerPart] = []
    for name in (folder / "ledger").files():
        if name.endswith(".parquet"):
            path = f"{folder.path}/ledger/{name}"
            if part := read_part(folder.filesystem, path):
                parts.append(part)
            else:
                torn.append(path)
    result = _read_record(ResultRecord, folder, RESULT_FILE, torn)
    # Who never trained has no clock of its own.
    time = _read_record(TimeRecord, folder, TimeRecord.FILE, torn)
    return StoredTrial(
        record,
        result,
        _read_record(LineageRecord, folder, LineageRecord.FILE, torn) or LineageRecord(),
        tuple(parts),
        seconds=time.seconds if time else result.seconds if result else 0.0,
    )


def _sweep_record(folder: Folder) -> SweepRecord:
    text = folder.read_bytes(SWEEP_RECORD)
    if text is None:
        raise UserError(
            f"{folder.path} must be a sweep directory, got a path without {SWEEP_RECORD}; give the folder "
            "that `vibesweep sweep run` named, such as runs/quickstart"
        )
    try:
        return SweepRecord.model_validate_json(text)
    except ValidationError as error:
        raise UserError(
            f"{folder.path}/{SWEEP_RECORD} must be a sweep record of this version, got another "
            f"({_where(error)}); rank it with the version that ran it{_revision(text)}"
        ) from error


def _revision(record: bytes) -> str:
    """The commit that wrote a record, for a message; nothing where it does not say."""
    try:
        revision = json.loads(record).get("git_revision")
    except (ValueError, AttributeError):
        return ""
    return f", commit {revision}" if revision else ""


def _where(error: ValidationError) -> str:
    problem = error.errors()[0]
    return ": ".join(filter(None, [".".join(map(str, problem["loc"])), problem["msg"]]))


def _read_record(kind: type[R], folder: Folder, name: str, torn: list[str]) -> R | None:
    """A trial's record; None where there is none, or it was torn."""
    text = folder.read_bytes(name)
    if text is None:
        return None
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        if error.errors()[0]["type"] != "json_invalid":
            raise UserError(
                f"{folder.path}/{name}: {first_problem(error)}; rank it with the version that ran it"
            ) from error
        torn.append(f"{folder.path}/{name}")
    return None
