"""The movement curve: a slow wave, a fast one or a wandering, that opens and closes the tone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rewards.render.labels import MOTION_DEPTH, MOTION_HZ
from rewards.render.streams import composition_stream

if TYPE_CHECKING:
    import numpy.typing as npt

    from common.music_schema import MusicConfig

POINTS_PER_S = 64
"""Sampling of the movement curve: four points in the fastest wave's half period."""


def motion_curve(config: MusicConfig, seconds: float, seed: int) -> npt.NDArray[np.float64]:
    """[M] movement at POINTS_PER_S over the clip and half a second more, each within -1 to 1."""
    count = int((seconds + 0.5) * POINTS_PER_S) + 2
    times = np.arange(count) / POINTS_PER_S
    depth = MOTION_DEPTH[config.motion]
    rate = MOTION_HZ[config.motion]
    if config.motion != "chaotic":
        return depth * np.sin(2.0 * np.pi * rate * times)
    # Chaotic: random levels held and glided between, several a second.
    levels = (
        2.0 * composition_stream(config, seed, "motion").random(int(count / POINTS_PER_S * rate) + 4) - 1.0
    )
    position = times * rate
    left = position.astype(np.int64)
    glide = np.clip((position - left) * 3.0, 0.0, 1.0)
    return depth * (levels[left] * (1.0 - glide) + levels[left + 1] * glide)
