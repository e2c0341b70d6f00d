"""The renderer of whole clips: composes, mixes and masters them, a few at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from rewards.render.arguments import check_arguments
from rewards.render.bands import TILE
from rewards.render.compose import compose
from rewards.render.engine import Engine
from rewards.render.master import stages_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from common.music_schema import MusicConfig

RENDERER_ID = "vibesweep-render-3"
"""Names this sound: part of every audio cache key and ledger row. To be changed with any sample."""

MAX_SECONDS = 60.0
"""Longest clip that is rendered in one piece; `stream` makes longer ones."""

_MICROBATCH = {"cpu": 1, "cuda": 32}
"""Clips that share tensor operations. The samples are the same for any number; on a CPU one clip is quickest,
because its tracks stay in the cache (16 at a time take twice as long), a GPU wants many."""


@torch.no_grad()
def render(
    configs: Sequence[MusicConfig],
    *,
    seconds: float = 10.0,
    sample_rate: int = 48_000,
    device: str | torch.device = "cpu",
    seed: int = 0,
    layers: Sequence[str] | None = None,
) -> torch.Tensor:
    """Renders music configs to stereo sound.

    On a CPU with a given thread count the samples of a config are bit-equal whatever batch it travels in.
    Memory beside the result: about 60 MB for each 10 s clip that is in the making.

    Args:
        configs: B >= 1 valid configs.
        seconds: length of every clip, 0.25 to 60.
        sample_rate: Hz, 8,000 to 96,000.
        device: where to render; the result stays there.
        seed: >= 0, varies composition and noise.
        layers: names from `LAYERS` to hear alone, as far as the config plays them; all by default.

    Returns:
        [B, 2, S] float32, S = round(seconds * sample_rate), |x| <= 1, no DC; -18 LUFS where anything plays.

    Raises:
        ValueError: no config, something else than a config, or an argument out of its range.
    """
    check_arguments(configs, seconds, sample_rate, seed, layers, longest=MAX_SECONDS)
    where = torch.device(device)
    length = round(seconds * sample_rate)
    size = _MICROBATCH.get(where.type, 1)
    out = torch.empty((len(configs), 2, length), device=where)
    for first in range(0, len(configs), size):
        part = configs[first : first + size]
        scores = [compose(config, seconds=length / sample_rate, seed=seed, layers=layers) for config in part]
        num_tiles = -(-length // TILE)
        sound = Engine(scores, num_tiles, sample_rate, seed, where).mix(num_tiles)[:, :, :length]
        for stage in stages_of(scores, length, sample_rate, where):
            stage.measure(sound)
            sound = stage.apply(sound, 0)
        out[first : first + len(part)] = sound
    return out
