"""The shuffled-vibe control: how well each sound fits the other vibes of its evaluation."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from rewards.embeddings import dot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rewards import Heard

__all__ = ["mismatched_similarities"]


def mismatched_similarities(vibes: Sequence[str], heard: Sequence[Heard | None]) -> list[float | None]:
    """Mean cosine of each sound and the other distinct vibes of an evaluation.

    The matched cosines of a policy that ignores the vibe are, on average, exactly these: whatever pleases the
    scorer by itself pleases it with every vibe.

    Args:
        vibes: [B] texts.
        heard: [B] what was heard of each; None where nothing was.

    Returns:
        [B] means; None where nothing was heard, or there is no other vibe. They depend neither on the order
        nor on how the completions were scored: sums are rounded once.
    """
    texts = {text: found.vibe for text, found in zip(vibes, heard, strict=True) if found is not None}
    if len(texts) < 2:
        return [None] * len(vibes)
    total = np.array([math.fsum(axis) for axis in np.stack([*texts.values()]).T.tolist()])
    return [
        None if found is None else (dot(found.clip, total) - found.similarity) / (len(texts) - 1)
        for found in heard
    ]
