"""The ranking under other weights of format, schema and audio, without training again.

The objective is linear in the weights, so a configuration's mean components tell its mean objective under
any of them; `compute_ranking(sweep, weights=…)` has the whole ranking under one, intervals included.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.stats import spearmanr

from common.reward_config import COMPONENTS, Component

if TYPE_CHECKING:
    from analysis.ranking import RankedRow, Ranking
    from analysis.sweep import Sweep
    from common.reward_config import RewardConfig

__all__ = [
    "MixturePoint",
    "TrainedShares",
    "WeightEffect",
    "mean_components",
    "trained_shares",
    "weight_effects",
    "weight_map",
]


@dataclass(frozen=True)
class MixturePoint:
    """Who would win under some weights."""

    weights: tuple[float, float, float]
    """In the order of COMPONENTS; they sum to 1."""
    best: RankedRow
    objective: float
    """Its mean objective under these weights."""
    lead: float
    """How far it is ahead of the next one; 0 where there is no other."""


def mean_components(row: RankedRow, *, audio_floor: float) -> tuple[float, float, float]:
    """A row's mean format, schema and audio; what cannot be rendered has the floor for its audio."""
    audio = row.rendered * (row.audio_over_valid or 0.0) + (1 - row.rendered) * audio_floor
    return row.format, row.schema, audio


def weight_map(ranking: Ranking, *, steps: int = 20) -> list[MixturePoint]:
    """The best feasible configuration under every mixture of weights on a grid.

    Args:
        ranking: of the sweep, under any weights.
        steps: a weight takes the values 0, 1 / steps, ..., 1.

    Returns:
        One point for each mixture; none where nothing is ranked.

    Raises:
        ValueError: steps < 1.
    """
    if not steps >= 1:
        raise ValueError(f"steps must be >= 1, got {steps}")
    rows = ranking.feasible or ranking.configurations
    if not rows:
        return []
    floor = ranking.objective.audio_floor
    components = np.array([mean_components(row, audio_floor=floor) for row in rows])
    points = []
    for first in range(steps + 1):
        for second in range(steps + 1 - first):
            weights = (first / steps, second / steps, (steps - first - second) / steps)
            objectives = components @ np.array(weights)
            # Of equal ones the first, which is ahead under the ranking's own weights.
            best = int(objectives.argmax())
            others = np.delete(objectives, best)
            lead = float(objectives[best] - others.max()) if len(others) else 0.0
            points.append(MixturePoint(weights, rows[best], float(objectives[best]), lead))
    return points


class TrainedShares(NamedTuple):
    """A ranked configuration and the weights that it was trained with."""

    row: RankedRow
    shares: tuple[float, float, float]
    """Each weight's share of their sum, in the order of COMPONENTS."""


def trained_shares(sweep: Sweep, ranking: Ranking) -> list[TrainedShares]:
    """What each ranked configuration was trained for.

    Only ratios of weights matter where rewards are scaled by group, so each weight counts as its share; that
    of audio is 0 where the reward has no sound (`schema_only`). A configuration that changed while it trained
    has no one weight, and is left out.
    """
    trained = {
        trial.record.config_hash: _shares(trial.record.config.grpo.reward)
        for trial in sweep.trials
        if trial.record.kind == "trial"
    }
    return [TrainedShares(row, trained[row.config_hash]) for row in ranking.configurations if not row.changes]


@dataclass(frozen=True)
class WeightEffect:
    """How a trained weight and the outcome go together over a sweep's configurations."""

    component: Component
    correlation: float
    """Spearman's, of the weight's share in the trained reward with the mean objective."""
    p_value: float
    """Probability of a correlation at least as strong if the two had nothing to do with each other."""
    num_configurations: int


def weight_effects(sweep: Sweep, ranking: Ranking) -> list[WeightEffect]:
    """The correlation of each trained reward weight's share with the outcome.

    Returns:
        An entry for each weight that takes two values or more over at least three configurations.
    """
    trained = trained_shares(sweep, ranking)
    shares = np.array([one.shares for one in trained]).reshape(-1, len(COMPONENTS))
    outcome = np.array([one.row.objective.mean for one in trained])
    effects = []
    for component, share in zip(COMPONENTS, shares.T, strict=True):
        if len(trained) < 3 or np.ptp(share) == 0 or np.ptp(outcome) == 0:
            continue
        found = spearmanr(share, outcome)
        effects.append(WeightEffect(component, float(found.statistic), float(found.pvalue), len(trained)))
    return effects


def _shares(reward: RewardConfig) -> tuple[float, float, float]:
    form, schema, audio = reward.weights.as_tuple()
    if reward.reward_type == "schema_only":
        audio = 0.0
    total = form + schema + audio
    return form / total, schema / total, audio / total
