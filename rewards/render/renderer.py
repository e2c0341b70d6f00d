"""The renderer: checks its arguments, composes, and renders clips in microbatches of a fixed size."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from common.music_schema import MusicConfig
from rewards.render.compose import compose
from rewards.render.diffuse import HOP
from rewards.render.labels import LAYERS
from rewards.render.mix import mix
from rewards.render.percussion import add_hits
from rewards.render.tones import add_tones

if TYPE_CHECKING:
    from collections.abc import Sequence

RENDERER_ID = "vibesweep-render-1"
"""Names this sound: part of every audio cache key and ledger row. To be changed with any sample."""

MAX_SECONDS = 60.0
"""Longest clip: memory grows with it (about 60 MB for 10 s)."""

_MICROBATCH = {"cpu": 1, "cuda": 32}
"""Clips that share tensor operations. One on a CPU: a clip's samples then cannot depend on its neighbours,
its working set stays in cache, and nothing is lost: every operation is already thousands of samples long."""


def _check(
    configs: Sequence[MusicConfig], seconds: float, sample_rate: int, seed: int, layers: Sequence[str] | None
) -> None:
    if not configs:
        raise ValueError("configs must hold >= 1 music config, got none; a batch of nothing has no sound")
    for index, config in enumerate(configs):
        if not isinstance(config, MusicConfig):
            raise ValueError(
                f"configs[{index}] must be a MusicConfig, got {type(config).__name__}; "
                "validate it with MusicConfig.model_validate"
            )
    if not (math.isfinite(seconds) and 0.25 <= seconds <= MAX_SECONDS):
        raise ValueError(
            f"seconds must be within 0.25 to {MAX_SECONDS:g}, got {seconds}; render a long piece in parts"
        )
    if not (isinstance(sample_rate, int) and 8_000 <= sample_rate <= 96_000):
        raise ValueError(f"sample_rate must be 8000 to 96000 Hz, got {sample_rate}; CLAP wants 48000")
    if not (isinstance(seed, int) and seed >= 0):
        raise ValueError(f"seed must be an integer >= 0, got {seed}; use 0 unless you compare renderings")
    unknown = [name for name in layers or () if name not in LAYERS]
    if unknown or (layers is not None and not layers):
        raise ValueError(
            f"layers must name some of {', '.join(LAYERS)}, got {', '.join(map(str, unknown)) or 'none'}; "
            "leave layers out to hear all"
        )


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

    Args:
        configs: B >= 1 valid configs.
        seconds: length of every clip, 0.25 to 60.
        sample_rate: Hz, 8,000 to 96,000.
        device: where to render; the result stays there.
        seed: >= 0, varies composition and noise.
        layers: names from `LAYERS` to hear alone, as far as the config plays them; all by default.

    Returns:
        [B, 2, S] float32, S = round(seconds * sample_rate), |x| <= 1, no DC; RMS 0.08 to 0.14 where anything
        plays.

    Raises:
        ValueError: no config, something else than a config, or an argument out of its range.
    """
    _check(configs, seconds, sample_rate, seed, layers)
    where = torch.device(device)
    length = round(seconds * sample_rate)
    padded = -(-length // HOP) * HOP
    size = _MICROBATCH.get(where.type, 1)
    out = torch.empty(len(configs), 2, length, device=where)
    for first in range(0, len(configs), size):
        part = configs[first : first + size]
        scores = [compose(config, seconds=length / sample_rate, seed=seed, layers=layers) for config in part]
        buses = torch.zeros(len(part), 2, 2, padded, device=where)
        add_tones(buses, scores, sample_rate)
        add_hits(buses, scores, sample_rate)
        out[first : first + len(part)] = mix(buses, scores, length, sample_rate, seed)
    return out
