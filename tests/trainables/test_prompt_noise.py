"""Character errors: how many rows, which ones, and never in the reference."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.training_config import NoiseConfig
from trainables.data import VibeRow
from trainables.noise import add_noise, corrupt

if TYPE_CHECKING:
    from collections.abc import Sequence

ROWS = [VibeRow(str(i), f"late night neon glow {i}", f"late night neon glow {i}") for i in range(200)]


def corrupted(rows: Sequence[VibeRow], noise: NoiseConfig, seed: int = 1) -> dict[str, str]:
    noisy = add_noise(rows, noise, seed)
    assert [(r.prompt_id, r.reference) for r in noisy] == [(r.prompt_id, r.reference) for r in rows]
    return {
        new.prompt_id: new.prompt for new, old in zip(noisy, rows, strict=True) if new.prompt != old.prompt
    }


@pytest.mark.parametrize(
    ("rate", "count"), [(0, 0), (0.15, 30), (0.5, 100), (0.0026, 1), (0.0024, 0), (1, 200)]
)
def test_exactly_the_share_of_the_rows_is_corrupted(rate: float, count: int) -> None:
    # round(0.15 x 200) = 30
    assert len(corrupted(ROWS, NoiseConfig(error_rate=rate))) == count


def test_force_augmentation_corrupts_one_row_where_the_share_gives_none() -> None:
    assert len(corrupted(ROWS, NoiseConfig(error_rate=0, force_augmentation=True))) == 1
    assert len(corrupted(ROWS, NoiseConfig(error_rate=0.15, force_augmentation=True))) == 30


def test_a_higher_share_corrupts_the_same_rows_in_the_same_way_and_more() -> None:
    low, high = (corrupted(ROWS, NoiseConfig(error_rate=rate)) for rate in (0.1, 0.4))
    assert low.items() <= high.items()


def test_the_seed_decides_which_rows() -> None:
    noise = NoiseConfig(error_rate=0.1)
    assert corrupted(ROWS, noise, seed=1) == corrupted(ROWS, noise, seed=1)
    assert corrupted(ROWS, noise, seed=1).keys() != corrupted(ROWS, noise, seed=2).keys()


@given(text=st.text(min_size=1, max_size=60), seed=st.integers())
def test_a_corrupted_text_is_never_the_same_and_never_empty(text: str, seed: int) -> None:
    assert corrupt(text, random.Random(seed)) not in {"", text}
