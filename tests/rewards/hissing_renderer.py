"""A renderer that costs little and remembers how it was called."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import torch

from common.music_schema import config_hash

if TYPE_CHECKING:
    from collections.abc import Sequence

    from common.music_schema import MusicConfig

RENDERER: Final = f"{__name__}:hiss"
SHAPES: list[int] = []
"""Batch sizes that the renderer was called with."""
RENDERER_ID = "hiss-1"


def hiss(
    configs: Sequence[MusicConfig], *, seconds: float, sample_rate: int, device: torch.device, seed: int
) -> torch.Tensor:
    """A cheap renderer: noise of a colour and loudness that follow the config's hash."""
    SHAPES.append(len(configs))
    clips = []
    for config in configs:
        generator = np.random.default_rng([int(config_hash(config)[:8], 16), seed])
        noise = generator.standard_normal((2, round(seconds * sample_rate)), dtype=np.float32)
        clips.append(np.cumsum(noise, axis=1) * 1e-4 if config.depth else noise * 0.1)
    return torch.from_numpy(np.stack(clips)).clamp(-1, 1).to(device)
