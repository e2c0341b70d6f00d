"""How probable it is that a configuration is the best, and what it is worth once picking is allowed for.

The configuration with the highest mean was picked because chance was kind to it: of many that are equally
good, the highest mean is too high by a good deal. So the configurations' true objectives are taken as draws
of one normal distribution, whose mean and spread the sweep itself tells, and every observed mean is shrunk
towards its centre by the share of noise in it:

    y_k = mu_k + noise of variance v_k,   mu_k ~ N(m, tau^2),   m flat,   tau half-Cauchy with scale sqrt(v)

with v the mean of the v_k. That prior is the usual default for the spread of few groups (Gelman 2006,
doi:10.1214/06-BA117A; Polson & Scott 2012, doi:10.1214/12-BA730): it gives the share of noise, v / (v +
tau^2), the arcsine distribution, so that configurations which are all alike, and ones whose differences are
plain, are both expected. The posterior is proper from two configurations on. How noisy the means are is known
as roughly as few seeds tell it, so the variances are drawn as well. `benchmarks/ranking_calibration.py`
measures how true the probabilities are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from analysis.intervals import seed_noise

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analysis.intervals import Scores

__all__ = ["Contest", "contest", "contest_of_means"]

_SPREADS = 64
"""Values of v / (v + tau^2) that are tried: in the middle of as many equally probable parts of (0, 1)."""
_NOISES = 64
"""Draws of the variances."""
_OUTCOMES = 16_384
"""Draws of the true objectives: a probability has a standard error of at most 0.004."""
_SMALLEST = 1e-16
"""Variance of what never varied; in units of the squared objective."""


class Contest(NamedTuple):
    """What is known of each configuration among all that were tried; arrays are [K]."""

    probability: Scores
    """That its true objective is the highest; they sum to 1."""
    expected: Scores
    """Its objective as a new evaluation of new seeds would have it, on average: the mean, shrunk."""


def contest(arms: Sequence[Scores]) -> Contest:
    """Compare configurations that were evaluated on the same vibes.

    What a vibe does to all configurations alike is taken out first, so the comparison is paired. The rest
    varies between vibes, differently for each configuration, and between training seeds, whose spread all
    configurations tell together (`analysis.intervals.seed_noise`).

    Args:
        arms: [S, V] scores of K >= 1 configurations; V >= 2 vibes, the same in all, and S seeds, which may
            differ.

    Raises:
        ValueError: no configurations, or other vibes in one than in another.
    """
    if len({x.shape[1] for x in arms}) != 1:
        raise ValueError(f"arms must share their vibes, got {sorted({x.shape[1] for x in arms})} of them")
    by_vibe = np.stack([x.mean(0) for x in arms])
    means, (num_arms, num_vibes) = by_vibe.mean(1), by_vibe.shape
    if num_arms == 1:
        return Contest(np.ones(1), means)
    rest = by_vibe - means[:, None] - by_vibe.mean(0) + means.mean()
    # Taking out the mean of K configurations took a K-th of each one's own variance with it.
    vibes = rest.var(1, ddof=1) / num_vibes * num_arms / (num_arms - 1)
    noise = seed_noise(arms)
    seeds, counted = (np.array([getattr(one, name) for one in noise]) for name in ("seeds", "rest"))
    rng = np.random.default_rng(0)
    df_vibes, df_seeds = num_vibes - 1, noise[0].df or 1
    # The posterior of a variance s^2 known with n degrees of freedom is s^2 n / chi^2_n.
    of_vibes = df_vibes / rng.chisquare(df_vibes, (_NOISES, 1)) * vibes
    of_seeds = df_seeds / rng.chisquare(df_seeds, (_NOISES, 1)) * seeds - counted
    return contest_of_means(means, of_vibes + np.maximum(0.0, of_seeds))


def contest_of_means(means: Scores, variances: Scores) -> Contest:
    """Compare means whose noise is known, or known to be one of several.

    Args:
        means: [K] observed objectives, K >= 2.
        variances: [N, K] of their noise; N possibilities, equally probable before the means are seen.
    """
    noise = np.maximum(variances, _SMALLEST)[:, None]
    # Quantiles of the arcsine distribution.
    kept_out = np.sin(np.pi / 2 * (np.arange(_SPREADS) + 0.5) / _SPREADS) ** 2
    spread = noise.mean(2) * (1 - kept_out) / kept_out
    weight = 1 / (noise + spread[..., None])
    total = weight.sum(2)
    centre = (weight * means).sum(2) / total
    fit = 0.5 * (np.log(weight).sum(2) - np.log(total) - (weight * (means - centre[..., None]) ** 2).sum(2))
    posterior = np.exp(fit - fit.max())
    posterior /= posterior.sum()
    # Towards the centre by noise / (noise + spread); arrays are [N, spreads, K].
    shrunk = means + weight * noise * (centre[..., None] - means)
    expected = np.einsum("ns,nsk->k", posterior, shrunk)

    rng = np.random.default_rng(0)
    # One draw in each of as many equal parts of the probability: less chance than free draws.
    parts = (np.arange(_OUTCOMES) + rng.random()) / _OUTCOMES
    drawn = np.searchsorted(np.cumsum(posterior.ravel()), parts).clip(max=posterior.size - 1)
    n, s = np.unravel_index(drawn, posterior.shape)
    share = weight[n, s] * noise[n, 0]
    around = centre[n, s] + rng.standard_normal(_OUTCOMES) / np.sqrt(total[n, s])
    true = means + share * (around[:, None] - means)
    true += rng.standard_normal(true.shape) * np.sqrt(noise[n, 0] * (1 - share))
    wins = np.bincount(true.argmax(1), minlength=len(means))
    return Contest(wins / _OUTCOMES, expected)
