"""The one Tune searcher of all modes: baselines first, then every point with every seed.

What was suggested and how it ended lie in the sweep directory, not in Tune's pickles: a record is written
before its trial is suggested, and a new driver rebuilds the searcher from the records.
"""

from __future__ import annotations

from collections import deque
from statistics import fmean
from typing import TYPE_CHECKING, Any, Final

from ray.tune.search import Searcher

from common.objective import OBJECTIVE_NAME
from common.records import TRIAL_FILE, ResultRecord, TrialRecord
from search_spaces.points import trial_id as trial_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from cluster.proposals import Proposals
    from search_spaces.points import Point

__all__ = ["CRASH_FILE", "SweepSearcher"]

CRASH_FILE: Final = "crash.txt"
"""Where a trial leaves the traceback of what ended its process."""


class SweepSearcher(Searcher):  # type: ignore[misc]  # Ray has no types
    """Queues trials, and tells the proposals a point's mean objective when its last seed has ended."""

    def __init__(
        self, trials: Path, baselines: Iterable[TrialRecord], proposals: Proposals, seeds: Sequence[int]
    ) -> None:
        """Rebuild from what `trials` holds.

        Args:
            trials: the sweep's `trials` folder.
            baselines: what runs before the first point.
            proposals: chooses the points.
            seeds: every point runs with each of them.
        """
        super().__init__(metric=OBJECTIVE_NAME, mode="max")
        self._trials = trials
        self._proposals = proposals
        self._seeds = seeds
        self._queue: deque[TrialRecord] = deque()
        self._running: dict[str, TrialRecord] = {}
        self._open: dict[int, dict[int, ResultRecord]] = {}
        for record in baselines:
            if ResultRecord.read(trials / record.trial_id) is None:
                record.write(trials / record.trial_id)
                self._queue.append(record)
        self._restore_points()

    def has_work(self) -> bool:
        """Whether there is a trial to suggest; the next point is proposed and recorded if it is needed."""
        if not self._queue and (point := self._proposals.propose()):
            self._add_point(point)
        return bool(self._queue)

    def suggest(self, trial_id: str) -> dict[str, Any] | str:
        """The next trial for Tune's `trial_id`: `{"trial_id": ours}`; FINISHED when there is no more."""
        if not self.has_work():
            return str(Searcher.FINISHED)
        record = self._running[trial_id] = self._queue.popleft()
        return {"trial_id": record.trial_id}

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """A trial ended for good. Its own result file counts; what left none has crashed too often."""
        record = self._running.pop(trial_id)
        folder = self._trials / record.trial_id
        outcome = ResultRecord.read(folder)
        if outcome is None:
            outcome = ResultRecord(status="failed", reason=_crash_reason(folder))
            outcome.write(folder)
        if record.kind == "trial":
            self._seed_ended(record, outcome)

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Tune pickles its Tuner for a restore that never comes."""
        return {}

    def save(self, checkpoint_path: str) -> None:
        """Nothing to save: the records in the sweep directory are the state."""

    def restore(self, checkpoint_path: str) -> None:
        """Never used: a new driver makes a new searcher from the records."""
        raise AssertionError("sweeps go on from their records, not from Tune's state")

    def _add_point(self, point: Point) -> None:
        """Record all seeds of a point, then queue them together."""
        seed = self._seeds[0]
        self._queue_seeds(
            TrialRecord(
                trial_id=trial_name(point.number, seed),
                kind="trial",
                number=point.number,
                label=point.label,
                params=dict(point.params),
                seed=seed,
                config_hash=point.config_hash,
                config=point.config.model_copy(update={"seed": seed}),
            )
        )

    def _restore_points(self) -> None:
        """Take in every point that an earlier driver proposed; what has not ended runs again first."""
        records = [TrialRecord.read(path.parent) for path in self._trials.glob(f"*/{TRIAL_FILE}")]
        points = {record.number: record for record in records if record.kind == "trial"}
        for number, record in sorted(points.items()):
            self._proposals.restore(number, record.params)
            self._queue_seeds(record)

    def _queue_seeds(self, record: TrialRecord) -> None:
        """Queue the seeds of a record's point that have not ended."""
        self._open[record.number] = {}
        for seed in self._seeds:
            one = record.model_copy(
                update={
                    "trial_id": trial_name(record.number, seed),
                    "seed": seed,
                    "config": record.config.model_copy(update={"seed": seed}),
                }
            )
            folder = self._trials / one.trial_id
            outcome = ResultRecord.read(folder)
            if outcome is None:
                one.write(folder)
                self._queue.append(one)
            else:
                self._seed_ended(one, outcome)

    def _seed_ended(self, record: TrialRecord, outcome: ResultRecord) -> None:
        """Tell the point's mean over its finished seeds once all of them have ended."""
        outcomes = self._open[record.number]
        outcomes[record.seed] = outcome
        if len(outcomes) == len(self._seeds):
            finished = [o.objective for o in outcomes.values() if o.objective is not None]
            self._proposals.tell(record.number, fmean(finished) if finished else None)


def _crash_reason(folder: Path) -> str:
    """The last line that a crashing trial left behind."""
    crash = folder / CRASH_FILE
    if not crash.is_file():
        return "its process died without a word; the machine may be out of memory"
    last = crash.read_text().strip().splitlines()[-1]
    return f"crashed: {last} (see {CRASH_FILE} in the trial's folder)"
