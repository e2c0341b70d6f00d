"""Reward weights from which nothing was learned."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from common.reward_config import COMPONENTS
from common.reward_variance import reward_variance

if TYPE_CHECKING:
    from analysis.sweep import StoredTrial, Sweep

__all__ = ["inert_weights"]

_INERT_BELOW: Final = 0.05
_COLUMNS: Final = ("trial_id", "step", "prompt_id", *COMPONENTS, "unscored_reason")


def inert_weights(sweep: Sweep) -> list[str]:
    """A sentence for each component that had a weight and moved next to no advantage.

    A component that all completions of a prompt have alike teaches nothing, whatever its weight. The share is
    that of the within-group variance of the trained reward, over all rollouts of a trial.
    """
    rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in sweep.rows(_COLUMNS, "train").to_pylist():
        rows[row["trial_id"]].append(row)
    trained = [trial for trial in sweep.trials if trial.record.trial_id in rows and not trial.lineage.changes]
    inert: dict[str, list[float]] = defaultdict(list)
    for trial in trained:
        for component, share in _shares(trial, rows[trial.record.trial_id]).items():
            if abs(share) < _INERT_BELOW:
                inert[component].append(share)
    return [
        f"The {component} weight was inert in {len(shares)} of {len(trained)} trials: its share in what GRPO "
        f"learned from was at most {max(map(abs, shares)):.1%}, because completions of one prompt hardly "
        "differ in it."
        for component, shares in inert.items()
    ]


def _shares(trial: StoredTrial, rows: list[dict[str, Any]]) -> dict[str, float]:
    """The share of each component that has a weight; nothing where no group varies."""
    reward = trial.record.config.grpo.reward
    groups: dict[tuple[int, str], list[list[float]]] = defaultdict(list)
    for row in rows:
        audio = reward.audio_floor if row["audio"] is None else row["audio"]
        values = [row["format"], row["schema"], audio]
        scored = row["unscored_reason"] is None and None not in values
        groups[row["step"], row["prompt_id"]].append(values if scored else [np.nan] * len(values))
    filled = np.full((len(groups), max(map(len, groups.values())), len(COMPONENTS)), np.nan)
    for index, group in enumerate(groups.values()):
        filled[index, : len(group)] = group
    weights = np.array(reward.weights.as_tuple())
    if reward.reward_type == "schema_only":
        weights[COMPONENTS.index("audio")] = 0.0
    found = reward_variance(filled, weights, trial.record.config.grpo.multi_objective_aggregation)
    named = zip(COMPONENTS, weights, found.shares or (), strict=False)
    return {component: share for component, weight, share in named if weight > 0}
