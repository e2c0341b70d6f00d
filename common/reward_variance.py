"""How much of the reward variance that GRPO learns from comes from each component.

The trainer logs it at every batch of rollouts; the same numbers follow from a ledger's rows of split
`train`, whose group is (trial_id, step, prompt_id).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["Aggregation", "RewardVariance", "reward_variance"]

Aggregation = Literal["sum_then_normalize", "normalize_then_sum"]

_DEVIATION_EPS: Final = 1e-4
"""What TRL adds to a standard deviation before it divides by it."""
_FLAT: Final = 1e-8
"""Largest distance from the group's mean, in reward units, of rewards that count as equal; TRL's too."""


class RewardVariance(NamedTuple):
    """Of one batch of rollouts, or of many."""

    shares: tuple[float, ...] | None
    """[K] share of each component in the within-group variance; they sum to 1. None where no group varies."""
    flat_groups: float
    """Share of the groups in which every scored completion has the same reward: they teach nothing."""


def reward_variance(
    rewards: npt.NDArray[np.floating], weights: npt.NDArray[np.floating], aggregation: Aggregation
) -> RewardVariance:
    """Divide the variance of the reward within its groups among the components.

    With x_k = w_k r_k and R = sum of the x_k, both less their group's mean, share_k = sum(x_k R) / sum(R^2)
    over all completions of all groups that vary: Cov(x_k, R) / Var(R). A component that is the same for all
    completions of a group has share 0 there, whatever its weight; one that works against the others has a
    negative share. Under `normalize_then_sum` x_k = w_k r_k / (std(r_k in the group, ddof=1) + 1e-4), as TRL
    takes it.

    Args:
        rewards: [P, G, K] raw components of P groups of G completions; NaN in all K for an unscored
            completion, which counts nowhere.
        weights: [K] component weights.
        aggregation: `grpo.multi_objective_aggregation`.

    Raises:
        ValueError: no group, or weights of another length.
    """
    if not (rewards.ndim == 3 and len(rewards) and weights.shape == rewards.shape[2:]):
        raise ValueError(
            f"rewards must be [P, G, K] with P >= 1 and weights [K], got {rewards.shape} and {weights.shape}"
        )
    values = rewards.astype(np.float64)
    scored = np.isfinite(values).all(axis=2, keepdims=True)
    counts = scored.sum(axis=1, keepdims=True)
    means = np.where(scored, values, 0.0).sum(axis=1, keepdims=True) / np.maximum(counts, 1)
    parts = np.where(scored, values - means, 0.0)
    if aggregation == "normalize_then_sum":
        variances = np.square(parts).sum(axis=1, keepdims=True) / np.maximum(counts - 1, 1)
        parts = parts / (np.sqrt(variances) + _DEVIATION_EPS)
    parts = parts * weights.astype(np.float64)
    total = parts.sum(axis=2)
    varies = np.abs(total).max(axis=1) > _FLAT
    flat_groups = 1.0 - float(varies.mean())
    if not varies.any():
        return RewardVariance(None, flat_groups)
    parts, total = parts[varies], total[varies]
    shares = np.einsum("pgk,pg->k", parts, total) / np.square(total).sum()
    return RewardVariance(tuple(shares.tolist()), flat_groups)
