"""The shuffled-vibe control against a slow oracle, and its laws."""

from __future__ import annotations

import numpy as np
import pytest

from rewards import Heard
from rewards.embeddings import Embedding, normalized
from trainables.vibe_control import mismatched_similarities


def unit(rng: np.random.Generator) -> Embedding:
    return normalized(rng.normal(size=16))


def heard(number: int, seed: int = 0) -> list[Heard | None]:
    rng = np.random.default_rng(seed)
    return [Heard(unit(rng), unit(rng), -20.0, 0.0, 0.0) for _ in range(number)]


def test_it_is_the_mean_cosine_with_every_other_vibe() -> None:
    found = heard(5)
    expected = [
        np.mean([np.dot(one.clip, other.vibe) for other in found if other is not one and other])
        for one in found
        if one
    ]
    assert mismatched_similarities("abcde", found) == pytest.approx(expected, abs=1e-15)


def test_several_samples_of_a_vibe_count_it_once() -> None:
    a, b, c = heard(3)
    assert a is not None
    assert b is not None
    again = b._replace(vibe=a.vibe)
    # The other vibes of both samples of "x" are "y" alone.
    found = mismatched_similarities(["x", "x", "y"], [a, again, c])
    assert c is not None
    assert found[:2] == pytest.approx([np.dot(a.clip, c.vibe), np.dot(b.clip, c.vibe)])
    assert found[2] == pytest.approx(np.dot(c.clip, a.vibe))


def test_one_sound_for_all_vibes_has_no_margin() -> None:
    sound = unit(np.random.default_rng(9))
    found = [one and one._replace(clip=sound) for one in heard(20)]
    mismatched = mismatched_similarities([str(number) for number in range(20)], found)
    margins = [one.similarity - other for one, other in zip(found, mismatched, strict=True) if one and other]
    assert len(margins) == 20
    assert sum(margins) == pytest.approx(0, abs=1e-12)
    assert max(margins) > 0.1


def test_the_order_of_the_evaluation_changes_no_bit() -> None:
    found = heard(30)
    vibes = [str(number) for number in range(30)]
    order = np.random.default_rng(1).permutation(30)
    shuffled = mismatched_similarities([vibes[i] for i in order], [found[i] for i in order])
    straight = mismatched_similarities(vibes, found)
    assert shuffled == [straight[i] for i in order]


def test_what_was_not_heard_is_left_out() -> None:
    a, b, _ = heard(3)
    assert mismatched_similarities(["x", "y", "z"], [a, None, None]) == [None, None, None]
    assert a is not None
    assert b is not None
    found = mismatched_similarities(["x", "y", "z"], [a, None, b])
    assert found == [pytest.approx(np.dot(a.clip, b.vibe)), None, pytest.approx(np.dot(b.clip, a.vibe))]
