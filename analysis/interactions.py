"""Which settings matter together: what two of them explain beyond what each explains by itself.

A forest is fitted to the objective, as fANOVA does. With F_i and F_ij its means over the configurations with
setting i, or i and j, held at a value (partial dependences), the share of the pair is

    Var(F_ij - F_i - F_j) / Var(F)

over the configurations: the interaction of Friedman & Popescu (2008, "Predictive Learning via Rule
Ensembles", section 8), in fANOVA's unit. Optuna's fANOVA has single settings only.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Final

import numpy as np

from analysis.importance import fanova_shares, share_of

if TYPE_CHECKING:
    from analysis.importance import Share
    from analysis.intervals import Scores
    from analysis.outcomes import Outcomes

__all__ = ["Interaction", "Interactions", "compute_interactions"]

MIN_CONFIGURATIONS: Final = 16
_MAX_SETTINGS: Final = 5
"""Pairs are of the most important ones: ten of them."""
_MAX_CONFIGURATIONS: Final = 48
"""A pair takes a prediction for each two of them; the best ones and every so many-th of the others."""
_TREES: Final = 32


@dataclass(frozen=True)
class Interaction:
    """Two settings, and the share of the objective's variance that they explain only together."""

    first: str
    second: str
    share: Share


@dataclass(frozen=True)
class Interactions:
    """Of the most important settings, the strongest first."""

    pairs: tuple[Interaction, ...]
    not_told: str | None = None
    """Why there are none."""


def compute_interactions(outcomes: Outcomes) -> Interactions:
    """The pairwise interactions; reproducible, its draws are seeded."""
    count = len(outcomes.labels)
    if len(outcomes.settings) < 2:
        return Interactions((), "an interaction takes two settings that vary")
    if count < MIN_CONFIGURATIONS:
        reason = f"interactions take at least {MIN_CONFIGURATIONS} configurations, got {count}"
        return Interactions((), reason)
    if np.ptp(outcomes.means) == 0:
        return Interactions((), "all configurations have the same objective")
    paths = [setting.path for setting in outcomes.settings]
    chosen = np.argsort(-fanova_shares(outcomes, outcomes.means))[:_MAX_SETTINGS]
    pairs = list(combinations(sorted(chosen.tolist()), 2))
    table = np.stack([setting.encoded for setting in outcomes.settings], axis=1)
    shares = share_of(outcomes, lambda means: _pair_shares(table, means, pairs))
    found = [Interaction(paths[i], paths[j], share) for (i, j), share in zip(pairs, shares, strict=True)]
    return Interactions(tuple(sorted(found, key=lambda one: -one.share.value)))


def _pair_shares(table: Scores, means: Scores, pairs: list[tuple[int, int]]) -> Scores:
    """[P] interaction shares of pairs of columns.

    Args:
        table: [K, N] encoded settings.
        means: [K] outcomes.
        pairs: columns.
    """
    # A second, for this alone.
    from sklearn.ensemble import RandomForestRegressor  # noqa: PLC0415

    forest = RandomForestRegressor(n_estimators=_TREES, random_state=0).fit(table, means)
    rows = table[:: -(-len(table) // _MAX_CONFIGURATIONS)]
    num = len(rows)

    held = [(i,) for i in sorted({i for pair in pairs for i in pair})] + list(pairs)
    # [H, value, other, N]: for each value of what is held, all other configurations with that value put in.
    asked = np.tile(rows, (len(held), num, 1, 1))
    for h, columns in enumerate(held):
        for column in columns:
            asked[h, :, :, column] = rows[:, column, None]
    predicted = forest.predict(asked.reshape(-1, table.shape[1])).reshape(len(held), num, num)
    dependence = dict(zip(held, predicted.mean(2), strict=True))
    total = forest.predict(rows).var()
    if total == 0:
        return np.zeros(len(pairs))
    return np.array([np.var(dependence[i, j] - dependence[i,] - dependence[j,]) / total for i, j in pairs])
