"""The rows of the leaderboard, each with what the page computes its numbers from under other weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analysis.arms import paired_cells, sort_into_arms
from analysis.evaluations import EVALUATION_COLUMNS, held_out_evaluations
from analysis.intervals import CONFIDENCE
from analysis.report.data import Estimate, Row
from analysis.report.moments import component_cells, moments
from analysis.summary import short_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analysis.arms import Arm
    from analysis.intervals import Interval
    from analysis.ranking import Ranking
    from analysis.report.moments import Moments
    from analysis.sweep import Sweep

__all__ = ["leaderboard_rows"]


def leaderboard_rows(sweep: Sweep, ranking: Ranking) -> tuple[Row, ...]:
    """The rows of a ranking, in its order."""
    arms, _ = sort_into_arms(sweep.trials, held_out_evaluations(sweep.last_evaluations(EVALUATION_COLUMNS)))
    objective, difference = _moments(arms, ranking)
    by_trials = {tuple(key.trial_id for key in arm.evaluations.keys): arm for arm in arms}
    places = {arm: place for place, arm in enumerate(sorted(arms, key=lambda arm: arm.tie_breaker))}
    best = next(iter(ranking.configurations), None)
    return tuple(
        Row(
            id=f"r{places[arm]}",
            tie_order=places[arm],
            rank=row.rank,
            name=short_name(row),
            is_trial=row.kind == "trial",
            is_best=row is best,
            tied=row.tied_with_best,
            infeasible=row.infeasible,
            objective=_estimate(row.objective),
            objective_moments=objective[arm],
            difference=_estimate(row.difference.total) if row.difference else None,
            difference_moments=difference.get(arm),
            probability=row.prospect.probability if row.prospect else None,
            expected=row.prospect.expected if row.prospect else None,
            validity=row.validity,
            audio=row.audio_over_valid,
            num_seeds=len(row.seeds),
            num_failed=row.num_failed,
            num_unscored=row.unscored,
        )
        for row in ranking.rows
        for arm in [by_trials[row.trial_ids]]
    )


def _moments(arms: Sequence[Arm], ranking: Ranking) -> tuple[dict[Arm, Moments], dict[Arm, Moments]]:
    """Of each arm's objective, and of each trial's difference to its untrained policy.

    The same cells, pools and confidence as `analysis.ranking` and `analysis.comparisons` take.
    """
    floor = ranking.objective.audio_floor
    trials = [arm for arm in arms if arm.kind == "trial"]
    baselines = [arm for arm in arms if arm.kind == "baseline"]
    untrained = {arm.policy: arm for arm in baselines if arm.record.kind == "untrained_policy"}
    cells = [component_cells(arm.cells, audio_floor=floor) for arm in trials]
    of_baselines = [component_cells(arm.cells.averaged_over_seeds(), audio_floor=floor) for arm in baselines]
    objective = dict(zip(trials, moments(cells, confidence=CONFIDENCE), strict=True))
    objective |= zip(baselines, moments(of_baselines, confidence=CONFIDENCE), strict=True)
    differences = {
        arm: component_cells(pair[0], audio_floor=floor) - component_cells(pair[1], audio_floor=floor)
        for arm in trials
        if arm.policy in untrained and (pair := paired_cells(arm, untrained[arm.policy]))
    }
    corrected = 1 - (1 - CONFIDENCE) / max(1, len(differences))
    difference = moments(list(differences.values()), confidence=corrected)
    return objective, dict(zip(differences, difference, strict=True))


def _estimate(interval: Interval) -> Estimate:
    return Estimate(mean=interval.mean, low=interval.low, high=interval.high)
