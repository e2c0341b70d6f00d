"""Reward weights from which next to nothing was learned."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from analysis.reward_shares import INERT_BELOW, compute_reward_mixtures

if TYPE_CHECKING:
    from analysis.sweep import Sweep

__all__ = ["inert_weights"]


def inert_weights(sweep: Sweep) -> list[str]:
    """A sentence for each component whose weight moved next to no advantage in some configuration."""
    mixtures = [mixture for mixture in compute_reward_mixtures(sweep) if mixture.shares]
    inert = Counter(share.component for mixture in mixtures for share in mixture.shares if share.is_inert)
    return [
        f"The {component} weight was inert in {count} of {len(mixtures)} configurations: less than "
        f"{INERT_BELOW:.0%} of what GRPO learned from, because completions of one prompt hardly differ in it."
        for component, count in inert.items()
    ]
