"""A long piece in blocks is the clip in one piece: no seam, no other loudness."""

from __future__ import annotations

import random

import pytest
import torch

from common.random_configs import random_config
from rewards.render import render, stream

CONFIG = random_config(random.Random(5)).model_copy(
    update={"density": 6, "echo": "heavy", "space": "vast", "grain": "gritty", "rhythm": "kit_light"}
)


@pytest.mark.parametrize(
    ("config", "seconds", "rate", "block_s"),
    [
        (CONFIG, 21.3, 48_000, 10.0),
        (CONFIG, 3.0, 48_000, 0.01),  # a block is at least one tile
        (CONFIG.model_copy(update={"stereo": "mono"}), 5.0, 44_100, 1.7),
        (CONFIG.model_copy(update={"echo": "infinite", "tempo": "very_fast"}), 8.0, 16_000, 3.0),
        (CONFIG.model_copy(update={"grain": "clean", "space": "dry"}), 0.25, 8_000, 10.0),
    ],
)
def test_blocks_join_to_the_whole_clip(config: object, seconds: float, rate: int, block_s: float) -> None:
    config = type(CONFIG).model_validate(config)
    whole = render([config], seconds=seconds, sample_rate=rate)[0]
    joined = torch.cat(list(stream(config, seconds=seconds, sample_rate=rate, block_s=block_s)), dim=1)
    assert joined.shape == whole.shape
    assert float((joined - whole).abs().max()) < 1e-6


def test_layers_and_seed_reach_the_stream() -> None:
    blocks = list(stream(CONFIG, seconds=2.0, seed=3, layers=("melody",), block_s=0.5))
    whole = render([CONFIG], seconds=2.0, seed=3, layers=("melody",))[0]
    assert len(blocks) == 4
    assert float((torch.cat(blocks, dim=1) - whole).abs().max()) < 1e-6


def test_a_silent_piece_stays_silent() -> None:
    quiet = CONFIG.model_copy(update={"density": 2, "grain": "clean"})
    assert all(not block.any() for block in stream(quiet, seconds=1.0, layers=("accent",)))


def test_bad_arguments_are_refused_when_called() -> None:
    with pytest.raises(ValueError, match=r"seconds must be within 0.25 to 600, got 601"):
        stream(CONFIG, seconds=601.0)
    with pytest.raises(ValueError, match=r"block_s must be > 0, got 0.0"):
        stream(CONFIG, seconds=1.0, block_s=0.0)
