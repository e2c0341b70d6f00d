"""Long pieces block by block, in memory that does not grow with their length."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from rewards.render.arguments import check_arguments
from rewards.render.bands import TILE
from rewards.render.compose import compose
from rewards.render.engine import Engine
from rewards.render.master import stages_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from common.music_schema import MusicConfig

MAX_SECONDS = 600.0


def stream(
    config: MusicConfig,
    *,
    seconds: float,
    sample_rate: int = 48_000,
    device: str | torch.device = "cpu",
    seed: int = 0,
    layers: Sequence[str] | None = None,
    block_s: float = 10.0,
) -> Iterator[torch.Tensor]:
    """Renders one piece of up to ten minutes, block by block.

    Grain, loudness and centring each need to have heard the whole piece, so it is rendered four times. Notes,
    echoes and tails go on from block to block: joined, the blocks are the clip that `render` gives.

    Args:
        config: a valid config.
        seconds: length of the piece, 0.25 to 600.
        sample_rate: Hz, 8,000 to 96,000.
        device: where to render.
        seed: >= 0, varies composition and noise.
        layers: names from `LAYERS` to hear alone; all by default.
        block_s: about how long a block is.

    Returns:
        An iterator over [2, n] float32 blocks, round(seconds * sample_rate) samples together.

    Raises:
        ValueError: an argument out of its range; when called, not when first read.
    """
    check_arguments([config], seconds, sample_rate, seed, layers, longest=MAX_SECONDS)
    if not block_s > 0.0:
        raise ValueError(f"block_s must be > 0, got {block_s}; 10 takes about 100 MB")
    where = torch.device(device)
    length = round(seconds * sample_rate)
    score = compose(config, seconds=length / sample_rate, seed=seed, layers=layers)
    stages = stages_of([score], length, sample_rate, where)
    num_tiles = -(-length // TILE)
    block = max(1, round(block_s * sample_rate / TILE))

    def after(stages_done: int) -> Iterator[torch.Tensor]:
        """[1, 2, n] the piece from its beginning, through the first stages."""
        engine = Engine([score], num_tiles, sample_rate, seed, where)
        for first in range(0, num_tiles, block):
            sound = engine.mix(min(block, num_tiles - first))[:, :, : length - first * TILE]
            for stage in stages[:stages_done]:
                sound = stage.apply(sound, first * TILE)
            yield sound

    def blocks() -> Iterator[torch.Tensor]:
        for index, stage in enumerate(stages):
            for sound in after(index):
                stage.measure(sound)
        for sound in after(len(stages)):
            yield sound[0]

    return blocks()
