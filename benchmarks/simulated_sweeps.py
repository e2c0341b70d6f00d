"""Simulated held-out scores of sweeps whose truth is known, with the noise that real sweeps have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri

if TYPE_CHECKING:
    from analysis.intervals import Scores

__all__ = ["DRAWN", "QUICKSTART", "UNEVEN", "Noise", "SimulatedSweeps", "simulate"]


@dataclass(frozen=True)
class Noise:
    """Standard deviations of the objective of one completion, in its unit."""

    seed_sd: float = 0.012
    """Between training seeds; the quickstart's, as `vibesweep noise-floor --runs` measured it."""
    uneven: float = 0.0
    """Standard deviation of the logarithm of seed_sd over the configurations."""
    vibe_sd: float = 0.06
    """Between vibes, alike for all policies."""
    policy_vibe_sd: float = 0.02
    """Between vibes, for each policy in its own way."""
    sound_sd: float = 0.06
    """Of what a policy writes for one vibe; half of its variance comes from the decoding noise that all
    evaluations share."""
    invalid: float = 0.03
    """Share of completions that cannot be rendered, each of which costs 1. With sound_sd a completion has a
    standard deviation of 0.18 over decoding seeds; 0.15 was measured for the tiny policy."""


QUICKSTART = Noise()
DRAWN = Noise(seed_sd=0.04)
"""Seeds that matter more than decoding, as of a long training with a large learning rate."""
UNEVEN = Noise(seed_sd=0.04, uneven=0.5)
"""The same with configurations of which some are much noisier than others."""


@dataclass(frozen=True)
class SimulatedSweeps:
    """R sweeps of K configurations, S training seeds and V vibes, one completion each."""

    scores: Scores
    """[R, K, S, V]"""
    untrained: Scores
    """[R, V]; its true objective is 0."""
    truth: Scores
    """[R, K] true objectives."""
    seed_sds: Scores
    """[R, K] true spreads between training seeds."""


def simulate(
    rng: np.random.Generator, noise: Noise, truth: Scores, *, num_seeds: int, num_vibes: int
) -> SimulatedSweeps:
    """Draw sweeps.

    Args:
        rng: advances.
        noise: what the scores vary with.
        truth: [R, K] true objectives.
        num_seeds: S.
        num_vibes: V.
    """
    num_sweeps, num_arms = truth.shape
    # Index 0 is the untrained policy: one evaluation, whose other seeds are not used.
    shape = (num_sweeps, num_arms + 1, num_seeds, num_vibes)
    shared = (num_sweeps, 1, 1, num_vibes)
    # Divided by its mean square, so that seed_sd is what all configurations together show.
    factor = np.exp(noise.uneven * rng.standard_normal((num_sweeps, num_arms)) - noise.uneven**2)
    seed_sds = noise.seed_sd * factor

    def written() -> Scores:
        """Standard normal; half of it is decoding noise, the same in all evaluations."""
        both = rng.standard_normal(shape) + rng.standard_normal(shared)
        return np.asarray(both / 2**0.5)

    scores = noise.vibe_sd * rng.standard_normal(shared) + noise.sound_sd * written()
    scores += noise.policy_vibe_sd * rng.standard_normal((*shape[:2], 1, num_vibes))
    scores -= (written() < ndtri(noise.invalid)) - noise.invalid
    seeds = seed_sds[..., None] * rng.standard_normal((num_sweeps, num_arms, num_seeds))
    trained = scores[:, 1:] + (truth[..., None] + seeds)[..., None]
    return SimulatedSweeps(trained, scores[:, 0, 0], truth, seed_sds)
