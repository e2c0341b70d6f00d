"""Musical time: beats, bars, sixteenth slots with swing, and the tension curve over a clip."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from rewards.render.labels import BEATS_PER_MINUTE, SWING_BEATS

if TYPE_CHECKING:
    import numpy.typing as npt

    from common.music_schema import MusicConfig

SLOTS = 16
"""Sixteenths in a bar of four beats."""

_LATE = (0.0, 0.5, 1.0, 0.5)
"""Share of the swing by which the four sixteenths of a beat come late."""


class Grid(NamedTuple):
    """The clip's time grid."""

    seconds: float
    beat_s: float
    swing_beats: float

    @property
    def bar_s(self) -> float:
        """Seconds in a bar of four beats."""
        return 4.0 * self.beat_s

    @property
    def num_bars(self) -> int:
        """Bars that begin within the clip."""
        return max(1, math.ceil(self.seconds / self.bar_s))

    def slot_s(self, bar: int, slot: float) -> float:
        """Onset in seconds of a sixteenth slot; off-beat eighths late by the swing, sixteenths by half."""
        return bar * self.bar_s + (slot / 4.0 + _LATE[int(slot) % 4] * self.swing_beats) * self.beat_s


def grid_of(config: MusicConfig, seconds: float) -> Grid:
    """The grid of one config's clip."""
    return Grid(seconds, 60.0 / BEATS_PER_MINUTE[config.tempo], SWING_BEATS[config.swing])


def tension_at(curve: str, share: float) -> float:
    """Tension (0 to 1) when `share` (0 to 1) of the clip has passed."""
    if curve == "arc":
        return math.sin(math.pi * share)
    if curve == "ramp":
        return share
    return 0.5 - 0.5 * math.cos(2.0 * math.pi * 3.0 * share)


def tension_curve(curve: str, shares: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """`tension_at` for many shares at once."""
    if curve == "arc":
        return np.sin(np.pi * shares)
    if curve == "ramp":
        return shares.copy()
    return 0.5 - 0.5 * np.cos(6.0 * np.pi * shares)
