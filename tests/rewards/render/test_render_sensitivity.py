"""Every label of every field is heard: no two labels of one field sound alike.

Two bases a field here; the twenty of the table in docs/renderer.md in the slow test.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from benchmarks.active_bases import ENABLED_BY, active_base, siblings
from benchmarks.render_sensitivity import NUM_BASES, THRESHOLD_DB, field_distances, spectrograms
from common.music_schema import CONFIG_LABELS
from rewards.render import render
from rewards.render.streams import noise_key

QUICK_THRESHOLD_DB = 0.1
"""Of the mean of two bases; the floor is 0 (below)."""


@pytest.mark.parametrize("name", CONFIG_LABELS)
def test_every_label_sounds_unlike_every_other_label_of_its_field(name: str) -> None:
    found = field_distances(name, num_bases=2)
    assert found.nearest.min() > QUICK_THRESHOLD_DB, (found.closest, found.nearest)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", CONFIG_LABELS)
def test_every_label_is_heard_in_twenty_random_configs(name: str) -> None:
    found = field_distances(name, num_bases=NUM_BASES)
    assert found.nearest.min() > THRESHOLD_DB, (found.closest, found.nearest)
    assert found.worst > 0.0, found.closest


def test_a_label_that_does_nothing_is_at_the_floor_of_zero() -> None:
    # At density 2 no accent is played: the same notes under the same noise, in a room that is all noise.
    base = active_base("accent", 0).model_copy(update={"density": 2, "space": "vast", "grain": "gritty"})
    heard = spectrograms(siblings("accent", base)[:3], noise_key(base, 0))
    assert np.abs(heard - heard[:1]).max() == 0.0
    # Without a common noise the same would pass for a difference.
    (other,) = spectrograms([base], noise_key(base, 1))
    assert np.abs(heard[0] - other).mean() > THRESHOLD_DB


@pytest.mark.parametrize("name", ENABLED_BY)
def test_bases_hold_what_enables_their_field(name: str) -> None:
    for index in range(10):
        base = active_base(name, index)
        for other, choices in ENABLED_BY[name].needs.items():
            assert getattr(base, other) in choices
        assert [getattr(config, name) for config in siblings(name, base)] == list(CONFIG_LABELS[name])


@pytest.mark.parametrize("name", ["rhythm", "texture", "accent", "melody"])
def test_a_field_that_nothing_enables_is_silent(name: str) -> None:
    density = {"melody": 2, "rhythm": 3, "texture": 4, "accent": 5}[name]
    base = active_base(name, 1).model_copy(update={"density": density, "space": "dry", "grain": "clean"})
    sounds = render(siblings(name, base), seconds=0.5, layers=(name,))
    assert torch.count_nonzero(sounds) == 0
