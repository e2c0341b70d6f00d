"""Harmony: modes, progressions by style, chord extensions, and voice leading from chord to chord."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rewards.render.labels import CHORD_BARS, ROOT_SEMITONES
from rewards.render.score import Chord

if TYPE_CHECKING:
    from common.music_schema import MusicConfig
    from rewards.render.timing import Grid

MODES: dict[str, tuple[int, ...]] = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
}
"""Semitones of the seven scale degrees above the root."""

MODE_COLOR = {"major": 6, "minor": 5, "dorian": 5, "mixolydian": 6}
"""The degree that tells a mode from its neighbour: major from mixolydian, minor from dorian."""

AUTO_DEGREES = {
    "major": (0, 3, 4, 3),
    "minor": (0, 5, 3, 6),
    "dorian": (0, 3, 6, 3),
    "mixolydian": (0, 6, 3, 0),
}
STYLE_DEGREES = {
    "pop": (0, 4, 5, 3),
    "jazz": (1, 4, 0, 5),
    "cinematic": (5, 3, 0, 6),
    "ambient": (0, 1, 0, 3),
}
EXTENSION_STEPS = {"triads": (0, 2, 4), "sevenths": (0, 2, 4, 6), "lush": (0, 2, 4, 6, 8, 12)}
"""Scale steps above the chord root: lush adds the ninth and the thirteenth."""


def scale_pitch(config: MusicConfig, degree: int) -> int:
    """Semitones above the root C of octave zero of a scale degree, which may be negative or above 6."""
    scale = MODES[config.mode]
    return ROOT_SEMITONES[config.root] + 12 * (degree // 7) + scale[degree % 7]


def chord_steps(config: MusicConfig) -> tuple[int, ...]:
    """Scale steps of one chord, bent by the harmony style."""
    steps = EXTENSION_STEPS[config.chord_extensions]
    if config.harmony_style == "ambient":
        return tuple(1 if step == 2 else step for step in steps)  # the third gives way to the second: sus2
    if config.harmony_style == "jazz":
        return (*steps, 5) if len(steps) < 5 else steps  # an added sixth
    return steps


def lead_voices(classes: tuple[int, ...], previous: tuple[int, ...] | None) -> tuple[int, ...]:
    """The inversion of the pitch classes that moves least from the previous chord, around middle C.

    Args:
        classes: semitones above C of each chord tone, distinct modulo 12 or not.
        previous: the previous chord's voices, or none for the first chord.

    Returns:
        MIDI numbers, ascending, one per distinct pitch class.
    """
    distinct = sorted({value % 12 for value in classes})
    center = 60.0 if previous is None else sum(previous) / len(previous)
    best: tuple[float, tuple[int, ...]] | None = None
    for turn in range(len(distinct)):
        rotated = distinct[turn:] + [value + 12 for value in distinct[:turn]]
        for octave in (3, 4, 5):
            voices = tuple(sorted(value + 12 * (octave + 1) for value in rotated))
            mean = sum(voices) / len(voices)
            # Staying near middle C keeps a long progression from drifting up or down the keyboard.
            cost = abs(mean - center) + 0.5 * abs(mean - 60.0)
            if best is None or cost < best[0]:
                best = (cost, voices)
    assert best is not None
    return best[1]


def compose_chords(config: MusicConfig, grid: Grid) -> tuple[Chord, ...]:
    """The chords that sound in the clip, in time order, covering it without gaps."""
    degrees = STYLE_DEGREES.get(config.harmony_style, AUTO_DEGREES[config.mode])
    length_s = CHORD_BARS[config.chord_change_bars] * grid.bar_s
    steps = chord_steps(config)
    color = scale_pitch(config, MODE_COLOR[config.mode]) % 12 + 60
    chords: list[Chord] = []
    onset_s = 0.0
    previous: tuple[int, ...] | None = None
    while onset_s < grid.seconds:
        degree = degrees[len(chords) % len(degrees)]
        classes = tuple(scale_pitch(config, degree + step) for step in steps)
        voices = lead_voices(classes, previous)
        chords.append(Chord(onset_s, length_s, degree, classes[0] % 12, voices, color))
        previous = voices
        onset_s += length_s
    return tuple(chords)


def chord_at(chords: tuple[Chord, ...], time_s: float) -> Chord:
    """The chord that sounds at a time; before the first or after the last, the nearest."""
    found = chords[0]
    for chord in chords:
        if chord.onset_s <= time_s + 1e-9:
            found = chord
    return found
