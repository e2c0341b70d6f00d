"""The least time a clip can take on this device: its arithmetic and memory traffic at measured peak rates."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from benchmarks.timing import median_seconds
from rewards.render import compose
from rewards.render.bands import TILE
from rewards.render.notes import flatten_notes
from rewards.render.resample import FULL_TO_HALF, HALF_TO_FULL, QUARTER_TO_HALF

if TYPE_CHECKING:
    from collections.abc import Sequence

    from common.music_schema import MusicConfig

SECONDS, RATE = 10.0, 48_000
FRAMES = SECONDS * RATE / 2048
"""Frames of the room, each of which is transformed once forth and twice back, at half of the rate."""


class Floor(NamedTuple):
    """What a clip cannot go below."""

    seconds: float
    text: str


def peaks(device: torch.device) -> tuple[float, float]:
    """FLOP/s of a large matrix product, and bytes/s of an addition that does not fit a cache."""
    size = 512 if device.type == "cpu" else 8192
    a = torch.randn(size, size, device=device)
    flops = 2 * size**3 / median_seconds(lambda: a @ a, 15, device)
    b = torch.randn(1 << 24, device=device)
    traffic = 2 * b.numel() * b.element_size() / median_seconds(lambda: b.add_(1.0), 15, device)
    return flops, traffic


def _transform(size: int) -> float:
    """Operations of a real FFT."""
    return 2.5 * size * math.log2(size)


def render_floor(configs: Sequence[MusicConfig], device: torch.device) -> Floor:
    """The floor of a clip, the mean over the configs.

    Counted are: the products that make the tones (four multiply-adds per partial and sample) and that
    resample, the transforms of the room and of the loudness, and each track, tile and frame once written and
    once read where one step hands it to the next. Sines, envelopes, the symbolic stage and the launching of
    kernels are not.
    """
    products = tiles = 0.0
    for config in configs:
        for voices in flatten_notes([compose(config, seconds=SECONDS)], RATE):
            counts = voices.end_tile - voices.first_tile
            partials = np.count_nonzero(voices.amps, axis=1)
            products += 2.0 * float(counts @ partials) * voices.band.tile * 4
            tiles += 4.0 * float(counts.sum()) * voices.band.tile
    products, tiles = products / len(configs), tiles / len(configs)
    samples = SECONDS * RATE
    # Two taps of an upsampling filter's reach, four of a downsampling one's, for each sample made.
    made = samples * QUARTER_TO_HALF.reach + 2 * samples * HALF_TO_FULL.reach + samples * FULL_TO_HALF.reach
    products += 4 * made
    transforms = 3 * FRAMES * _transform(2048) + 2 * samples / 4096 * _transform(1024)
    # Both bands' tracks on two buses and two sides; spectra and tails; grain, loudness, limiter, centre.
    tracks = 4 * 2 * 2 * samples * (1 + 1 / 4)
    room = FRAMES * 1025 * 4 * (2 + 2 + 2 * 2 * 3)
    master = 4 * 4 * 2 * 2 * samples
    traffic = 2 * tiles + 2 * tracks + room + master
    flops_per_s, bytes_per_s = peaks(device)
    arithmetic_s, memory_s = (products + transforms) / flops_per_s, traffic / bytes_per_s
    text = (
        f"floor: {(products + transforms) / 1e9:.2f} GFLOP at {flops_per_s / 1e9:.0f} GFLOP/s = "
        f"{1000 * arithmetic_s:.2f} ms, {traffic / 1e6:.0f} MB at {bytes_per_s / 1e9:.0f} GB/s = "
        f"{1000 * memory_s:.2f} ms; the larger is {1000 * max(arithmetic_s, memory_s):.2f} ms per clip "
        f"of {math.ceil(SECONDS * RATE / TILE)} tiles"
    )
    return Floor(max(arithmetic_s, memory_s), text)
