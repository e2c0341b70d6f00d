"""The smallest difference that a sweep can tell from noise, from its noise floor or its own seeds."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.special import chdtrc, stdtrit

from analysis.arms import sort_into_arms
from analysis.evaluations import EVALUATION_COLUMNS, held_out_evaluations, objective_cells
from analysis.intervals import CONFIDENCE
from common.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analysis.intervals import Scores
    from analysis.sweep import Sweep
    from common.noise_floor import NoiseFloor

__all__ = ["POWER", "Spreads", "seed_spread", "seed_spread_of", "smallest_detectable", "spreads_of"]

POWER = 0.8
"""Probability with which a difference of that size is found."""


class Spreads(NamedTuple):
    """Standard deviations of the objective that nothing but chance tells apart; named as in NoiseFloor."""

    objective_decoding: float
    """Of one vibe's mean over its completions, without what seeds and vibes explain."""
    objective_seeds: float | None
    """Between training seeds; None where it is not known."""


def smallest_detectable(
    floor: NoiseFloor | Spreads,
    *,
    seeds: int,
    vibes: int,
    samples: int = 1,
    num_compared: int = 1,
    untrained: bool = False,
) -> float:
    """The smallest true difference of two configurations that a sweep finds with probability POWER.

    Both are evaluated on the same vibes, each with so many training seeds. Their difference then has the
    variance 2 (d^2 / (S V J) + b^2 / S) with d the spread of decoding and b that of training seeds. It is
    found where its interval excludes zero: where it is larger than the interval's half width, on average that
    of `analysis.intervals` for such spreads, by t_power of its own standard errors. There all configurations
    tell the spread of seeds together, with S - 1 degrees of freedom for each of them. An untrained policy has
    no training seeds and is evaluated once: against it the variance is (1 + S) d^2 / (S V J) + b^2 / S.

    Decoding is taken as independent. Policies that write alike share its noise and are told apart sooner, so
    this is the cautious number.

    Args:
        floor: the measured spreads; training seeds count where it has them.
        seeds: S >= 1 training seeds of each configuration.
        vibes: V >= 2 held-out vibes.
        samples: J >= 1 completions per vibe.
        num_compared: configurations among which this one was picked: its interval is corrected for them,
            and they share the spread of their seeds.
        untrained: whether the other side is the untrained policy.

    Raises:
        ValueError: a number is too small.
    """
    if not (seeds >= 1 and vibes >= 2 and samples >= 1 and num_compared >= 1):
        raise ValueError(
            f"seeds, samples and num_compared must be >= 1 and vibes >= 2, got {seeds}, {samples}, "
            f"{num_compared} and {vibes}"
        )
    trained = 1 if untrained else 2
    cell = floor.objective_decoding**2 / (seeds * vibes * samples)
    by_vibes, by_seeds = (
        (1 + seeds if untrained else 2) * cell,
        trained * (floor.objective_seeds or 0.0) ** 2 / seeds,
    )
    if by_vibes + by_seeds == 0:
        return 0.0
    # What an interval takes for the seeds: the spread of their means, to which decoding adds. One seed says
    # nothing of it; the interval then leaves it out.
    rest = trained * cell
    sharing = max(trained, num_compared)
    taken = _taken(sharing, seeds) * (by_seeds + rest) if seeds > 1 else 0.0
    df = sharing * (seeds - 1) or vibes - 1

    def critical(probability: float) -> float:
        t_vibes, t_seeds = (float(stdtrit(n, probability)) for n in (vibes - 1, df))
        return (t_vibes * by_vibes + t_seeds * taken) / (by_vibes + taken)

    width = by_vibes + (taken - rest if seeds > 1 else by_seeds)
    confidence = 1 - (1 - CONFIDENCE) / num_compared
    own_error = (by_vibes + by_seeds) ** 0.5
    return float(critical((1 + confidence) / 2) * width**0.5 + critical(POWER) * own_error)


def _taken(sharing: int, seeds: int) -> float:
    """What an interval takes for the variance of seeds, on average, as a multiple of the true one.

    That is the larger of a configuration's own and the pooled estimate. With X = chi^2_d / d of the own one,
    E max(X, 1) = 1 + P(chi^2_(d+2) > d) - P(chi^2_d > d); the pool holds a share of the own one itself.
    """
    d = seeds - 1
    return 1 + (1 - 1 / sharing) * float(chdtrc(d + 2, d) - chdtrc(d, d))


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
    # Each vibe's residual moves a seed's mean by a share of it.
    rest = sum(_rest(x) / (x.shape[1] - 1) / x.shape[1] for x in arms)
    return float(max(0.0, between - rest / df) ** 0.5)


def spreads_of(arms: Sequence[Scores]) -> Spreads | None:
    """What a sweep's own seeds say of its noise.

    Seeds of one configuration are decoded with the same noise, and evaluated on the same vibes. What is left
    of a score without its seed's and its vibe's mean is decoding, and how the two go together.

    Args:
        arms: one [S, V] array per configuration, V >= 2, each score the mean over a vibe's completions.

    Returns:
        The spreads pooled over the configurations with two seeds or more; None where there is none.
    """
    seeds = seed_spread(arms)
    if seeds is None:
        return None
    arms = [x for x in arms if len(x) > 1]
    df = sum((len(x) - 1) * (x.shape[1] - 1) for x in arms)
    return Spreads((sum(_rest(x) for x in arms) / df) ** 0.5, seeds)


def _rest(x: Scores) -> float:
    """Sum of squares without the means of seeds and vibes."""
    return float(np.sum((x - x.mean(0) - x.mean(1, keepdims=True) + x.mean()) ** 2))


def seed_spread_of(sweep: Sweep) -> float:
    """The spread between the training seeds of a stored sweep's configurations.

    Raises:
        UserError: no configuration has two finished seeds.
    """
    arms, _ = sort_into_arms(sweep.trials, held_out_evaluations(sweep.last_evaluations(EVALUATION_COLUMNS)))
    trials = [objective_cells(arm.cells, sweep.objective) for arm in arms if arm.kind == "trial"]
    spread = seed_spread(trials)
    if spread is None:
        raise UserError(
            f"{sweep.folder.path} must have a configuration with two finished seeds, got none; list more "
            "`seeds` in its sweep file"
        )
    return spread
