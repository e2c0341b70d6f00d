"""Ray's schedulers over our trials: they see held-out evaluations by optimizer step, and no baselines."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from ray.tune.schedulers import (
    AsyncHyperBandScheduler,
    HyperBandScheduler,
    MedianStoppingRule,
    TrialScheduler,
)
from ray.tune.schedulers.hyperband import _Bracket

from cluster.population_rules import check_population
from common.errors import UserError
from common.objective import OBJECTIVE_NAME
from common.records import TRIAL_FILE, EvaluationsRecord, ResultRecord, TrialRecord

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from ray.tune.execution.tune_controller import TuneController
    from ray.tune.experiment import Trial

    from search_spaces.search_config import SchedulerConfig
    from search_spaces.sweep_file import SweepFile

__all__ = ["Asha", "HyperBand", "Median", "check_scheduler", "make_scheduler", "replay"]

_STEP: Final = "step"
"""Name of the optimizer step in a trial's reports."""
_NEVER: Final = 10**9
"""A step that no trial reaches: trials end by themselves."""


def check_scheduler(sweep: SweepFile) -> None:
    """See that the sweep's scheduler can work with its trials.

    Raises:
        UserError: it cannot.
    """
    scheduler = sweep.scheduler
    if scheduler.type == "pbt":
        check_population(sweep)
    logging = sweep.base_config().logging
    if scheduler.type == "hyperband":
        if sweep.resources.max_concurrent_trials is not None:
            raise UserError(
                "resources.max_concurrent_trials must be left out with hyperband, got "
                f"{sweep.resources.max_concurrent_trials}; trials that wait for the others of their bracket "
                "would take the places of those"
            )
        assert scheduler.eval_steps is not None, "SchedulerConfig requires it"
        if logging.save_strategy == "no" or scheduler.eval_steps % logging.save_steps:
            raise UserError(
                f"base.logging.save_steps must divide scheduler.eval_steps {scheduler.eval_steps}, got "
                f"{logging.save_steps} with save_strategy {logging.save_strategy!r}; hyperband pauses "
                "trials, which go on from their checkpoints"
            )


def make_scheduler(config: SchedulerConfig, total_steps: int) -> TrialScheduler | None:
    """The sweep's scheduler; None where every trial runs to its end.

    Args:
        config: one that `check_scheduler` accepts, and not pbt, whose scheduler is `Population`.
        total_steps: optimizer steps of a whole trial, which HyperBand's brackets are cut from.
    """
    if config.type == "none":
        return None
    assert config.eval_steps is not None, "SchedulerConfig requires it"
    common = {"time_attr": _STEP, "metric": OBJECTIVE_NAME, "mode": "max"}
    grace = config.grace_steps or config.eval_steps
    if config.type == "asha":
        return Asha(**common, max_t=_NEVER, grace_period=grace, reduction_factor=config.reduction_factor)
    if config.type == "median":
        # A trial that yields to others would have to be loaded again.
        return Median(**common, grace_period=grace, min_time_slice=float("inf"), hard_stop=True)
    assert config.type == "hyperband", f"not this function's: {config.type!r}"
    scheduler = HyperBand(**common, max_t=max(total_steps, 1), reduction_factor=config.reduction_factor)
    scheduler.grace_steps = grace
    return scheduler


class _Evaluations(TrialScheduler):  # type: ignore[misc]  # Ray has no types
    """Before one of Ray's schedulers: shows it only what it is to judge, evaluations of trials that train."""

    def on_trial_add(self, tune_controller: TuneController, trial: Trial) -> None:
        if _is_judged(trial):
            super().on_trial_add(tune_controller, trial)

    def on_trial_result(self, tune_controller: TuneController, trial: Trial, result: dict[str, Any]) -> str:
        if not (_is_judged(trial) and OBJECTIVE_NAME in result):
            return str(TrialScheduler.CONTINUE)
        return str(super().on_trial_result(tune_controller, trial, result))

    def on_trial_remove(self, tune_controller: TuneController, trial: Trial) -> None:
        if _is_judged(trial):
            super().on_trial_remove(tune_controller, trial)

    def on_trial_error(self, tune_controller: TuneController, trial: Trial) -> None:
        if _is_judged(trial):
            super().on_trial_error(tune_controller, trial)


class Asha(_Evaluations, AsyncHyperBandScheduler):  # type: ignore[misc]  # Ray has no types
    """Asynchronous successive halving."""

    def on_trial_complete(
        self, tune_controller: TuneController, trial: Trial, result: dict[str, Any]
    ) -> None:
        """Nothing: the last evaluation of a trial is no rung, and the others have been seen."""


class Median(_Evaluations, MedianStoppingRule):  # type: ignore[misc]  # Ray has no types
    """Stops a trial whose best evaluation is worse than the median of the others' means so far."""

    def on_trial_complete(
        self, tune_controller: TuneController, trial: Trial, result: dict[str, Any]
    ) -> None:
        """Nothing: Ray's would take the end of the function for an evaluation, and miss its step."""

    def on_trial_remove(self, tune_controller: TuneController, trial: Trial) -> None:
        """Nothing: what a trial has shown counts however it ended."""


class _CountedBracket(_Bracket):  # type: ignore[misc]  # Ray has no types
    """A bracket that is full when it has had its number of trials.

    Ray's counts those that have not ended. With fewer slots than its first bracket has trials, which run to
    their end, that one is never full, and no trial is ever stopped.
    """

    def filled(self) -> bool:
        return bool(len(self._all_trials) >= self._n0)


class HyperBand(_Evaluations, HyperBandScheduler):  # type: ignore[misc]  # Ray has no types
    """HyperBand: trials of a bracket wait for each other at every rung."""

    grace_steps: int = 0

    def on_trial_result(self, tune_controller: TuneController, trial: Trial, result: dict[str, Any]) -> str:
        if not (_STEP in result and result[_STEP] >= self.grace_steps):
            return str(TrialScheduler.CONTINUE)
        return super().on_trial_result(tune_controller, trial, result)

    def on_trial_complete(
        self, tune_controller: TuneController, trial: Trial, result: dict[str, Any]
    ) -> None:
        if _is_judged(trial):
            super().on_trial_complete(tune_controller, trial, result)

    def _create_bracket(self, s: int) -> _Bracket:
        bracket = super()._create_bracket(s)
        bracket.__class__ = _CountedBracket
        return bracket

    def choose_trial_to_run(self, tune_controller: TuneController) -> Trial | None:
        """A baseline first: it is in no bracket. Before all, who is lost is waited for no more.

        A trial for which Tune cannot make a process ready becomes an error without a word to its scheduler.
        """
        for trial in tune_controller.get_trials():
            if trial.status == "ERROR" and _is_judged(trial):
                bracket, _ = self._trial_info[trial]
                if trial in bracket.current_trials():
                    self.on_trial_error(tune_controller, trial)
        for trial in tune_controller.get_trials():
            if trial.status == "PENDING" and not _is_judged(trial):
                return trial
        return super().choose_trial_to_run(tune_controller)


@dataclass(frozen=True)
class _EndedTrial:
    """Stands for a trial of an earlier driver."""

    trial_id: str
    config: dict[str, Any] = field(hash=False)
    status: str = "TERMINATED"


def replay(scheduler: TrialScheduler | None, trials: Path) -> None:
    """Show a new driver's scheduler what the trials that ended were worth at each of their evaluations.

    Without it the first trial of a resumed sweep would have nothing to be compared with. HyperBand's
    brackets start anew: a trial that has ended has no part in one.
    """
    if not isinstance(scheduler, Asha | Median):
        return
    for trial, evaluations in _ended(trials):
        scheduler.on_trial_add(None, trial)
        for step, objective in evaluations:
            scheduler.on_trial_result(None, trial, {_STEP: step, OBJECTIVE_NAME: objective})


def _ended(trials: Path) -> Iterable[tuple[_EndedTrial, list[tuple[int, float]]]]:
    for folder in sorted(path.parent for path in trials.glob(f"*/{TRIAL_FILE}")):
        record, result = TrialRecord.read(folder), ResultRecord.read(folder)
        if record.kind != "trial" or result is None:
            continue
        seen = {
            step: objective
            for step, objective in EvaluationsRecord.read(folder).objectives.items()
            # What a scheduler was not shown: the untrained policy, and the end.
            if step > 0 and not (result.status == "finished" and step >= result.steps)
        }
        yield _EndedTrial(record.trial_id, {"kind": record.kind}), sorted(seen.items())


def _is_judged(trial: Trial | _EndedTrial) -> bool:
    return bool(trial.config["kind"] == "trial")
