"""The score: what is played when, before any sound is made. Plain numbers, testable without audio."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from common.music_schema import MusicConfig


class Note(NamedTuple):
    """One pitched tone."""

    layer: str
    onset_s: float
    gate_s: float
    """Time from onset until the release starts."""
    pitch: float
    """MIDI number, 69 = 440 Hz; fractions detune."""
    level: float
    """Linear amplitude, about 0 to 1."""
    pan: float
    """-1 left to 1 right, before the config's stereo width."""
    timbre: str
    """A key of `timbres.TIMBRES`."""


class Hit(NamedTuple):
    """One percussive one-shot."""

    layer: str
    onset_s: float
    sound: str
    """A key of `percussion.SOUNDS`."""
    level: float
    pan: float


class NoiseBand(NamedTuple):
    """A coloured noise whose level moves over the clip."""

    layer: str
    centers_hz: tuple[float, ...]
    """Where the noise peaks."""
    width_octaves: float
    """Standard deviation of each peak on a log-frequency axis."""
    level: float
    """RMS while fully open."""
    curve: npt.NDArray[np.float64]
    """[K] gains at K equally spaced times over the clip, each 0 to 1."""


class Chord(NamedTuple):
    """One chord of the piece."""

    onset_s: float
    duration_s: float
    degree: int
    """Scale degree of the chord's root, 0 = tonic."""
    root: int
    """Semitones above C, 0 to 11."""
    voices: tuple[int, ...]
    """MIDI numbers of the voice-led chord around middle C, ascending."""
    colors: tuple[int, int]
    """MIDI numbers of the two tones that tell the four modes apart: the sixth or seventh, and the third."""


@dataclass(frozen=True)
class Score:
    """Everything the sound stage needs to know about one clip."""

    config: MusicConfig
    seconds: float
    beat_s: float
    chords: tuple[Chord, ...]
    notes: tuple[Note, ...]
    hits: tuple[Hit, ...]
    noises: tuple[NoiseBand, ...]
    noise_key: int
    tension: npt.NDArray[np.float64] = field(repr=False)
    """[K] tension curve over the clip, each 0 to 1."""
    motion: npt.NDArray[np.float64] = field(repr=False)
    """[M] movement over the clip at `motion.POINTS_PER_S`, each -1 to 1 times the depth."""
