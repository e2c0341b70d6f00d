"""The texture part: nine backgrounds made of high notes, clicks or coloured noise."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from rewards.render.harmony import chord_finder
from rewards.render.score import Chord, Hit, NoiseBand, Note
from rewards.render.streams import composition_stream

if TYPE_CHECKING:
    import numpy.typing as npt

    from common.music_schema import MusicConfig
    from rewards.render.timing import Grid

_POINTS_PER_S = 25.6
_LEAST_POINTS = 256


class Texture(NamedTuple):
    """What a texture adds to the score."""

    notes: list[Note]
    hits: list[Hit]
    noises: list[NoiseBand]


def curve_times(seconds: float) -> npt.NDArray[np.float64]:
    """[K] times in seconds at which a level curve is given: 256 of them, more in clips above 10 s."""
    return np.linspace(0.0, seconds, max(_LEAST_POINTS, round(_POINTS_PER_S * seconds)))


def _shimmer(config: MusicConfig, chords: tuple[Chord, ...], grid: Grid) -> list[Note]:
    slow = config.texture == "shimmer_slow"
    notes: list[Note] = []
    step_s = 1.9 if slow else 0.11
    sounding = chord_finder(chords)
    for index in range(int(grid.seconds / step_s) + 1):
        onset_s = index * step_s
        voices = sounding(onset_s).voices
        voice = voices[(index * 2) % len(voices)]
        pitch = voice + (24 if slow else 36)
        pan = 0.8 if index % 2 == 0 else -0.8
        gate_s = 1.5 if slow else 0.09
        notes.append(Note("texture", onset_s, gate_s, pitch, 0.5 if slow else 0.45, pan, config.texture))
        if slow:
            notes.append(Note("texture", onset_s, gate_s, pitch + 7.08, 0.4, -pan, config.texture))
    return notes


def _stars(config: MusicConfig, chords: tuple[Chord, ...], grid: Grid, seed: int) -> list[Note]:
    draws = composition_stream(config, seed, "stars").random((256 + int(8.4 * grid.seconds), 4))
    sounding = chord_finder(chords)
    notes: list[Note] = []
    onset_s = 0.2
    for draw in draws:
        if onset_s >= grid.seconds - 0.05:
            break
        voices = sounding(onset_s).voices
        pitch = voices[int(draw[1] * len(voices))] + 36 + 12 * int(draw[2] * 2)
        notes.append(Note("texture", onset_s, 0.12, pitch, 0.7, 2.0 * draw[3] - 1.0, "star"))
        onset_s += 0.12 + 0.75 * draw[0] ** 2
    return notes


def _crystal(chords: tuple[Chord, ...], grid: Grid) -> list[Note]:
    sounding = chord_finder(chords)
    notes: list[Note] = []
    for bar in range(grid.num_bars):
        for slot in range(0, 16, 2):
            onset_s = grid.slot_s(bar, slot)
            if onset_s >= grid.seconds - 0.05:
                break
            voices = sounding(onset_s).voices
            voice = voices[(slot // 2) % len(voices)] + 24 + 12 * (slot % 8 == 6)
            pan = (-0.8, 0.3, 0.8, -0.3)[slot // 2 % 4]
            notes.append(Note("texture", onset_s, 0.3, voice, 0.55, pan, "crystal"))
    return notes


def _clicks(config: MusicConfig, grid: Grid, seed: int) -> list[Hit]:
    glitch = config.texture == "glitch"
    draws = composition_stream(config, seed, "clicks").random((2048 + int(125.0 * grid.seconds), 4))
    hits: list[Hit] = []
    onset_s = 0.05
    for draw in draws:
        if onset_s >= grid.seconds - 0.01:
            break
        pan = 2.0 * draw[2] - 1.0
        if glitch:
            # Stutters: the same sound several times in quick succession, then a silence.
            repeats = 3 + int(draw[1] * 6)
            gap_s = (0.03, 0.045, 0.06)[int(draw[3] * 3)]
            sound = f"glitch_{int(draw[0] * 4)}"
            for index in range(repeats):
                when_s = onset_s + index * gap_s
                if when_s < grid.seconds - 0.01:
                    hits.append(Hit("texture", when_s, sound, 0.75, pan))
            onset_s += repeats * gap_s + 0.15 + 0.6 * draw[2]
        else:
            hits.append(
                Hit("texture", onset_s, f"crackle_{int(draw[0] * 4)}", 0.25 + 0.6 * draw[1] ** 3, pan)
            )
            onset_s += 0.008 - 0.05 * np.log(1.0 - 0.999 * draw[3])
    return hits


def _noises(config: MusicConfig, chords: tuple[Chord, ...], grid: Grid) -> list[NoiseBand]:
    times = curve_times(grid.seconds)
    if config.texture == "vinyl_crackle":
        return [NoiseBand("texture", (2500.0,), 2.0, 0.03, np.ones(len(times)))]
    if config.texture == "breath":
        phase = (times / 3.2) % 1.0
        curve = np.where(
            phase < 0.45, np.sin(np.pi * phase / 0.45) ** 2, 0.4 * np.sin(np.pi * (phase - 0.5) / 0.5)
        )
        return [NoiseBand("texture", (1100.0, 2700.0), 0.35, 0.17, np.clip(curve, 0.0, 1.0))]
    if config.texture == "noise_wash":
        curve = 0.6 + 0.4 * np.sin(2.0 * np.pi * times / 6.0 - 1.0)
        return [NoiseBand("texture", (500.0, 4000.0), 1.8, 0.16, curve)]
    # One band for each set of voices, however often the chord comes back: a long piece has few.
    flutter = 0.65 + 0.35 * np.sin(2.0 * np.pi * times * 1.6)
    curves: dict[tuple[int, ...], npt.NDArray[np.float64]] = {}
    for chord in chords:
        first, last = np.searchsorted(times, (chord.onset_s, chord.onset_s + chord.duration_s))
        curve = curves.setdefault(chord.voices, np.zeros(len(times)))
        curve[first:last] = flutter[first:last]
    return [
        NoiseBand("texture", tuple(440.0 * 2.0 ** ((v + 24 - 69) / 12.0) for v in voices), 0.045, 0.26, curve)
        for voices, curve in curves.items()
    ]


def compose_texture(config: MusicConfig, chords: tuple[Chord, ...], grid: Grid, seed: int) -> Texture:
    """The background of a clip."""
    name = config.texture
    if name in ("shimmer", "shimmer_slow"):
        return Texture(_shimmer(config, chords, grid), [], [])
    if name == "stars":
        return Texture(_stars(config, chords, grid, seed), [], [])
    if name == "crystal":
        return Texture(_crystal(chords, grid), [], [])
    hits = _clicks(config, grid, seed) if name in ("glitch", "vinyl_crackle") else []
    noises = [] if name in ("glitch", "none") else _noises(config, chords, grid)
    return Texture([], hits, noises)
