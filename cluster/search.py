"""The one Tune searcher of all modes: baselines first, then every point with every seed.

What was suggested and how it ended lie in the sweep directory, not in Tune's pickles: a record is written
before its trial is suggested, and a new driver rebuilds the searcher from the records.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final

from ray.tune.search import Searcher

from cluster.evaluations import heard_at
from cluster.point_outcome import EndedSeed, point_outcome
from cluster.study import KnownPoint
from common.lineage import LineageRecord
from common.objective import OBJECTIVE_NAME
from common.records import TRIAL_FILE, EvaluationsRecord, ResultRecord, TrialRecord
from search_spaces.points import trial_id as trial_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from cluster.proposals import Proposals
    from common.sentinels import SentinelRow
    from common.training_config import TrainingConfig
    from search_spaces.points import Point
    from search_spaces.sweep_file import SweepFile

__all__ = ["CRASH_FILE", "SweepSearcher", "as_run"]

CRASH_FILE: Final = "crash.txt"
"""Where a trial leaves the traceback of what ended its process."""


class SweepSearcher(Searcher):  # type: ignore[misc]  # Ray has no types
    """Queues trials, and tells the proposals how a point did when its last seed has ended."""

    def __init__(
        self,
        sweep: SweepFile,
        trials: Path,
        baselines: Iterable[TrialRecord],
        proposals: Proposals,
        *,
        refusal: Callable[[TrainingConfig], str | None] = lambda _: None,
        over_budget: Callable[[int], str | None] = lambda _: None,
        watch: Callable[[KnownPoint], None] = lambda _: None,
        more: Callable[[], Iterable[TrialRecord]] | None = None,
    ) -> None:
        """Rebuild from what `trials` holds.

        Args:
            sweep: its seeds, its scheduler's evaluations, its objective's floor.
            trials: the sweep's `trials` folder.
            baselines: what runs before the first point.
            proposals: chooses the points.
            refusal: why a trial with this configuration cannot train; None where it may. A refused one has
                failed without being suggested.
            over_budget: given the number of trials started or refused so far, baselines left out, the
                limit that would be passed by one more; None while there is none.
            watch: told about every point when it is known and when it has ended.
            more: asked for recorded trials with seeds beyond the sweep's whenever all others have ended.
        """
        super().__init__(metric=OBJECTIVE_NAME, mode="max")
        self._sweep = sweep
        self._trials = trials
        self._proposals = proposals
        self._seeds = sweep.seeds
        self._infra = sweep.base_config().infra
        self._refusal = refusal
        self._over_budget = over_budget
        self.is_stopping: Callable[[], bool] = lambda: False
        """Whether no more trials start, and those that leave without a result go on with the next driver."""
        self._watch = watch
        self._more = more
        self._queue: deque[TrialRecord] = deque()
        self._running: dict[str, TrialRecord] = {}
        self._open: dict[int, dict[int, EndedSeed]] = {}
        self._num_started = 0
        self.places: Callable[[], int | None] = lambda: None
        """How many trials may run at once now; None for any number."""
        self.on_refused: Callable[[TrialRecord, ResultRecord], None] = lambda _, __: None
        """Told about every trial that was refused."""
        self.fetch: Callable[[str], None] = lambda _: None
        """Lets a trial's folder be seen as the trial has left it."""
        self.send: Callable[[str], None] = lambda _: None
        """Lets what was written in a trial's folder be seen by the trial."""
        self.stopped_by: str | None = None
        """The limit of the budget that ended the sweep before its last trial."""
        for record in baselines:
            if ResultRecord.read(trials / record.trial_id) is None:
                record.write(trials / record.trial_id)
                self._queue.append(record)
        self._restore_points()

    def has_work(self) -> bool:
        """Whether there is a trial to suggest; the next point is proposed and recorded if it is needed."""
        if self._queue and self._queue[0].kind != "trial":
            return True
        # Also where the budget is spent: a sweep that has no point left was not cut short by it.
        while not self._queue and (point := self._proposals.propose()):
            self._add_point(point)
        if self._more and not self._queue and not self._running:
            self._queue.extend(self._more())
        limit = self._over_budget(self._num_started)
        if self._queue and limit is not None:
            self.stopped_by = limit
            return False
        return bool(self._queue)

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """The next trial for Tune's `trial_id`: our id and its kind; FINISHED when there is no more.

        None, which is none for now, while as many run as have places, while those that run decide whether
        there is more, and while the sweep stops.
        """
        places = self.places()
        if self.is_stopping() or (places is not None and len(self._running) >= places):
            return None
        if not self.has_work():
            waits = self._more and self._running and self.stopped_by is None
            return None if waits else str(Searcher.FINISHED)
        record = self._running[trial_id] = self._queue.popleft()
        self._num_started += record.kind == "trial"
        self.send(record.trial_id)
        return {"trial_id": record.trial_id, "kind": record.kind}

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """A trial ended for good. Its own result file counts.

        What left none has crashed too often if Tune calls it an error, and else was stopped by the scheduler.
        """
        record = self._running.pop(trial_id)
        folder = self._trials / record.trial_id
        self.fetch(record.trial_id)
        outcome = ResultRecord.read(folder)
        if outcome is None and self.is_stopping():
            return
        if outcome is None:
            outcome = (None if error else _stopped(folder)) or ResultRecord(
                status="failed", reason=_crash_reason(folder)
            )
            outcome.write(folder)
            self.send(record.trial_id)
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
        self._watch(KnownPoint(point.number, point.params))
        self._queue_seeds(
            TrialRecord(
                trial_id=trial_name(point.number, seed),
                kind="trial",
                number=point.number,
                label=point.label,
                params=dict(point.params),
                seed=seed,
                config_hash=point.config_hash,
                config=as_run(self._sweep, point.config, seed),
                sampler=dict(self._proposals.notes(point.number)),
            )
        )

    def _restore_points(self) -> None:
        """Take in every point that an earlier driver proposed; what has not ended runs again first."""
        records = [TrialRecord.read(path.parent) for path in self._trials.glob(f"*/{TRIAL_FILE}")]
        points = {record.number: record for record in records if record.kind == "trial"}
        for number, record in sorted(points.items()):
            self._proposals.restore(number, record.params, record.sampler)
            self._watch(KnownPoint(number, record.params))
            self._queue_seeds(record)
        for record in sorted(records, key=lambda record: (record.seed, record.number)):
            if record.kind == "trial" and record.seed not in self._seeds:
                self._take_up_added(record)

    def _take_up_added(self, record: TrialRecord) -> None:
        """Count a trial that a race has added, and queue it if it has not ended."""
        if ResultRecord.read(self._trials / record.trial_id) is not None:
            self._num_started += 1
            return
        config = record.config.model_copy(update={"infra": self._infra})
        record = record.model_copy(update={"config": config})
        record.write(self._trials / record.trial_id)
        self._queue.append(record)

    def _queue_seeds(self, record: TrialRecord) -> None:
        """Queue the seeds of a record's point that have not ended, and can train."""
        self._open[record.number] = {}
        for seed in self._seeds:
            one = record.model_copy(
                update={
                    "trial_id": trial_name(record.number, seed),
                    "seed": seed,
                    # No point decides the infrastructure: what the sweep says of it now holds.
                    "config": record.config.model_copy(update={"seed": seed, "infra": self._infra}),
                }
            )
            folder = self._trials / one.trial_id
            outcome = ResultRecord.read(folder)
            if outcome is None:
                one.write(folder)
                reason = self._refusal(one.config)
                if reason is None:
                    self._queue.append(one)
                    continue
                outcome = ResultRecord(status="failed", reason=reason)
                outcome.write(folder)
                self.on_refused(one, outcome)
            self._num_started += 1
            self._seed_ended(one, outcome)

    def _seed_ended(self, record: TrialRecord, outcome: ResultRecord) -> None:
        """Tell how the point did once all of the sweep's seeds have ended; what a race adds tells nothing."""
        if record.seed not in self._seeds:
            return
        seeds = self._open[record.number]
        evaluations = EvaluationsRecord.read(self._trials / record.trial_id)
        changes = LineageRecord.read(self._trials / record.trial_id).changes
        heard: tuple[SentinelRow, ...] = ()
        if self._sweep.search.learns and outcome.status == "finished":
            heard = heard_at(self._trials / record.trial_id, outcome.steps)
        seeds[record.seed] = EndedSeed(outcome, evaluations, changes[0].step if changes else None, heard)
        if len(seeds) == len(self._seeds):
            objective = self._sweep.objective
            known = point_outcome(
                [seeds[seed] for seed in self._seeds],
                audio_floor=objective.audio_floor,
                rules=objective.sentinels,
            )
            self._proposals.tell(record.number, known)
            self._watch(KnownPoint(record.number, record.params, known))


def as_run(sweep: SweepFile, config: TrainingConfig, seed: int) -> TrainingConfig:
    """A point's configuration with a seed, evaluated as often as the scheduler asks for."""
    update: dict[str, Any] = {"seed": seed}
    if sweep.scheduler.eval_steps is not None:
        update["logging"] = config.logging.model_copy(update={"eval_steps": sweep.scheduler.eval_steps})
    return config.model_copy(update=update)


def _stopped(folder: Path) -> ResultRecord | None:
    """The result of a trial that its scheduler stopped, at its last evaluation; None without any."""
    evaluations = EvaluationsRecord.read(folder)
    if not evaluations.objectives:
        return None
    step, objective = max(evaluations.objectives.items())
    return ResultRecord(status="stopped", objective=objective, steps=step, seconds=evaluations.seconds)


def _crash_reason(folder: Path) -> str:
    """The last line that a crashing trial left behind."""
    crash = folder / CRASH_FILE
    if not crash.is_file():
        return "its process died without a word; the machine may be out of memory"
    last = crash.read_text().strip().splitlines()[-1]
    return f"crashed: {last} (see {CRASH_FILE} in the trial's folder)"
