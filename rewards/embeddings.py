"""Embeddings as plain numbers, compared the same on any machine and in any batch."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Embedding", "cosine", "dot", "normalized"]

Embedding = tuple[float, ...]
"""A unit vector as Python floats."""


def normalized(vector: Sequence[float]) -> Embedding:
    """A [D] vector at length 1."""
    length = math.sqrt(math.fsum(x * x for x in vector))
    return tuple(x / length for x in vector)


def cosine(one: Embedding, other: Embedding) -> float:
    """Cosine of two unit vectors."""
    product = dot(one, other)
    return product / max(1.0, abs(product))  # never beyond 1 by a rounding, and NaN stays NaN


def dot(one: Sequence[float], other: Sequence[float]) -> float:
    """Inner product of two [D] vectors; `fsum` rounds once, so the order of the axes cannot move it."""
    return math.fsum(a * b for a, b in zip(one, other, strict=True))
