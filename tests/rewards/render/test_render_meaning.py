"""Labels mean what they say, measured on rendered audio by librosa, scipy and pyloudnorm.

A few bases a field here, all of docs/renderer.md in the slow tests. What is heard, and which bases make a
measure meaningful, is said in benchmarks/render_meaning.py.
"""

from __future__ import annotations

import random

import pytest

from benchmarks.render_meaning import MEANINGS, measured, modes_recognized, share_in_order
from benchmarks.sound_measures import loudness_lufs
from common.random_configs import random_config
from rewards.render import render

QUICK_BASES = {"brightness": 5, "stereo": 3, "attack": 4}
"""Bases of the quick test; 2 for the other fields."""
SLOW_BASES = {"brightness": 100}
"""Bases of the slow test; 20 for the other fields."""


@pytest.mark.parametrize("name", MEANINGS)
def test_the_measure_rises_from_label_to_label(name: str) -> None:
    values = measured(name, num_bases=QUICK_BASES.get(name, 2))
    # Plucked timbres hardly get sharper than they are: of attack, one base of four may be out of order.
    assert share_in_order(values) >= (0.75 if name == "attack" else 1.0), values


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", MEANINGS)
def test_the_measure_rises_in_nearly_all_random_configs(name: str) -> None:
    values = measured(name, num_bases=SLOW_BASES.get(name, 20))
    assert share_in_order(values) >= 0.95, values


def test_a_chroma_template_tells_the_mode_of_a_pad() -> None:
    assert modes_recognized(15) >= 0.8


@pytest.mark.slow
def test_a_chroma_template_tells_the_mode_of_many_pads() -> None:
    assert modes_recognized(100) >= 0.8


def test_mono_has_no_side_at_all_and_depth_multiplies_the_lows() -> None:
    assert float(measured("stereo", num_bases=1)[0, 0]) == 0.0
    without, with_depth = measured("depth", num_bases=1)[0]
    assert with_depth > 2.0 * without


def test_clips_are_equally_loud() -> None:
    rng = random.Random(5)
    loudness = [loudness_lufs(render([random_config(rng)], seconds=10.0)[0].numpy()) for _ in range(8)]
    assert all(abs(lufs + 18.0) < 1.0 for lufs in loudness), loudness
