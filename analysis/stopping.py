"""Early stopping, audited: would what the scheduler stopped have won?

Nobody knows how a stopped trial would have gone on. What is known is how much the trials that were allowed to
go on gained from the same step to their end. If a stopped one had gained as much as each of them, how often
would it have passed the best configuration? The finished ones were picked because they looked well at that
step, and picking flatters: on average they gain less from there than a stopped one would have, so that the
share is rather too low. And one evaluation of one seed is a noisy judge.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from scipy.stats import spearmanr

from analysis.curves import compute_learning_curves
from analysis.summary import short_label

if TYPE_CHECKING:
    from analysis.curves import LearningCurve
    from analysis.ranking import Ranking
    from analysis.sweep import Sweep

__all__ = ["StoppedTrial", "StoppingAudit", "compute_stopping_audit"]

MIN_FINISHED: Final = 3
"""Finished trials with an evaluation at the step, for a share to be told."""


@dataclass(frozen=True)
class StoppedTrial:
    """One trial that the scheduler stopped."""

    trial_id: str
    label: str
    seed: int
    step: int
    """Where it was stopped."""
    objective: float
    """Its last evaluation's."""
    num_finished: int
    """Finished trials that were evaluated at the same step."""
    num_behind: int
    """Of these, how many were behind it there: it would not have been stopped for any of them."""
    share_won: float | None
    """Of these, how many gained enough from there to bring it past the best configuration; None of fewer than
    MIN_FINISHED."""


@dataclass(frozen=True)
class StoppingAudit:
    """What can be known of all stopped trials."""

    stopped: tuple[StoppedTrial, ...]
    """The ones most likely to have won first."""
    best: float | None
    """Mean objective of the best configuration; None where none is ranked."""
    agreement: dict[int, float]
    """Step at which trials were stopped to Spearman's correlation of the finished trials' objective there and
    at their end: near 1, an evaluation there tells who will be ahead; near 0 it tells nothing."""

    @property
    def says(self) -> str:
        """The audit in a sentence or two."""
        told = [one for one in self.stopped if one.share_won is not None]
        if not told:
            return (
                f"{len(self.stopped)} trials were stopped; whether one would have won cannot be told, "
                f"because fewer than {MIN_FINISHED} finished trials were evaluated at the same step."
            )
        likely = [one for one in told if one.share_won and one.share_won >= 0.5]
        able = [one for one in told if one.share_won]
        if not able:
            return (
                f"None of {len(told)} stopped trials would have passed the best configuration with any gain "
                "that a finished trial made from the same step on."
            )
        first = able[0]
        return (
            f"{len(able)} of {len(told)} stopped trials could have passed the best configuration, "
            f"and {len(likely)} would have with the gains of at least half of the finished trials; nearest "
            f"was {short_label(first.label)}, seed {first.seed}, stopped at step {first.step}: with the "
            f"gains of {first.share_won:.0%}."
        )


def compute_stopping_audit(sweep: Sweep, ranking: Ranking) -> StoppingAudit | None:
    """Audit a sweep's scheduler, under the ranking's weights.

    Returns:
        None where nothing was stopped.
    """
    curves = {curve.trial_id: curve for curve in compute_learning_curves(sweep, ranking.objective)}
    ended = [trial.record.trial_id for trial in sweep.trials if trial.was_stopped]
    stopped = [curves[trial_id] for trial_id in ended if trial_id in curves]
    if not stopped:
        return None
    finished = [
        curves[trial.record.trial_id]
        for trial in sweep.trials
        if trial.record.kind == "trial"
        and trial.result is not None
        and trial.result.status == "finished"
        and not trial.lineage.changes
        and trial.record.trial_id in curves
    ]
    best = max((row.objective.mean for row in ranking.feasible or ranking.configurations), default=None)
    audited = [_audited(curve, finished, best) for curve in stopped]
    audited.sort(key=lambda one: (-(one.share_won or 0.0), -one.objective))
    agreement = {}
    for step in sorted({one.step for one in audited}):
        pairs = [(there, curve.objective[-1]) for curve in finished if (there := curve.at(step)) is not None]
        if len(pairs) >= MIN_FINISHED and all(len(set(values)) > 1 for values in zip(*pairs, strict=True)):
            agreement[step] = float(spearmanr(*zip(*pairs, strict=True)).statistic)
    return StoppingAudit(tuple(audited), best, agreement)


def _audited(curve: LearningCurve, finished: list[LearningCurve], best: float | None) -> StoppedTrial:
    step, objective = curve.steps[-1], curve.objective[-1]
    pairs = [(there, other.objective[-1]) for other in finished if (there := other.at(step)) is not None]
    share = None
    if best is not None and len(pairs) >= MIN_FINISHED:
        share = sum(objective + (end - there) > best for there, end in pairs) / len(pairs)
    return StoppedTrial(
        trial_id=curve.trial_id,
        label=curve.label,
        seed=curve.seed,
        step=step,
        objective=objective,
        num_finished=len(pairs),
        num_behind=sum(there < objective for there, _ in pairs),
        share_won=share,
    )
