"""The smallest difference that a sweep can tell from noise, from its measured noise floor."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import stdtrit

from analysis.arms import sort_into_arms
from analysis.evaluations import held_out_evaluations, objective_cells
from analysis.intervals import CONFIDENCE
from common.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analysis.intervals import Scores
    from analysis.sweep import Sweep
    from common.noise_floor import NoiseFloor

__all__ = ["POWER", "seed_spread", "seed_spread_of", "smallest_detectable"]

POWER = 0.8
"""Probability with which a difference of that size is found."""


def smallest_detectable(
    floor: NoiseFloor, *, seeds: int, vibes: int, samples: int = 1, num_compared: int = 1
) -> float:
    """The smallest true difference of two configurations that a sweep finds with probability POWER.

    Both are evaluated on the same vibes, each with so many training seeds. Their difference then has the
    variance 2 (d^2 / (S V J) + b^2 / S) with d the spread of decoding and b that of training seeds, and is
    found where its interval excludes zero: at (t_confidence + t_power) standard errors. The critical values
    are Student's, weighted by the two sources' variances as in `analysis.intervals`.

    Decoding is taken as independent. Policies that write alike share its noise and are told apart sooner, so
    this is the cautious number.

    Args:
        floor: the measured spreads; training seeds count where it has them.
        seeds: S >= 1 training seeds of each configuration.
        vibes: V >= 2 held-out vibes.
        samples: J >= 1 completions per vibe.
        num_compared: comparisons among which this one was picked, for which its interval is corrected.

    Raises:
        ValueError: a number is too small.
    """
    if not (seeds >= 1 and vibes >= 2 and samples >= 1 and num_compared >= 1):
        raise ValueError(
            f"seeds, samples and num_compared must be >= 1 and vibes >= 2, got {seeds}, {samples}, "
            f"{num_compared} and {vibes}"
        )
    by_vibes = 2 * floor.objective_decoding**2 / (seeds * vibes * samples)
    by_seeds = 2 * (floor.objective_seeds or 0.0) ** 2 / seeds
    if by_vibes + by_seeds == 0:
        return 0.0

    def critical(df: int) -> float:
        confidence = 1 - (1 - CONFIDENCE) / num_compared
        return float(stdtrit(df, (1 + confidence) / 2) + stdtrit(df, POWER))

    # One seed says nothing of their spread; the rank's interval then leaves it out, and so must this.
    t_seeds = critical(2 * (seeds - 1)) if seeds > 1 else critical(vibes - 1)
    weighted = critical(vibes - 1) * by_vibes + t_seeds * by_seeds
    return float(weighted / (by_vibes + by_seeds) * (by_vibes + by_seeds) ** 0.5)


def seed_spread(arms: Sequence[Scores]) -> float | None:
    """Standard deviation of the objective between training seeds, without what the vibes' spread explains.

    Args:
        arms: one [S, V] array per configuration, V >= 2.

    Returns:
        The spread pooled over the configurations with two seeds or more; None where there is none.
    """
    arms = [x for x in arms if len(x) > 1]
    if not arms:
        return None
    df = sum(len(x) - 1 for x in arms)
    between = sum(float(np.sum((x.mean(1) - x.mean()) ** 2)) for x in arms) / df
    rest = 0.0
    for x in arms:
        residual = x - x.mean(0) - x.mean(1, keepdims=True) + x.mean()
        # Each vibe's residual moves a seed's mean by a share of it.
        rest += float(np.sum(residual**2)) / (x.shape[1] - 1) / x.shape[1]
    return float(max(0.0, between - rest / df) ** 0.5)


def seed_spread_of(sweep: Sweep) -> float:
    """The spread between the training seeds of a stored sweep's configurations.

    Raises:
        UserError: no configuration has two finished seeds.
    """
    arms, _ = sort_into_arms(sweep.trials, held_out_evaluations(sweep.ledger))
    trials = [objective_cells(arm.cells, sweep.objective) for arm in arms if arm.kind == "trial"]
    spread = seed_spread(trials)
    if spread is None:
        raise UserError(
            f"{sweep.directory} must have a configuration with two finished seeds, got none; list more "
            "`seeds` in its sweep file"
        )
    return spread
