"""Embeddings as plain numbers, compared the same on any machine and in any batch."""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["Embedding", "cosine", "dot", "normalized"]

Embedding: TypeAlias = npt.NDArray[np.float64]
"""[D] unit vector, float64. Those that `normalized` makes cannot be written to: caches share them."""


def normalized(vector: npt.ArrayLike) -> Embedding:
    """A [D] vector at length 1; NaN where it has none."""
    values = np.array(vector, dtype=np.float64)
    length = math.sqrt(math.fsum((values * values).tolist()))
    unit: Embedding = values / (length or math.nan)
    unit.flags.writeable = False
    return unit


def cosine(one: Embedding, other: Embedding) -> float:
    """Cosine of two unit vectors."""
    product = dot(one, other)
    return product / max(1.0, abs(product))  # never beyond 1 by a rounding, and NaN stays NaN


def dot(one: Embedding, other: Embedding) -> float:
    """Inner product of two [D] vectors, the same bits wherever they lie in memory.

    NumPy sums one contiguous vector pairwise, in an order that follows from its length alone. A BLAS product
    (`one @ other`) is free to choose it by processor, and `math.fsum`, which needs no order, takes ten times
    as long.
    """
    return float((one * other).sum())
