"""Harmony: modes, progressions by style, chord extensions, and voice leading from chord to chord."""

from __future__ import annotations

import functools
from bisect import bisect_right
from typing import TYPE_CHECKING

from rewards.render.labels import CHORD_BARS, ROOT_SEMITONES
from rewards.render.score import Chord

if TYPE_CHECKING:
    from collections.abc import Callable

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


@functools.lru_cache(maxsize=4096)
def lead_voices(classes: tuple[int, ...], previous: tuple[int, ...] | None) -> tuple[int, ...]:
    """The inversion of the pitch classes whose voices move least from the previous chord, around middle C.

    Args:
        classes: semitones above C of each chord tone, distinct modulo 12 or not.
        previous: the previous chord's voices, or none for the first chord.

    Returns:
        MIDI numbers, ascending, one per distinct pitch class.
    """
    distinct = sorted({value % 12 for value in classes})
    inversions = [
        tuple(
            sorted(
                value + 12 * (octave + 1) for value in (*distinct[turn:], *[v + 12 for v in distinct[:turn]])
            )
        )
        for turn in range(len(distinct))
        for octave in (3, 4, 5)
    ]

    def cost(voices: tuple[int, ...]) -> float:
        # Staying near middle C keeps a long progression from drifting up or down the keyboard.
        away = abs(sum(voices) / len(voices) - 60.0)
        if previous is None:
            return away
        # Each voice from the nearest one before it, and each one before to where it can go.
        moves = [min(abs(voice - old) for old in previous) for voice in voices]
        left = [min(abs(voice - old) for voice in voices) for old in previous]
        return (sum(moves) + sum(left)) / (len(moves) + len(left)) + 0.25 * away

    return min(inversions, key=cost)


def degrees_of(config: MusicConfig) -> tuple[int, ...]:
    """Scale degrees of the progression, one per chord.

    Outside jazz a diminished triad gives way to the chord a third above it: a loop that rests on one
    every time it comes round is no home to come back to.
    """
    degrees = STYLE_DEGREES.get(config.harmony_style, AUTO_DEGREES[config.mode])
    if config.harmony_style == "jazz":
        return degrees
    return tuple(
        (degree + 2) % 7 if scale_pitch(config, degree + 4) - scale_pitch(config, degree) == 6 else degree
        for degree in degrees
    )


def compose_chords(config: MusicConfig, grid: Grid) -> tuple[Chord, ...]:
    """The chords that sound in the clip, in time order, covering it without gaps."""
    degrees = degrees_of(config)
    length_s = CHORD_BARS[config.chord_change_bars] * grid.bar_s
    steps = chord_steps(config)
    colors = (scale_pitch(config, MODE_COLOR[config.mode]) % 12 + 60, scale_pitch(config, 2) % 12 + 60)
    chords: list[Chord] = []
    previous: tuple[int, ...] | None = None
    while len(chords) * length_s < grid.seconds:
        degree = degrees[len(chords) % len(degrees)]
        classes = tuple(scale_pitch(config, degree + step) for step in steps)
        voices = lead_voices(classes, previous)
        chords.append(Chord(len(chords) * length_s, length_s, degree, classes[0] % 12, voices, colors))
        previous = voices
    return tuple(chords)


def chord_finder(chords: tuple[Chord, ...]) -> Callable[[float], Chord]:
    """Tells which chord sounds at a time in seconds; before the first or after the last, the nearest."""
    onsets = [chord.onset_s for chord in chords]

    def sounding(time_s: float) -> Chord:
        return chords[max(0, bisect_right(onsets, time_s + 1e-9) - 1)]

    return sounding
