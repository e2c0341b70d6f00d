"""Notes are counted, and those that are there already stay when a label asks for more."""

from __future__ import annotations

import random

import numpy as np
import pytest

from common.random_configs import random_config
from rewards.render.onsets import bar_slots
from rewards.render.tally import Tally


@pytest.mark.parametrize("share", [0.0, 0.1, 0.25, 0.4, 0.95, 1.0, 2.7])
def test_a_tally_is_never_further_from_its_share_than_half_an_event(share: float) -> None:
    tally, total = Tally(), 0
    for events in range(1, 200):
        total += tally.due(share)
        assert abs(total - share * events) <= 0.5 + 1e-6


def test_a_quarter_falls_on_every_fourth_event() -> None:
    # Owed: 0.5 + 0.25 = 0.75, 1.0 (due), 0.25, 0.5, 0.75, 1.0 (due), ...
    quarter = Tally()
    assert [quarter.due(0.25) for _ in range(8)] == [0, 1, 0, 0, 0, 1, 0, 0]


def test_more_notes_keep_the_slots_of_fewer() -> None:
    draws = np.random.default_rng(1).random(16)
    for index in range(20):
        drawn = random_config(random.Random(index))
        config = drawn.model_copy(update={"melody_engine": "procedural"})
        before: set[int] = set()
        for count in range(18):
            slots = bar_slots(config, count, draws, 0.0)
            assert len(slots) == min(count, 16)
            assert before <= set(slots)
            before = set(slots)


def test_a_straight_pattern_is_even_and_a_full_one_has_every_slot() -> None:
    config = random_config(random.Random(0)).model_copy(
        update={"melody_engine": "pattern", "syncopation": "straight"}
    )
    assert bar_slots(config, 4, np.zeros(16), 0.0) == [0, 4, 8, 12]
    assert bar_slots(config, 3, np.zeros(16), 0.0) == [0, 4, 10]  # 0, 5.3 and 10.7, down to eighths
    assert bar_slots(config, 16, np.zeros(16), 0.9) == list(range(16))
