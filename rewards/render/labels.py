"""What each label of a music config means in numbers: beats per minute, hertz, seconds, shares.

The one place to look up or retune a label. Every table lists its labels in the contract's order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from common.music_schema import MusicConfig

LAYERS: tuple[str, ...] = ("bass", "pad", "melody", "rhythm", "texture", "accent")
"""The layers of a piece in the order in which `density` brings them in: 2 plays the first two, 6 all."""

BEATS_PER_MINUTE = {"very_slow": 54.0, "slow": 74.0, "medium": 98.0, "fast": 126.0, "very_fast": 164.0}
ROOT_SEMITONES = {
    name: number
    for number, name in enumerate(("c", "c#", "d", "d#", "e", "f", "f#", "g", "g#", "a", "a#", "b"))
}
CUTOFF_HZ = {"very_dark": 260.0, "dark": 600.0, "medium": 1500.0, "bright": 4200.0, "very_bright": 14_000.0}
"""Corner of the brightness filter."""
BRIGHTNESS_SLOPE = {"very_dark": -0.35, "dark": -0.18, "medium": 0.0, "bright": 0.22, "very_bright": 0.5}
"""Exponent of a power law around 200 Hz, which tells the bright labels apart below their corner too."""

REVERB_RT60_S = {"dry": 0.12, "small": 0.5, "medium": 1.3, "large": 3.0, "vast": 8.0}
"""Time in which the tail falls by 60 dB (at 500 Hz)."""
REVERB_WET = {"dry": 0.0, "small": 0.5, "medium": 0.8, "large": 1.0, "vast": 1.2}
"""Tail amplitude relative to the dry sound."""

ECHO_SEND = {"none": 0.0, "subtle": 0.3, "medium": 0.46, "heavy": 0.62, "infinite": 0.75}
ECHO_FEEDBACK = {"none": 0.0, "subtle": 0.2, "medium": 0.45, "heavy": 0.68, "infinite": 0.93}

STEREO_WIDTH = {"mono": 0.0, "narrow": 0.22, "medium": 0.5, "wide": 0.85, "ultra_wide": 1.3}
"""Factor on every pan position and on the tail's decorrelation."""

MOTION_HZ = {"static": 0.0, "slow": 0.22, "medium": 0.9, "fast": 4.2, "chaotic": 7.0}
MOTION_DEPTH = {"static": 0.0, "slow": 0.75, "medium": 0.8, "fast": 0.85, "chaotic": 1.0}

ATTACK_FACTOR = {"soft": 7.0, "medium": 2.0, "sharp": 0.35}
"""Factor on an instrument's own attack time."""
ATTACK_SPIKE = {"soft": 0.0, "medium": 0.25, "sharp": 1.7}
"""How much louder a note's first 40 ms are."""

JITTER_S = {"robotic": 0.0, "tight": 0.007, "natural": 0.017, "loose": 0.034, "drunk": 0.07}
JITTER_LEVEL = {"robotic": 0.0, "tight": 0.1, "natural": 0.2, "loose": 0.34, "drunk": 0.5}
JITTER_CENTS = {"robotic": 0.0, "tight": 2.0, "natural": 5.0, "loose": 11.0, "drunk": 26.0}

GRAIN_DRIVE = {"clean": 0.0, "warm": 1.1, "gritty": 2.8}
GRAIN_HISS = {"clean": 0.0, "warm": 0.005, "gritty": 0.025}
"""RMS of the noise floor relative to a mix of RMS 0.12."""

MELODY_ONSETS = {"very_sparse": 1.2, "sparse": 2.4, "medium": 4.4, "busy": 7.2, "very_busy": 11.0}
"""Notes per bar, before the melody style's own factor; 16 at most."""
SYNCOPATION = {"straight": 0.0, "light": 0.25, "medium": 0.55, "heavy": 0.95}
SWING_BEATS = {"none": 0.0, "light": 0.08, "medium": 0.167, "heavy": 0.25}
"""How late the off-beat eighth comes, in beats: medium is a triplet, heavy a dotted eighth."""
MOTIF_REPEAT = {"rare": 0.1, "sometimes": 0.5, "often": 0.95}
"""Share of bars that bring back a motif rather than a new one."""
STEP_LEAPS = {"step": 0.0, "balanced": 0.4, "leapy": 0.95}
"""Share of melody steps that are leaps of a third or more."""
CHROMATIC = {"none": 0.0, "light": 0.2, "medium": 0.4, "heavy": 0.7}
"""Share of melody notes that are bent out of the scale by a semitone."""
CADENCE = {"weak": 0.1, "medium": 0.5, "strong": 0.95}
"""Share of a melody's strong notes that are chord tones."""
PHRASE_END_SLOT = {"weak": 14, "medium": 10, "strong": 8}
"""Sixteenth of a phrase's last bar from which the melody breathes, or holds its closing note."""
CHORD_BARS = {"very_slow": 4.0, "slow": 2.0, "medium": 1.0, "fast": 0.5}
"""Bars from one chord to the next."""


def active_layers(config: MusicConfig) -> tuple[str, ...]:
    """The layers that sound in a config: those that its density admits and whose style is not "none"."""
    admitted = LAYERS[: config.density]
    return tuple(name for name in admitted if getattr(config, name) != "none")
