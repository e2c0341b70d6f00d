"""Instruments as tables of partials: ratios, amplitudes, decay, attack and release."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Timbre:
    """How an instrument speaks. A note sounds amps[p] * exp(-decays[p] * t) at ratios[p] * its frequency."""

    ratios: npt.NDArray[np.float64]
    """[P] frequency of each partial over the fundamental."""
    amps: npt.NDArray[np.float64]
    """[P] linear amplitudes, scaled to unit power."""
    decays: npt.NDArray[np.float64]
    """[P] decay rates in 1/s; 0 sustains."""
    attack_s: float
    release_s: float
    motion: float
    """Share of the config's movement that reaches the instrument."""


def _harmonic(  # one argument per physical property of an instrument
    count: int,
    rolloff: float,
    *,
    odd_only: float = 0.0,
    decay: float = 0.0,
    decay_slope: float = 0.0,
    attack_s: float,
    release_s: float,
    motion: float = 0.5,
    ratios: tuple[float, ...] | None = None,
    amps: tuple[float, ...] | None = None,
) -> Timbre:
    number = np.arange(1, count + 1, dtype=np.float64)
    ratio = number if ratios is None else np.asarray(ratios, dtype=np.float64)
    amp = number**-rolloff if amps is None else np.asarray(amps, dtype=np.float64)
    amp = np.where((number % 2 == 0) & (amps is None), amp * (1.0 - odd_only), amp)
    amp = amp / np.sqrt(np.sum(amp**2))
    return Timbre(ratio, amp, decay + decay_slope * (ratio - 1.0), attack_s, release_s, motion)


_BELL = (0.5, 1.0, 1.19, 1.56, 2.0, 2.66, 3.01, 4.1)
_CHIME = (1.0, 2.76, 5.4, 8.93, 11.34, 13.1, 14.9, 16.6)

TIMBRES: dict[str, Timbre] = {
    # Pads: sustained, slow, wide.
    "warm_slow": _harmonic(12, 1.5, attack_s=0.35, release_s=0.9, motion=1.0),
    "dark_sustained": _harmonic(8, 2.6, attack_s=0.12, release_s=0.5, motion=1.0),
    "cinematic": _harmonic(12, 0.95, attack_s=0.75, release_s=1.2, motion=1.0),
    "thin_high": _harmonic(12, 0.7, odd_only=0.85, attack_s=0.15, release_s=0.6, motion=1.0),
    "ambient_drift": _harmonic(8, 1.9, odd_only=0.9, attack_s=0.55, release_s=1.6, motion=1.3),
    "stacked_fifths": _harmonic(
        12,
        0.0,
        amps=(1, 0.15, 0.6, 0.1, 0.1, 0.45, 0.02, 0.05, 0.3, 0.0, 0.0, 0.2),
        attack_s=0.08,
        release_s=0.5,
        motion=1.0,
    ),
    "bright_open": _harmonic(16, 0.6, attack_s=0.05, release_s=0.4, motion=1.0),
    "color_tone": _harmonic(8, 1.7, attack_s=0.3, release_s=0.6, motion=1.0),
    # Basses.
    "bass_deep": _harmonic(8, 1.6, attack_s=0.03, release_s=0.25, motion=0.6),
    "bass_round": _harmonic(8, 1.3, decay=1.2, decay_slope=0.5, attack_s=0.008, release_s=0.1),
    "bass_pluck": _harmonic(16, 0.9, decay=3.0, decay_slope=0.9, attack_s=0.004, release_s=0.08, motion=0.3),
    "bass_upright": _harmonic(8, 1.1, decay=2.2, decay_slope=1.5, attack_s=0.006, release_s=0.1, motion=0.1),
    "sub": _harmonic(8, 4.5, attack_s=0.02, release_s=0.15, motion=0.2),
    "sub_hit": _harmonic(8, 3.5, decay=4.0, attack_s=0.006, release_s=0.1, motion=0.2),
    # Melody voices.
    "lead": _harmonic(16, 1.0, decay=1.2, decay_slope=0.3, attack_s=0.012, release_s=0.15),
    "flute": _harmonic(8, 2.4, attack_s=0.06, release_s=0.25),
    "glass": _harmonic(
        8,
        0.0,
        ratios=(1, 2, 3, 4.02, 5.4, 6.8, 8.1, 9.2),
        amps=(1, 0.5, 0.12, 0.4, 0.2, 0.1, 0.08, 0.05),
        decay=1.5,
        decay_slope=0.5,
        attack_s=0.006,
        release_s=0.4,
    ),
    "keys": _harmonic(16, 1.35, decay=2.0, decay_slope=0.55, attack_s=0.004, release_s=0.2),
    "sine_pluck": _harmonic(8, 3.2, decay=4.0, decay_slope=2.0, attack_s=0.004, release_s=0.1),
    "reed": _harmonic(16, 0.75, odd_only=0.8, attack_s=0.02, release_s=0.1),
    "pluck": _harmonic(16, 0.8, decay=5.0, decay_slope=1.3, attack_s=0.003, release_s=0.08),
    "cello": _harmonic(16, 0.9, attack_s=0.09, release_s=0.25, motion=0.8),
    "epiano": _harmonic(
        8,
        0.0,
        amps=(1, 0.25, 0.06, 0.3, 0.04, 0.03, 0.12, 0.02),
        decay=1.8,
        decay_slope=0.8,
        attack_s=0.004,
        release_s=0.2,
    ),
    "brass": _harmonic(16, 0.55, decay=0.6, decay_slope=0.12, attack_s=0.035, release_s=0.12),
    # Accents and pitched textures.
    "bell": _harmonic(
        8,
        0.0,
        ratios=_BELL,
        amps=(0.5, 1, 0.7, 0.5, 0.8, 0.5, 0.4, 0.3),
        decay=1.3,
        decay_slope=0.6,
        attack_s=0.003,
        release_s=0.5,
        motion=0.2,
    ),
    "chime": _harmonic(
        8,
        0.0,
        ratios=_CHIME,
        amps=(1, 0.6, 0.35, 0.2, 0.15, 0.1, 0.07, 0.05),
        decay=0.8,
        decay_slope=0.15,
        attack_s=0.003,
        release_s=0.8,
        motion=0.2,
    ),
    "blip": _harmonic(8, 1.0, odd_only=1.0, attack_s=0.002, release_s=0.02, motion=0.0),
    "piano": _harmonic(
        16,
        1.1,
        decay=1.4,
        decay_slope=0.6,
        attack_s=0.003,
        release_s=0.3,
        motion=0.1,
        ratios=tuple(n * (1.0 + 0.0006 * n * n) for n in range(1, 17)),
    ),
    "star": _harmonic(8, 3.5, decay=6.0, decay_slope=1.0, attack_s=0.003, release_s=0.2, motion=0.2),
    "crystal": _harmonic(
        8,
        0.0,
        ratios=(1, 2.01, 2.83, 4.07, 5.19, 6.77, 8.2, 9.9),
        amps=(1, 0.2, 0.6, 0.3, 0.3, 0.2, 0.15, 0.1),
        decay=4.5,
        decay_slope=0.8,
        attack_s=0.002,
        release_s=0.2,
        motion=0.2,
    ),
    "shimmer": _harmonic(8, 1.6, attack_s=0.03, release_s=0.15, motion=0.6),
    "shimmer_slow": _harmonic(8, 1.6, attack_s=0.5, release_s=0.9, motion=0.8),
}
