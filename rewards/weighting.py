"""Components to one reward: weights, and the floor for what cannot be rendered."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from common.reward_config import RewardWeights
    from rewards.components import Components

__all__ = ["weighted_reward"]


def weighted_reward(components: Components, weights: RewardWeights, audio_floor: float) -> float | None:
    """reward = sum of weight times component.

    Args:
        components: of one completion. Where its config cannot be rendered, audio is the floor; where no
            audio was asked for (renderable None), audio has no part in the reward.
        weights: dimensionless; the weight of an absent audio component is not given to the others.
        audio_floor: audio component of a config that cannot be rendered.

    Returns:
        The reward, or None for an unscored completion: a missing score is never a zero.
    """
    if components.format is None or components.schema is None:
        return None
    reward = weights.format_weight * components.format + weights.schema_weight * components.schema
    if components.audio is not None:
        return reward + weights.audio_weight * components.audio
    return reward + weights.audio_weight * audio_floor if components.renderable is False else reward
