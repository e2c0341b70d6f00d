"""Which settings matter together: what two of them explain beyond what each explains by itself.

A forest of random splits is fitted to the objective. With F_i and F_ij its means over the configurations with
setting i, or i and j, held at a value (partial dependences), the share of the pair is

    Var(F_ij - F_i - F_j) / Var(F)

over the configurations: the interaction of Friedman & Popescu (2008, "Predictive Learning via Rule
Ensembles", section 8), in fANOVA's unit. Optuna's fANOVA has single settings only. What chance gives is
found by shuffling what the single settings leave unexplained.
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
    if (parts := _additive(outcomes)) is None:
        return Interactions((), f"single settings alone explain all {count} configurations")
    paths = [setting.path for setting in outcomes.settings]
    chosen = np.argsort(-fanova_shares(outcomes, outcomes.means))[:_MAX_SETTINGS]
    pairs = list(combinations(sorted(chosen.tolist()), 2))
    table = np.stack([setting.encoded for setting in outcomes.settings], axis=1)
    shares = share_of(outcomes, lambda means: _pair_shares(table, means, pairs), parts)
    found = [Interaction(paths[i], paths[j], share) for (i, j), share in zip(pairs, shares, strict=True)]
    return Interactions(tuple(sorted(found, key=lambda one: -one.share.value)))


def _dependences(
    table: Scores, means: Scores, held: list[tuple[int, ...]]
) -> tuple[dict[tuple[int, ...], Scores], Scores]:
    """Partial dependences of a forest, and the forest itself.

    Args:
        table: [K, N] encoded settings.
        means: [K] outcomes.
        held: columns that are held at the values of each row.

    Returns:
        For each of `held` and for the forest: [R] values at every so many-th row of the table, each less
        their mean.
    """
    # A second, for this alone.
    from sklearn.ensemble import ExtraTreesRegressor  # noqa: PLC0415

    # Splits at random places: greedy ones never see two settings of which neither matters alone.
    forest = ExtraTreesRegressor(n_estimators=_TREES, random_state=0).fit(table, means)
    rows = table[:: -(-len(table) // _MAX_CONFIGURATIONS)]
    num = len(rows)
    # [H, value, other, N]: for each value of what is held, all other rows with that value put in.
    asked = np.tile(rows, (len(held), num, 1, 1))
    for h, columns in enumerate(held):
        for column in columns:
            asked[h, :, :, column] = rows[:, column, None]
    predicted = forest.predict(asked.reshape(-1, table.shape[1])).reshape(len(held), num, num).mean(2)
    centred = predicted - predicted.mean(1, keepdims=True)
    own = forest.predict(rows)
    return dict(zip(held, centred, strict=True)), own - own.mean()


def _additive(outcomes: Outcomes) -> tuple[Scores, Scores] | None:
    """What single settings explain, and what is left: [K] and [K]; None where they explain everything.

    Least squares on each number and its square, and on each level of what is none. What is left is as large
    as it would be had nothing of it been fitted (Freedman & Lane 1983, doi:10.2307/1391660).
    """
    columns = [np.ones(len(outcomes.labels))]
    for setting in outcomes.settings:
        if setting.is_number:
            scaled = (setting.encoded - setting.encoded.mean()) / setting.encoded.std()
            columns += [scaled, scaled**2]
        else:
            columns += [(setting.encoded == level).astype(float) for level in range(1, len(setting.levels))]
    design = np.stack(columns, axis=1)
    coefficients, _, rank, _ = np.linalg.lstsq(design, outcomes.means)
    fitted, left = design @ coefficients, len(design) - int(rank)
    if left < 1:
        return None
    return fitted, (outcomes.means - fitted) * (len(design) / left) ** 0.5


def _pair_shares(table: Scores, means: Scores, pairs: list[tuple[int, int]]) -> Scores:
    """[P] interaction shares of pairs of columns."""
    singles: list[tuple[int, ...]] = [(i,) for i in sorted({i for pair in pairs for i in pair})]
    dependences, forest = _dependences(table, means, [*singles, *pairs])
    if forest.var() == 0:
        return np.zeros(len(pairs))
    joint = [dependences[i, j] - dependences[i,] - dependences[j,] for i, j in pairs]
    return np.asarray(np.var(joint, axis=1) / forest.var())
