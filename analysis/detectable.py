"""The smallest difference that a sweep can tell from noise, from its noise floor or its own seeds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from scipy.special import ndtri, stdtrit

from analysis.arms import sort_into_arms
from analysis.evaluations import EVALUATION_COLUMNS, held_out_evaluations, objective_cells
from analysis.intervals import CONFIDENCE
from common.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analysis.intervals import Scores
    from analysis.sweep import Sweep
    from common.noise_floor import NoiseFloor

__all__ = [
    "POWER",
    "Spreads",
    "policy_spread",
    "seed_spread",
    "seed_spread_of",
    "smallest_detectable",
    "spreads_of",
]

POWER = 0.8
"""Probability with which a difference of that size is found."""
_DRAWS: Final = 32_768
"""A standard error of the result below 0.5 %."""
_TINY: Final = 1e-300
"""In place of a variance of zero, whose interval has no width."""


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
    policies: float = 0.0,
) -> float:
    """The smallest true difference of two configurations that a sweep finds with probability POWER.

    Both are evaluated on the same vibes, each with so many training seeds. Their difference then has the
    variance 2 (d^2 / (S V J) + p^2 / V + b^2 / S) with d the spread of decoding, p that of policies over
    vibes and b that of training seeds. It is found where its interval excludes zero. How wide that is varies
    with the estimates of a sweep, so the interval of `analysis.intervals` is made for _DRAWS sets of them,
    each with an error of the difference: POWER of them must leave out zero. There all configurations tell the
    spread of seeds together, with S - 1 degrees of freedom for each of them. An untrained policy has no
    training seeds and is evaluated once: against it the variance is (1 + S) d^2 / (S V J) + 2 p^2 / V + b^2 /
    S.

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
        policies: p >= 0, how differently two policies take to one vibe; 0 where it is not known.

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
    by_vibes = (1 + seeds if untrained else 2) * cell + 2 * policies**2 / vibes
    of_one = (floor.objective_seeds or 0.0) ** 2 / seeds
    if by_vibes + of_one == 0:
        return 0.0
    rng = np.random.default_rng(0)
    # One error in each of as many equally probable parts: less chance than free draws.
    errors = rng.permutation(ndtri((np.arange(_DRAWS) + 0.5) / _DRAWS)) * (by_vibes + trained * of_one) ** 0.5
    found_vibes = by_vibes * rng.chisquare(vibes - 1, _DRAWS) / (vibes - 1)
    found_seeds = np.zeros(_DRAWS)
    sharing = max(trained, num_compared)
    if seeds > 1:
        own = (of_one + cell) * rng.chisquare(seeds - 1, (_DRAWS, trained)) / (seeds - 1)
        others = (sharing - trained) * (seeds - 1)
        of_others = (of_one + cell) * (rng.chisquare(others, _DRAWS) if others else 0.0)
        pooled = (own.sum(1) * (seeds - 1) + of_others) / (sharing * (seeds - 1))
        taken = np.maximum(own, pooled[:, None]).sum(1)
        found_seeds = np.maximum(0.0, taken - trained * cell)
    quantile = (1 + 1 - (1 - CONFIDENCE) / num_compared) / 2
    t_vibes, t_seeds = (
        float(stdtrit(df, quantile)) for df in (vibes - 1, sharing * (seeds - 1) or vibes - 1)
    )
    variance = found_vibes + found_seeds
    widths = (t_vibes * found_vibes + t_seeds * found_seeds) / np.sqrt(np.maximum(variance, _TINY))
    return float(np.quantile(widths + errors, POWER))


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


def policy_spread(arms: Sequence[Scores]) -> float:
    """How differently policies take to one vibe: a standard deviation, without what decoding explains.

    Args:
        arms: one [S, V] array per configuration, V >= 2, the same vibes in all.

    Returns:
        0 where nothing is known: of one configuration, or of seeds that are all single.
    """
    spreads = spreads_of(arms)
    if spreads is None or len(arms) < 2:
        return 0.0
    by_vibe = np.stack([x.mean(0) for x in arms])
    between = _rest(by_vibe) / ((len(arms) - 1) * (by_vibe.shape[1] - 1))
    decoding = spreads.objective_decoding**2 * np.mean([1 / len(x) for x in arms])
    return float(max(0.0, between - decoding) ** 0.5)


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
