"""The brightness filter: one gain over frequency that every sound source applies to itself."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from rewards.render.labels import CUTOFF_HZ

_SLOPE = {"very_dark": -0.35, "dark": -0.18, "medium": 0.0, "bright": 0.22, "very_bright": 0.5}
"""Exponent of a power law around 200 Hz, which tells the bright labels apart below their corner too."""
_FLOOR = 0.004
"""The filter's deepest attenuation (-48 dB): the darkest hi-hat can still be found."""


def tilt(brightness: str, hertz: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Linear gain of a brightness label at frequencies in Hz, same shape, 1 at low frequencies."""
    corner = CUTOFF_HZ[brightness]
    low_pass = (1.0 + (hertz / corner) ** 2) ** -0.8
    slope = (np.maximum(hertz, 200.0) / 200.0) ** _SLOPE[brightness]
    return np.maximum(low_pass, _FLOOR) * slope


def noise_tilt(brightness: str, hertz: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The same filter, gentler, for noises and drums: a dark hi-hat stays a hi-hat."""
    return tilt(brightness, hertz) ** 0.6
