"""Percussion one-shots: what each sounds like, synthesized once per sample rate."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np

from rewards.render.streams import stream

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    Samples = npt.NDArray[np.float64]


def _sweep(time: Samples, start_hz: float, end_hz: float, fall_s: float, decay: float) -> Samples:
    """A sine whose pitch falls exponentially: the body of kicks, toms and tablas."""
    phase = end_hz * time + (start_hz - end_hz) * fall_s * (1.0 - np.exp(-time / fall_s))
    return np.asarray(np.sin(2.0 * np.pi * phase) * np.exp(-decay * time))


def _band(name: str, time: Samples, low_hz: float, high_hz: float) -> Samples:
    """Unit-RMS noise between two frequencies; its stream is keyed by the sound's name."""
    count = len(time)
    spectrum = np.fft.rfft(stream("percussion", name).standard_normal(count))
    hertz = np.fft.rfftfreq(count, time[1] - time[0])
    gain = 1.0 / (1.0 + (low_hz / np.maximum(hertz, 1.0)) ** 6) / (1.0 + (hertz / high_hz) ** 6)
    noise = np.fft.irfft(spectrum * gain, count)
    return np.asarray(noise / np.sqrt(np.mean(noise**2)))


def _drop(time: Samples, decay: float) -> Samples:
    return np.asarray(np.exp(-decay * time))


def _partials(time: Samples, hertz: tuple[float, ...], decay: float) -> Samples:
    return np.asarray(
        sum(np.sin(2 * np.pi * f * time) * np.exp(-decay * (1 + 0.4 * i) * time) for i, f in enumerate(hertz))
    )


def _glitch(kind: int, t: Samples) -> Samples:
    if kind == 0:
        return np.asarray(0.5 * np.sign(np.sin(2 * np.pi * 880.0 * t)) * _drop(t, 30.0))
    if kind == 1:
        return 0.35 * _band("glitch", t, 2000.0, 14_000.0) * _drop(t, 80.0)
    if kind == 2:
        return _sweep(t, 6000.0, 200.0, 0.008, 60.0)
    return np.asarray(
        0.5 * np.sign(np.sin(2 * np.pi * 2637.0 * t) + 0.3 * np.sin(2 * np.pi * 70 * t)) * _drop(t, 50.0)
    )


def _crackle(kind: int, t: Samples) -> Samples:
    return 0.5 * _band(f"crackle_{kind}", t, 600.0 * (kind + 1), 9000.0) * _drop(t, 500.0 + 250.0 * kind)


SOUNDS: dict[str, tuple[float, Callable[[Samples], Samples]]] = {
    "kick": (
        0.4,
        lambda t: _sweep(t, 180, 52, 0.025, 11) + 0.15 * _band("kick", t, 1500, 6000) * _drop(t, 250),
    ),
    "kick_soft": (0.4, lambda t: _sweep(t, 120, 55, 0.03, 12)),
    "kick_hard": (
        0.4,
        lambda t: (
            np.tanh(3 * _sweep(t, 420, 47, 0.02, 9)) + 0.3 * _band("hard", t, 2000, 9000) * _drop(t, 200)
        ),
    ),
    "heart": (0.35, lambda t: _sweep(t, 75, 42, 0.05, 15) * (1 - _drop(t, 150))),
    "tom": (0.45, lambda t: _sweep(t, 190, 105, 0.06, 9)),
    "snare": (
        0.3,
        lambda t: 0.5 * _band("snare", t, 900, 9000) * _drop(t, 19) + 0.5 * _sweep(t, 260, 185, 0.02, 25),
    ),
    "snare_soft": (
        0.25,
        lambda t: 0.3 * _band("soft", t, 600, 5000) * _drop(t, 28) + 0.5 * _sweep(t, 230, 190, 0.02, 32),
    ),
    "march": (
        0.18,
        lambda t: 0.45 * _band("march", t, 1500, 11000) * _drop(t, 32) + 0.4 * _sweep(t, 380, 300, 0.01, 45),
    ),
    "rim": (0.2, lambda t: 0.8 * _partials(t, (840.0, 1710.0, 2630.0), 28)),
    "clap": (
        0.3,
        lambda t: (
            0.45
            * _band("clap", t, 900, 4500)
            * (_drop(t, 160) + _drop(np.abs(t - 0.012), 200) + _drop(np.abs(t - 0.024), 25))
        ),
    ),
    "hat": (0.09, lambda t: 0.35 * _band("hat", t, 7000, 18000) * _drop(t, 65)),
    "hat_open": (0.4, lambda t: 0.3 * _band("open", t, 6000, 17000) * _drop(t, 10)),
    "shaker": (0.16, lambda t: 0.4 * _band("shaker", t, 4500, 11000) * _drop(np.abs(t - 0.035), 40)),
    "sweep": (
        0.75,
        lambda t: 0.33 * _band("sweep", t, 1200, 7000) * np.sin(np.pi * np.minimum(t / 0.7, 1.0)) ** 2,
    ),
    "brush_tap": (0.2, lambda t: 0.4 * _band("tap", t, 800, 6000) * _drop(t, 26)),
    "tabla_na": (0.35, lambda t: 0.6 * _partials(t, (410.0, 830.0, 1235.0, 1660.0), 11)),
    "tabla_tin": (0.3, lambda t: 0.6 * _partials(t, (620.0, 1250.0, 1890.0), 16)),
    "tabla_ge": (0.5, lambda t: _sweep(t, 70, 128, 0.12, 7) * (1 - _drop(t, 300))),
    "zap": (0.15, lambda t: 0.7 * _sweep(t, 5200, 300, 0.025, 26)),
    **{f"glitch_{k}": (0.05, functools.partial(_glitch, k)) for k in range(4)},
    **{f"crackle_{k}": (0.02, functools.partial(_crackle, k)) for k in range(4)},
}
"""Length in seconds and formula of every one-shot; peaks are about 1."""
