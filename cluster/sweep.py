"""Run a sweep: check everything, claim the directory, start Ray and the scorers, let Tune work."""

from __future__ import annotations

from contextlib import redirect_stdout
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ray import tune
from rich.console import Console

from cluster.plan import baselines, check_sweep, num_trials, scorer_keys
from cluster.pool import ScoringPool
from cluster.progress import ProgressCallback, SweepDisplay
from cluster.proposals import proposals_for
from cluster.search import SweepSearcher
from cluster.session import check_capacity, ray_session, trial_resources
from cluster.sweep_directory import claimed, stored_sweep, sweep_record
from cluster.trainable import SweepTask, TrialCode, run_in_tune
from common.errors import ClusterError
from common.records import RESULT_FILE, TRIAL_FILE, ResultRecord, TrialRecord

if TYPE_CHECKING:
    from search_spaces.sweep_file import SweepFile

__all__ = ["FailedTrial", "SweepOutcome", "resume_sweep", "run_sweep"]


class FailedTrial(NamedTuple):
    """A trial without an outcome."""

    trial_id: str
    label: str
    reason: str


class SweepOutcome(NamedTuple):
    """How a sweep ended."""

    directory: Path
    num_finished: int
    """Trials and baselines with an outcome."""
    failed: tuple[FailedTrial, ...]
    was_done: bool
    """Whether nothing was left to run."""


def run_sweep(
    sweep: SweepFile,
    directory: Path,
    *,
    overwrite: bool = False,
    retry_failed: bool = False,
    code: TrialCode = TrialCode(),  # noqa: B008 - frozen
    console: Console | None = None,
) -> SweepOutcome:
    """Run a sweep to its end, or go on with it where its directory holds an unfinished one.

    Args:
        sweep: what to run.
        directory: the sweep's own folder, absolute; see `sweep_directory`.
        overwrite: delete what sweep the folder holds.
        retry_failed: run the trials again that have failed before.
        code: which functions a trial runs.
        console: where progress is shown; stderr where not given.

    Raises:
        UserError: the sweep, its data, its models or its directory cannot work. Nothing was started.
        ClusterError: the scorers do not start, or trials were lost.
    """
    check_sweep(sweep)
    trials = directory / "trials"
    with claimed(directory, sweep_record(sweep), overwrite=overwrite):
        if retry_failed:
            _forget_failures(trials)
        searcher = SweepSearcher(trials, baselines(sweep), proposals_for(sweep), sweep.seeds)
        was_done = not searcher.has_work()
        if not was_done:
            try:
                _run(sweep, directory, searcher, code, console)
            except KeyboardInterrupt:
                (console or Console(stderr=True)).print(
                    f"stopped; what has ended is kept, go on with: vibesweep sweep resume {directory}",
                    soft_wrap=True,
                )
                raise
        return _outcome(directory, was_done=was_done)


def resume_sweep(
    directory: Path,
    *,
    code: TrialCode = TrialCode(),  # noqa: B008 - frozen
    console: Console | None = None,
) -> SweepOutcome:
    """Go on with the sweep that a directory holds; trials that have failed run again.

    Raises:
        UserError: it is no sweep directory, or its data have changed or are gone.
        ClusterError: as `run_sweep`.
    """
    directory = directory.resolve()
    return run_sweep(stored_sweep(directory).sweep, directory, retry_failed=True, code=code, console=console)


def _run(
    sweep: SweepFile, directory: Path, searcher: SweepSearcher, code: TrialCode, console: Console | None
) -> None:
    with SweepDisplay(sweep.name, num_trials(sweep), console) as display:
        for record, result in _stored_results(directory):
            display.already_done(record, result)
        display.status("starting Ray")
        with ray_session() as is_local:
            if is_local:
                check_capacity(sweep.resources, trial_resources(sweep.base_config().infra))
            display.status("loading the scorers")
            pool = ScoringPool(sweep.resources, code.audio_backend)
            try:
                pool.check(scorer_keys(sweep))
                display.status("")
                task = SweepTask(
                    sweep=sweep.name,
                    directory=str(directory),
                    train_data=sweep.data.train,
                    held_out_data=sweep.data.held_out,
                    objective=sweep.objective,
                    scorers=pool.actors,
                    code=code,
                )
                # Tune prints a banner even at verbosity 0, and stdout is for the sweep's results.
                with redirect_stdout(StringIO()):
                    _tuner(sweep, task, searcher, display).fit()
            finally:
                pool.shutdown()


def _tuner(sweep: SweepFile, task: SweepTask, searcher: SweepSearcher, display: SweepDisplay) -> tune.Tuner:
    infra = sweep.base_config().infra
    return tune.Tuner(
        tune.with_resources(
            tune.with_parameters(run_in_tune, task=task),
            tune.PlacementGroupFactory([trial_resources(infra)]),
        ),
        tune_config=tune.TuneConfig(
            search_alg=searcher,
            num_samples=-1,
            max_concurrent_trials=sweep.resources.max_concurrent_trials,
            reuse_actors=True,
        ),
        run_config=tune.RunConfig(
            # A name of its own for each driver: Tune would take an earlier one's files for its own.
            name=datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f"),
            storage_path=str(Path(task.directory) / "tune"),
            failure_config=tune.FailureConfig(max_failures=infra.max_retries),
            callbacks=[ProgressCallback(display, Path(task.directory) / "trials")],
            verbose=0,
        ),
    )


def _forget_failures(trials: Path) -> None:
    for path in trials.glob(f"*/{RESULT_FILE}"):
        result = ResultRecord.read(path.parent)
        if result and result.status == "failed":
            path.unlink()


def _stored_results(directory: Path) -> list[tuple[TrialRecord, ResultRecord]]:
    folders = sorted(path.parent for path in directory.glob(f"trials/*/{RESULT_FILE}"))
    return [(TrialRecord.read(folder), result) for folder in folders if (result := ResultRecord.read(folder))]


def _outcome(directory: Path, *, was_done: bool) -> SweepOutcome:
    """Count how the trials ended.

    Raises:
        ClusterError: some have not.
    """
    ended = _stored_results(directory)
    lost = len(list(directory.glob(f"trials/*/{TRIAL_FILE}"))) - len(ended)
    if lost:
        raise ClusterError(f"{lost} trials have not ended; run `vibesweep sweep resume {directory}`")
    failed = tuple(
        FailedTrial(record.trial_id, record.label, result.reason or "no reason given")
        for record, result in ended
        if result.status == "failed"
    )
    return SweepOutcome(directory, len(ended) - len(failed), failed, was_done)
