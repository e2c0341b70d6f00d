"""Run a sweep: check everything, claim the directory, start Ray and the scorers, let Tune work."""

from __future__ import annotations

from contextlib import redirect_stdout
from datetime import UTC, datetime
from functools import partial
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from ray import tune
from ray.exceptions import RayError
from rich.console import Console

from cluster.bucket.sweep_place import existing_sweep, kept_at, stored_at
from cluster.budget import Budget, BudgetCallback
from cluster.capacity import Demand, Places, check_room, trial_resources
from cluster.feasibility import Feasibility
from cluster.keeping import Keeping, KeepingCallback
from cluster.mirror import Mirror, opened_mirror
from cluster.nodes import living_nodes
from cluster.plan import baselines, check_sweep, num_trials, scorer_keys, steps_of_a_trial
from cluster.population import Population
from cluster.progress import ProgressCallback, SweepDisplay
from cluster.proposals import proposals_for
from cluster.schedulers import make_scheduler, replay
from cluster.scoring.pool import running_pool
from cluster.search import SweepSearcher
from cluster.session import ray_session
from cluster.shared_storage import check_shared
from cluster.stopping import Stop, StopCallback
from cluster.sweep_directory import claimed, sweep_record
from cluster.task import SweepTask, TrialCode
from cluster.train_workers import outer_place
from cluster.trainable import run_in_tune
from cluster.warm_start import EarlierPoints, earlier_points
from common.errors import ClusterError
from common.race import RaceRecord
from common.records import RESULT_FILE, TRIAL_FILE, ResultRecord, TimeRecord, TrialRecord
from search_spaces.user_code import user_code

if TYPE_CHECKING:
    from cluster.race import Race
    from search_spaces.sweep_file import SweepFile

__all__ = ["FailedTrial", "SweepOutcome", "resume_sweep", "run_sweep"]

_PAUSING: Final = ("hyperband", "pbt")
"""Schedulers whose trials wait for others that must start, so that their number cannot be bounded."""


class FailedTrial(NamedTuple):
    """A trial without an outcome."""

    trial_id: str
    label: str
    reason: str


class SweepOutcome(NamedTuple):
    """How a sweep ended."""

    directory: Path
    """The sweep's; of one in a bucket the driver's copy, which has what a ranking and a report take."""
    num_finished: int
    """Trials and baselines with an outcome."""
    failed: tuple[FailedTrial, ...]
    was_done: bool
    """Whether nothing was left to run."""
    num_stopped: int = 0
    """Trials that the scheduler stopped."""
    stopped_by: str | None = None
    """The limit of the budget that was reached before the last trial; what is there is kept."""
    bucket: str | None = None
    """The sweep's URL; None in a folder."""


def run_sweep(
    sweep: SweepFile,
    directory: Path | str,
    *,
    overwrite: bool = False,
    retry_failed: bool = False,
    race: Race | None = None,
    code: TrialCode = TrialCode(),  # noqa: B008 - frozen
    console: Console | None = None,
) -> SweepOutcome:
    """Run a sweep to its end, or go on with it where its directory holds an unfinished one.

    Args:
        sweep: what to run.
        directory: the sweep's own folder, absolute, or its URL; see `sweep_directory`.
        overwrite: delete what sweep the folder holds.
        retry_failed: run the trials again that have failed before.
        race: adds trials when all others have ended.
        code: which functions a trial runs.
        console: where progress is shown; stderr where not given.

    Raises:
        UserError: the sweep, its data, its models or its directory cannot work. Nothing was started.
        ClusterError: the scorers do not start, or trials were lost.
    """
    check_sweep(sweep)
    with kept_at(sweep, directory) as keeping:
        return _run_there(
            sweep, keeping, overwrite=overwrite, retry_failed=retry_failed, race=race, code=code,
            console=console,
        )  # fmt: skip


def _run_there(
    sweep: SweepFile,
    keeping: Keeping,
    *,
    overwrite: bool,
    retry_failed: bool,
    race: Race | None,
    code: TrialCode,
    console: Console | None,
) -> SweepOutcome:
    directory = keeping.directory
    earlier = (None if overwrite else EarlierPoints.read(directory)) or earlier_points(sweep)
    record = sweep_record(sweep)
    trials = directory / "trials"
    with (
        claimed(directory, record, overwrite=overwrite),
        opened_mirror(sweep, record.fingerprint) as mirror,
    ):
        if sweep.search.warm_start:
            earlier.write(directory)
        if retry_failed:
            _forget_failures(trials)
        keeping.begin(overwrite=overwrite)
        say = partial((console or Console(stderr=True)).print, markup=False, highlight=False, soft_wrap=True)
        if race:
            race.say = lambda line: say(f"{sweep.name}: {line}")
            race.take_up()
        budget = Budget(sweep, directory)
        searcher = SweepSearcher(
            sweep,
            trials,
            baselines(sweep),
            proposals_for(sweep, earlier.known(sweep)),
            # Another trainable has rules of its own.
            refusal=Feasibility.of(sweep).refusal if code.trial == TrialCode().trial else lambda _: None,
            over_budget=budget.passed_by_another,
            watch=mirror.take_in,
            more=race.next_round if race else None,
        )
        was_done = not searcher.has_work() and searcher.stopped_by is None
        if not was_done and searcher.stopped_by is None:
            for line in (*earlier.lines, *(f"runs code of yours: {line}" for line in user_code(sweep))):
                say(f"{sweep.name}: {line}")
            try:
                _run(
                    sweep, keeping, searcher, budget=budget, mirror=mirror, race=race, code=code,
                    console=console,
                )  # fmt: skip
            except KeyboardInterrupt:
                verb = "race" if race else "resume"
                say(f"stopped; what has ended is kept, go on with: vibesweep sweep {verb} {keeping.place}")
                raise
            except (OSError, RayError) as error:
                last = str(error).strip().splitlines()[-1:] or [""]
                raise ClusterError(
                    f"the sweep broke off, {type(error).__name__}: {last[0][:300]}; what has ended is kept, "
                    "and the same command goes on with it"
                ) from error
        return _outcome(keeping, was_done=was_done, stopped_by=searcher.stopped_by)


def resume_sweep(
    directory: Path | str,
    *,
    code: TrialCode = TrialCode(),  # noqa: B008 - frozen
    console: Console | None = None,
) -> SweepOutcome:
    """Go on with the sweep that a directory holds, or a bucket at its URL; failed trials run again.

    Raises:
        UserError: it is no sweep directory, or its data have changed or are gone.
        ClusterError: as `run_sweep`.
    """
    directory = existing_sweep(directory)
    return run_sweep(stored_at(directory).sweep, directory, retry_failed=True, code=code, console=console)


def _run(
    sweep: SweepFile,
    keeping: Keeping,
    searcher: SweepSearcher,
    *,
    budget: Budget,
    mirror: Mirror,
    race: Race | None,
    code: TrialCode,
    console: Console | None,
) -> None:
    directory = keeping.directory
    searcher.fetch, searcher.send = keeping.fetch, keeping.send
    num_added = RaceRecord.read(directory).num_added
    with SweepDisplay(sweep.name, num_trials(sweep) + num_added, console) as display:
        mirror.say, searcher.on_refused = display.say, display.refused
        if race:
            race.say, race.expect = display.say, display.expect
        budget.tick(0)
        for record, result in _stored_results(directory):
            display.already_done(record, result)
        display.status("starting Ray")
        stop = Stop(directory, display.say)
        searcher.is_stopping = lambda: stop.is_asked
        with ray_session() as is_local, stop.on_signal():
            if not is_local:
                display.status("asking the nodes whether they see the storage")
                check_shared(keeping.place)
            demand = Demand(sweep.resources, sweep.base_config().infra)
            check_room(demand, is_local=is_local, cure="lower resources or base.infra", say=display.status)
            if sweep.scheduler.type not in _PAUSING:
                searcher.places = Places(demand, sweep.resources.max_concurrent_trials)
            display.status("loading the scorers")
            try:
                with running_pool(sweep, directory, code.audio_backend, scorer_keys(sweep)) as pool:
                    display.status("")
                    task = SweepTask(
                        sweep=sweep.name,
                        directory=str(directory),
                        train_data=sweep.data.train,
                        held_out_data=sweep.data.held_out,
                        objective=sweep.objective,
                        pool=pool,
                        code=code,
                        bucket=keeping.bucket,
                        waits_every=sweep.scheduler.turning_steps if sweep.scheduler.type == "pbt" else None,
                    )
                    # Tune prints a banner even at verbosity 0, and stdout is for the sweep's results.
                    with redirect_stdout(StringIO()):
                        callbacks = StopCallback(stop), KeepingCallback(keeping)
                        _tuner(sweep, task, searcher, budget, display, *callbacks, keeping=keeping).fit()
            finally:
                budget.tick(0)
                budget.save()


def _tuner(
    sweep: SweepFile,
    task: SweepTask,
    searcher: SweepSearcher,
    budget: Budget,
    display: SweepDisplay,
    *callbacks: tune.Callback,
    keeping: Keeping | None = None,
) -> tune.Tuner:
    infra = sweep.base_config().infra
    place = tune.PlacementGroupFactory([trial_resources(infra)])
    if infra.workers > 1:
        place = outer_place(living_nodes())
    trials = Path(task.directory) / "trials"
    scheduler = None
    if sweep.scheduler.type == "pbt":
        scheduler = Population(sweep, Path(task.directory), say=display.say, keeping=keeping)
    elif sweep.scheduler.type != "none":
        scheduler = make_scheduler(sweep.scheduler, steps_of_a_trial(sweep))
        replay(scheduler, trials)
    return tune.Tuner(
        tune.with_resources(
            tune.with_parameters(run_in_tune, task=task),
            place,
        ),
        tune_config=tune.TuneConfig(
            search_alg=searcher,
            scheduler=scheduler,
            num_samples=-1,
            max_concurrent_trials=sweep.resources.max_concurrent_trials,
            reuse_actors=True,
        ),
        run_config=tune.RunConfig(
            # A name of its own for each driver: Tune would take an earlier one's files for its own.
            name=datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f"),
            storage_path=str(Path(task.directory) / "tune"),
            failure_config=tune.FailureConfig(max_failures=infra.max_retries),
            callbacks=[ProgressCallback(display, trials), BudgetCallback(budget), *callbacks],
            verbose=0,
        ),
    )


def _forget_failures(trials: Path) -> None:
    for path in trials.glob(f"*/{RESULT_FILE}"):
        result = ResultRecord.read(path.parent)
        if result and result.status == "failed":
            path.unlink()
            (path.parent / TimeRecord.FILE).unlink(missing_ok=True)


def _stored_results(directory: Path) -> list[tuple[TrialRecord, ResultRecord]]:
    folders = sorted(path.parent for path in directory.glob(f"trials/*/{RESULT_FILE}"))
    return [(TrialRecord.read(folder), result) for folder in folders if (result := ResultRecord.read(folder))]


def _outcome(keeping: Keeping, *, was_done: bool, stopped_by: str | None) -> SweepOutcome:
    """Count how the trials ended.

    Raises:
        ClusterError: some have not, though the budget would have let them.
    """
    directory = keeping.directory
    ended = _stored_results(directory)
    lost = len(list(directory.glob(f"trials/*/{TRIAL_FILE}"))) - len(ended)
    if lost and stopped_by is None:
        raise ClusterError(f"{lost} trials have not ended; run `vibesweep sweep resume {keeping.place}`")
    failed = tuple(
        FailedTrial(record.trial_id, record.label, result.reason or "no reason given")
        for record, result in ended
        if result.status == "failed"
    )
    num_stopped = sum(result.status == "stopped" for _, result in ended)
    num_finished = len(ended) - len(failed) - num_stopped
    return SweepOutcome(
        directory, num_finished, failed, was_done, num_stopped, stopped_by, bucket=keeping.bucket
    )
