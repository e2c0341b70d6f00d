"""How a trial's end is stored: `trial.json` before it starts, `result.json` when it has ended."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from common.errors import TrialError, UserError
from common.records import TRIAL_FILE, ResultRecord, TrialRecord
from trainables.spec import TrialResult, TrialSpec
from trainables.workers import first_does, is_first

if TYPE_CHECKING:
    from collections.abc import Callable

    from common.sentinels import Gains
    from trainables.best_adapter import Best
    from trainables.digest import Evaluation

__all__ = ["recorded", "stored_result", "trial_result"]


def recorded(spec: TrialSpec, work: Callable[[], TrialResult]) -> TrialResult:
    """Do a trial's work and store how it ended; the stored result of a finished trial is returned at once.

    A trial that is killed or stopped stores nothing, so it goes on when it is started again.
    """
    directory = Path(spec.directory)
    stored = first_does(lambda: _begun(spec, directory))
    if stored is not None:
        return stored
    try:
        result = work()
    except (TrialError, UserError) as error:
        if is_first():
            ResultRecord(status="failed", reason=str(error)).write(directory)
        raise
    if is_first():
        ResultRecord(status="finished", **result._asdict()).write(directory)
    return result


def _begun(spec: TrialSpec, directory: Path) -> TrialResult | None:
    """The result of a trial that has finished; None, and the trial's record is there, for any other."""
    stored = stored_result(directory)
    if stored is not None:
        return stored
    if not (directory / TRIAL_FILE).exists():
        _trial_record(spec).write(directory)
    return None


def trial_result(
    evaluation: Evaluation,
    *,
    steps: int,
    seconds: float,
    unscored_rollouts: int = 0,
    gains: Gains | None = None,
    best: Best | None = None,
) -> TrialResult:
    """The result whose numbers are those of the last evaluation."""
    return TrialResult(
        objective=evaluation.objective,
        validity=evaluation.validity,
        audio_over_valid=evaluation.audio_over_valid,
        steps=steps,
        seconds=seconds,
        unscored_share=evaluation.unscored_share,
        unscored_rollouts=unscored_rollouts,
        clap_gain=gains and gains.clap,
        eval_clap_gain=gains and gains.eval_clap,
        best_step=best and best.step,
        best_objective=best and best.objective,
    )


def stored_result(directory: Path) -> TrialResult | None:
    """The result in the folder of a trial that has finished; None for any other."""
    stored = ResultRecord.read(directory)
    if stored is None or stored.status != "finished":
        return None
    assert stored.objective is not None
    assert stored.validity is not None
    assert stored.unscored_share is not None
    return TrialResult(
        objective=stored.objective,
        validity=stored.validity,
        audio_over_valid=stored.audio_over_valid,
        steps=stored.steps,
        seconds=stored.seconds,
        unscored_share=stored.unscored_share,
        unscored_rollouts=stored.unscored_rollouts,
        clap_gain=stored.clap_gain,
        eval_clap_gain=stored.eval_clap_gain,
        best_step=stored.best_step,
        best_objective=stored.best_objective,
    )


def _trial_record(spec: TrialSpec) -> TrialRecord:
    """The record of a trial that no sweep has numbered."""
    return TrialRecord(
        trial_id=spec.trial_id,
        kind=spec.kind,
        number=0,
        label=spec.trial_id,
        params=dict(spec.params),
        seed=spec.config.seed,
        config_hash=spec.config_hash,
        config=spec.config,
    )
