"""Confidence intervals for scores that vary between vibes and between training seeds.

Model: the score of training seed s on held-out vibe v is x_sv = mu + a_v + b_s + e_sv, with random
vibes, seeds and rest, crossed. With the mean squares of a two-way table, the mean over [S, V] scores has

    variance = [MS_vibes + max(0, MS_seeds - MS_rest)] / (S V)

(Searle, Casella & McCulloch 1992, "Variance Components", chapter 4).

Two or three seeds say little about their own spread: one time in ten, the standard deviation of two is below
an eighth of the true one. So MS_seeds is the larger of a configuration's own and the one pooled over all
configurations compared, with the degrees of freedom of the pool. The critical value is the mean of the
Student t values of vibes and seeds, weighted by what each of them has of the variance (Cochran & Cox 1957,
"Experimental Designs", section 4.14): Satterthwaite's degrees of freedom cover too little where one source
has one or two of them. Seeds weigh MS_seeds - MS_rest: the rest is told by all vibes together, and with
MS_seeds in its place two quiet seeds cover too much. `benchmarks/interval_coverage.py` measures the coverage.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "CONFIDENCE",
    "NO_SEED_NOISE",
    "Interval",
    "Scores",
    "SeedNoise",
    "mean_interval",
    "mean_intervals",
    "seed_noise",
]

Scores = npt.NDArray[np.float64]

CONFIDENCE = 0.95
"""Probability with which an interval of a table covers the truth."""


class Interval(NamedTuple):
    """An estimate with its confidence bounds, in the unit of the scores."""

    mean: float
    low: float
    high: float

    @property
    def half_width(self) -> float:
        """Half the interval's width; the bounds are symmetric."""
        return (self.high - self.low) / 2

    @property
    def excludes_zero(self) -> bool:
        """Whether zero lies outside: the estimate cannot be explained by noise at this confidence."""
        return self.low > 0 or self.high < 0


class SeedNoise(NamedTuple):
    """What training seeds add to the variance of a mean over S seeds and V vibes."""

    seeds: float = 0.0
    """MS_seeds / (S V): the spread of the seeds' means, rest included."""
    rest: float = 0.0
    """MS_rest / (S V): what of that the spread between vibes accounts for already."""
    df: int = 0
    """Degrees of freedom of `seeds`; 0 where no arm has two, and nothing is known of their spread."""

    def plus(self, other: SeedNoise) -> SeedNoise:
        """The noise of the difference of two arms of one comparison."""
        return SeedNoise(self.seeds + other.seeds, self.rest + other.rest, self.df)


NO_SEED_NOISE = SeedNoise()
"""Of what is not trained, or where nothing is known."""


def seed_noise(arms: Sequence[Scores]) -> list[SeedNoise]:
    """Estimate what the seeds add to the variance of each arm's mean.

    Args:
        arms: one [S, V] array per arm, S training seeds by V >= 2 vibes; S and V may differ.
    """
    df = sum(len(x) - 1 for x in arms)
    if not df:
        return [NO_SEED_NOISE for _ in arms]
    spreads = [float(np.sum((x.mean(1) - x.mean()) ** 2)) for x in arms]
    rests = [x - x.mean(0) - x.mean(1, keepdims=True) + x.mean() for x in arms]
    pooled = sum(spreads) / df
    rest = sum(float(np.sum(r**2)) for r in rests) / sum((len(x) - 1) * (x.shape[1] - 1) for x in arms)
    own = [spread / (len(x) - 1) if len(x) > 1 else 0.0 for spread, x in zip(spreads, arms, strict=True)]
    return [SeedNoise(max(o, pooled) / len(x), rest / x.size, df) for o, x in zip(own, arms, strict=True)]


def mean_interval(by_vibe: Scores, *, confidence: float, noise: SeedNoise = NO_SEED_NOISE) -> Interval:
    """The interval of a mean over vibes.

    Args:
        by_vibe: [V] scores, V >= 2, each the mean over the seeds.
        confidence: in (0, 1).
        noise: what the seeds add; nothing for what is not trained.

    Raises:
        ValueError: fewer than two vibes, a score that is not finite, or a confidence out of bounds.
    """
    if not (by_vibe.ndim == 1 and len(by_vibe) >= 2 and np.isfinite(by_vibe).all()):
        raise ValueError(f"by_vibe must be finite and hold >= 2 scores, got shape {by_vibe.shape}")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie in (0, 1), got {confidence}")
    mean = float(by_vibe.mean())
    vibes, seeds = float(by_vibe.var(ddof=1)) / len(by_vibe), max(0.0, noise.seeds - noise.rest)
    if vibes + seeds == 0:
        return Interval(mean, mean, mean)
    quantile = (1 + confidence) / 2
    t_vibes = float(stdtrit(len(by_vibe) - 1, quantile))
    t_seeds = float(stdtrit(noise.df, quantile)) if noise.df else 0.0
    critical = (t_vibes * vibes + t_seeds * seeds) / (vibes + seeds)
    half_width = critical * (vibes + seeds) ** 0.5
    return Interval(mean, mean - half_width, mean + half_width)


def mean_intervals(arms: Sequence[Scores], *, confidence: float) -> list[Interval]:
    """The interval of each arm's mean; the arms share what they tell about the spread of seeds.

    Args:
        arms: one [S, V] array per arm, V >= 2.
        confidence: of each interval by itself, in (0, 1).
    """
    return [
        mean_interval(x.mean(0), confidence=confidence, noise=noise)
        for x, noise in zip(arms, seed_noise(arms), strict=True)
    ]
