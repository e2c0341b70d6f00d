"""Confidence intervals for scores that vary between vibes and between training seeds.

Model: the score of training seed s on held-out vibe v is x_sv = mu + a_v + b_s + e_sv, with random
vibes, seeds and rest, crossed. The variance of the mean over [S, V] scores is then estimated by

    var_v(mean_s x) / V  +  var_s(mean_v x) / S

which counts the rest twice and so errs on the safe side (Cameron, Gelbach & Miller 2011, "Robust
inference with multiway clustering", without the intersection term).

Two or three seeds say little about their own spread: two of them agree by chance one time in ten to
within a sixth of their standard deviation. So the seeds' variance is the larger of a configuration's
own and the one pooled over all configurations compared, and has the degrees of freedom of the pool.
The critical value is the mean of the Student t values of both sources, weighted by their variances
(Cochran & Cox 1957, "Experimental Designs", 4.14), which is never below what Satterthwaite's degrees
of freedom give in practice. `benchmarks/interval_coverage.py` measures the coverage.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["CONFIDENCE", "Interval", "Scores", "SeedNoise", "mean_interval", "mean_intervals", "seed_noise"]

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
    """How much training seeds move the means of the arms of one comparison."""

    variances: tuple[float, ...]
    """Variance of each arm's mean that comes from its seeds."""
    df: int
    """Degrees of freedom; 0 where no arm has two seeds, and no interval covers their variation."""


def seed_noise(arms: Sequence[Scores]) -> SeedNoise:
    """Estimate the seeds' part in the variance of each arm's mean.

    Args:
        arms: one [S, V] array per arm, S training seeds by V vibes; S and V may differ.

    Returns:
        For each arm the larger of its own and the pooled variance between seeds, over its S.
    """
    spreads = [float(np.sum((x.mean(1) - x.mean()) ** 2)) for x in arms]
    df = sum(len(x) - 1 for x in arms)
    pooled = sum(spreads) / df if df else 0.0
    own = [spread / (len(x) - 1) if len(x) > 1 else 0.0 for spread, x in zip(spreads, arms, strict=True)]
    return SeedNoise(tuple(max(o, pooled) / len(x) for o, x in zip(own, arms, strict=True)), df)


def mean_interval(
    by_vibe: Scores, *, confidence: float, seed_variance: float = 0.0, seed_df: int = 0
) -> Interval:
    """The interval of a mean over vibes.

    Args:
        by_vibe: [V] scores, V >= 2, each the mean over the seeds.
        confidence: in (0, 1).
        seed_variance: variance of the mean that comes from the seeds.
        seed_df: its degrees of freedom; 0 leaves the seeds out.

    Raises:
        ValueError: fewer than two vibes, a score that is not finite, or a confidence out of bounds.
    """
    if not (by_vibe.ndim == 1 and len(by_vibe) >= 2 and np.isfinite(by_vibe).all()):
        raise ValueError(f"by_vibe must be finite and hold >= 2 scores, got shape {by_vibe.shape}")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie in (0, 1), got {confidence}")
    mean = float(by_vibe.mean())
    vibe_variance = float(by_vibe.var(ddof=1)) / len(by_vibe)
    seed_variance = seed_variance if seed_df else 0.0
    variance = vibe_variance + seed_variance
    if variance == 0:
        return Interval(mean, mean, mean)
    quantile = (1 + confidence) / 2
    weighted = float(stdtrit(len(by_vibe) - 1, quantile)) * vibe_variance
    if seed_df:
        weighted += float(stdtrit(seed_df, quantile)) * seed_variance
    half_width = weighted / variance**0.5
    return Interval(mean, mean - half_width, mean + half_width)


def mean_intervals(arms: Sequence[Scores], *, confidence: float) -> list[Interval]:
    """The interval of each arm's mean; the arms share what they tell about the spread of seeds.

    Args:
        arms: one [S, V] array per arm, V >= 2.
        confidence: of each interval by itself, in (0, 1).
    """
    noise = seed_noise(arms)
    return [
        mean_interval(x.mean(0), confidence=confidence, seed_variance=variance, seed_df=noise.df)
        for x, variance in zip(arms, noise.variances, strict=True)
    ]
