"""Embeddings: their products' bits, what they cost to send, and that what was heard can be compared."""

from __future__ import annotations

import math
import pickle
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewards import AudioResult, Heard
from rewards.embeddings import Embedding, cosine, dot, normalized


def vector(seed: int, size: int = 512) -> Embedding:
    return normalized(np.random.default_rng(seed).normal(size=size))


def placed(values: Embedding, offset: int, step: int) -> Embedding:
    """The same numbers elsewhere: `offset` bytes into a buffer, every `step`-th of its places."""
    room = np.zeros(offset + 8 * step * len(values), dtype=np.uint8)
    view = room[offset:].view(np.float64)[: step * len(values) : step]
    view[:] = values
    return view


@given(
    seed=st.integers(0, 2**32),
    size=st.sampled_from([16, 128, 512, 1024]),
    offset=st.integers(0, 64),
    step=st.integers(1, 3),
)
def test_a_product_has_the_same_bits_wherever_its_vectors_lie(
    seed: int, size: int, offset: int, step: int
) -> None:
    one, other = vector(seed, size), vector(seed + 1, size)
    found = dot(one, other)
    assert dot(placed(one, offset, step), other) == found
    assert dot(one, placed(other, offset, step)) == found
    assert dot(other, one) == found
    rows = np.stack([one, other, one])  # rows of a table lie elsewhere, too
    assert dot(rows[2], rows[1]) == found
    exact = sum(Fraction(a) * Fraction(b) for a, b in zip(one.tolist(), other.tolist(), strict=True))
    assert abs(Fraction(found) - exact) < 1e-15


def test_a_cosine_stays_in_its_range_and_nan_stays_nan() -> None:
    one = normalized([0.1] * 10)
    assert cosine(one, one) == pytest.approx(1.0, abs=1e-15)
    assert cosine(one * 1.1, one) == 1.0
    assert cosine(one * 1.1, -one) == -1.0
    assert math.isnan(cosine(normalized([math.nan, 1.0]), normalized([0.0, 1.0])))
    assert math.isnan(cosine(normalized([0.0, 0.0]), normalized([0.0, 1.0])))  # no direction


def test_normalizing_gives_length_one_and_what_nobody_can_change() -> None:
    # 3-4-5: exact in binary are 0.6 and 0.8 only up to rounding, their quotients by 5 are the nearest floats.
    assert normalized([3.0, 4.0]).tolist() == [0.6, 0.8]
    with pytest.raises(ValueError, match="read-only"):
        normalized([3.0, 4.0])[0] = 1.0


def test_what_was_heard_is_compared_number_by_number() -> None:
    heard = Heard(vector(0), vector(1), -20.0, 0.0, 0.1)
    again = pickle.loads(pickle.dumps(heard))
    assert heard == again
    assert (heard != again) is False
    assert AudioResult(0.5, None, heard) == AudioResult(0.5, None, again)
    for change in ({"clip": vector(2)}, {"vibe": vector(2)}, {"level_db": -21.0}, {"flatness": 0.2}):
        other = heard._replace(**change)
        assert heard != other
        assert AudioResult(0.5, None, heard) != AudioResult(0.5, None, other)
    assert heard != tuple(heard)
    assert heard.similarity == again.similarity == cosine(heard.clip, heard.vibe)


def test_what_was_heard_travels_as_eight_bytes_a_number() -> None:
    heard = Heard(vector(0), vector(1), -20.0, 0.0, 0.1)
    assert len(pickle.dumps(heard)) < 2 * 512 * 8 + 500
