"""The brightness filter: one gain over frequency that every sound source applies to itself."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from rewards.render.labels import BRIGHTNESS_SLOPE, CUTOFF_HZ

_FLOOR = 0.004
"""The filter's deepest attenuation (-48 dB): the darkest hi-hat can still be found."""

Array = npt.NDArray[np.float64]


def tilt_gain(corner_hz: Array | float, slope: Array | float, hertz: Array) -> Array:
    """Linear gain at frequencies in Hz of the filter with a corner and a slope; the three broadcast."""
    low_pass = (1.0 + (hertz / corner_hz) ** 2) ** -0.8
    return np.asarray(np.maximum(low_pass, _FLOOR) * (np.maximum(hertz, 200.0) / 200.0) ** slope)


def tilt(brightness: str, hertz: Array) -> Array:
    """Linear gain of a brightness label at frequencies in Hz, same shape, 1 at low frequencies."""
    return tilt_gain(CUTOFF_HZ[brightness], BRIGHTNESS_SLOPE[brightness], hertz)


def noise_tilt(brightness: str, hertz: Array) -> Array:
    """The same filter, gentler, for noises and drums: a dark hi-hat stays a hi-hat."""
    return np.asarray(tilt(brightness, hertz) ** 0.6)
