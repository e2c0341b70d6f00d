"""What a page needs to compute an objective's mean and interval under any weights, exactly and by itself.

The objective of a cell is linear in the weights, so its mean is w·m, and every variance in its interval is a
quadratic form w'Cw. Three components make six numbers of each matrix; what takes more than that (ties, the
probability of being best) is left to `vibesweep rank --weights`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import stdtrit

from common.model import FrozenModel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analysis.evaluations import CellMeans
    from analysis.intervals import Scores

__all__ = ["Moments", "component_cells", "moments"]

Triple = tuple[float, float, float]
Square = tuple[Triple, Triple, Triple]


class Moments(FrozenModel):
    """The interval of `analysis.intervals.mean_interval` as a function of the weights w.

    With vibes = w'V w and seeds = max(0, max(w'O w, w'P w) - w'R w) the half-width is

        (t_vibes vibes + t_seeds seeds) / (vibes + seeds) * sqrt(vibes + seeds)
    """

    mean: Triple
    """[format, schema, audio]"""
    vibes: Square
    """V: covariance of the components between vibes, divided by their number."""
    own_seeds: Square
    """O: covariance between this arm's seeds, as `SeedNoise.seeds` counts it."""
    pooled_seeds: Square
    """P: the same, pooled over the arms compared."""
    rest: Square
    """R: what of that the spread between vibes accounts for already."""
    t_vibes: float
    """Student's t of the vibes' degrees of freedom."""
    t_seeds: float
    """The same of the seeds; 0 where nothing is known of their spread."""


def component_cells(cells: CellMeans, *, audio_floor: float) -> Scores:
    """[S, V, 3] format, schema and audio of each seed and vibe; what cannot be rendered has the floor."""
    audio = cells.rendered_audio + audio_floor * (1 - cells.rendered)
    return np.stack([cells.format, cells.schema, audio], axis=-1)


def moments(arms: Sequence[Scores], *, confidence: float) -> list[Moments]:
    """The moments of arms whose intervals `analysis.intervals.mean_intervals` would give.

    Args:
        arms: [S, V, 3] components, V >= 2; differences of components work alike.
        confidence: of each interval by itself, in (0, 1).
    """
    df = sum(len(x) - 1 for x in arms)
    df_rest = sum((len(x) - 1) * (x.shape[1] - 1) for x in arms)
    spreads = [_products(x.mean(1) - x.mean((0, 1))) for x in arms]
    rests = [_products(x - x.mean(0) - x.mean(1, keepdims=True) + x.mean((0, 1))) for x in arms]
    pooled = sum(spreads, np.zeros((3, 3))) / max(1, df)
    rest = sum(rests, np.zeros((3, 3))) / max(1, df_rest)
    quantile = (1 + confidence) / 2
    found = []
    for x, spread in zip(arms, spreads, strict=True):
        num_seeds, num_vibes = x.shape[:2]
        found.append(
            Moments.model_validate(
                {
                    "mean": x.mean((0, 1)).tolist(),
                    "vibes": (np.cov(x.mean(0), rowvar=False) / num_vibes).tolist(),
                    "own_seeds": (spread / max(1, num_seeds - 1) / num_seeds).tolist(),
                    "pooled_seeds": (pooled / num_seeds).tolist(),
                    "rest": (rest / (num_seeds * num_vibes)).tolist(),
                    "t_vibes": float(stdtrit(num_vibes - 1, quantile)),
                    "t_seeds": float(stdtrit(df, quantile)) if df else 0.0,
                }
            )
        )
    return found


def _products(deviations: Scores) -> Scores:
    """[3, 3] sums of the products of deviations, [..., 3]."""
    flat = deviations.reshape(-1, 3)
    return np.asarray(flat.T @ flat)
