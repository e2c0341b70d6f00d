"""A renderer of one's own: every config is one sine over a little noise (docs/renderer-plugins.md).

vibesweep check-renderer examples.sine_renderer:render
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from common.music_schema import CONFIG_LABELS, MusicConfig, config_hash

if TYPE_CHECKING:
    from collections.abc import Sequence

RENDERER_ID = "sine-1"
"""Goes into the ledger and the scorer's identity: to be changed with any sample."""


@torch.no_grad()
def render(
    configs: Sequence[MusicConfig], *, seconds: float, sample_rate: int, device: torch.device, seed: int
) -> torch.Tensor:
    """One sine per config on its root, wider with its stereo label.

    Returns:
        [B, 2, round(seconds * sample_rate)] float32 on the device, |x| <= 1.
    """
    samples = round(seconds * sample_rate)
    return torch.stack([_clip(config, samples, sample_rate, seed) for config in configs]).to(device)


def _clip(config: MusicConfig, samples: int, sample_rate: int, seed: int) -> torch.Tensor:
    semitones = CONFIG_LABELS["root"].index(config.root)
    hertz = 32.703 * 2 ** (min(config.register_min_oct, 5) + semitones / 12 - 1)  # c1 is 32.7 Hz
    # In float64: after a minute at 2 kHz a float32 phase is off by a hundredth of a turn.
    phase = 2 * math.pi * hertz * torch.arange(samples, dtype=torch.float64) / sample_rate
    width = 0.3 * CONFIG_LABELS["stereo"].index(config.stereo)
    tone = torch.stack([torch.sin(phase), torch.sin(phase + width)]).float()
    # The config's hash and the seed decide what is random, and nothing global: the same in every process.
    generator = torch.Generator().manual_seed(int(config_hash(config)[:12], 16) + seed)
    sound = 0.25 * tone + 0.02 * torch.randn(2, samples, generator=generator)
    return (sound - sound.mean(dim=1, keepdim=True)).clamp(-1.0, 1.0)
