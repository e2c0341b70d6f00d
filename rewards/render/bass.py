"""The bass part: eight styles over the chord roots, and the sub octave that `depth` adds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rewards.render.harmony import chord_finder, scale_pitch
from rewards.render.score import Chord, Note

if TYPE_CHECKING:
    from collections.abc import Iterator

    from common.music_schema import MusicConfig
    from rewards.render.timing import Grid

_LOWEST = 40
"""E2, 82 Hz: without `depth` the bass keeps above 80 Hz, so that depth can be heard."""


def _bass_pitch(pitch_class: int) -> int:
    return _LOWEST + (pitch_class - _LOWEST) % 12


def _note(onset_s: float, gate_s: float, pitch: float, level: float, timbre: str) -> Note:
    return Note("bass", onset_s, gate_s, pitch, level, 0.0, timbre)


def _held(config: MusicConfig, chords: tuple[Chord, ...], grid: Grid) -> Iterator[Note]:
    tonic = _bass_pitch(scale_pitch(config, 0) % 12)
    if config.bass == "drone":
        yield _note(0.0, grid.seconds, tonic, 0.85, "bass_deep")
    elif config.bass == "fifth_drone":
        yield _note(0.0, grid.seconds, tonic, 0.6, "bass_deep")
        yield _note(0.0, grid.seconds, tonic + 7.03, 0.75, "bass_deep")
        yield _note(0.0, grid.seconds, tonic + 12, 0.3, "bass_deep")
    else:
        for chord in chords:
            # A swell on every chord, breathing before the next one, is what parts it from the drone.
            gate_s = min(chord.duration_s, grid.bar_s) * 0.72
            onset_s = chord.onset_s
            while onset_s < min(chord.onset_s + chord.duration_s, grid.seconds) - 0.05:
                yield _note(onset_s, gate_s, _bass_pitch(chord.root), 0.95, "bass_deep")
                onset_s += min(chord.duration_s, grid.bar_s)


def _moving(config: MusicConfig, chords: tuple[Chord, ...], grid: Grid) -> Iterator[Note]:
    slots = {"pulsing": 2, "walking": 4, "sub_pulse": 4, "octave": 2, "arp_bass": 2}[config.bass]
    sounding = chord_finder(chords)
    for bar in range(grid.num_bars):
        for slot in range(0, 16, slots):
            onset_s = grid.slot_s(bar, slot)
            if onset_s >= grid.seconds:
                return
            chord = sounding(onset_s)
            root = _bass_pitch(chord.root)
            index = slot // slots
            gate_s = grid.beat_s * slots / 4.0
            if config.bass == "pulsing":
                yield _note(onset_s, gate_s * 0.6, root, 0.95 if index % 2 == 0 else 0.6, "bass_round")
            elif config.bass == "walking":
                walk = (0, 2, 4, 5) if bar % 2 == 0 else (7, 5, 4, 1)
                pitch = (
                    root + scale_pitch(config, chord.degree + walk[index]) - scale_pitch(config, chord.degree)
                )
                yield _note(onset_s, gate_s * 0.92, pitch, 0.9, "bass_upright")
            elif config.bass == "sub_pulse":
                yield _note(onset_s, gate_s * 0.5, root - 12, 1.25, "sub_hit")
            elif config.bass == "octave":
                yield _note(onset_s, gate_s * 0.7, root + 12 * (index % 2), 0.85, "bass_pluck")
            else:
                tone = (0, 2, 4, 7, 4, 2, 0, 4)[index]
                pitch = root + scale_pitch(config, chord.degree + tone) - scale_pitch(config, chord.degree)
                yield _note(onset_s, gate_s * 0.8, pitch, 0.85, "bass_pluck")


def compose_bass(config: MusicConfig, chords: tuple[Chord, ...], grid: Grid) -> list[Note]:
    """The bass notes of a clip, in time order within each voice."""
    held = config.bass in ("drone", "sustained", "fifth_drone")
    notes = list((_held if held else _moving)(config, chords, grid))
    if config.depth:
        for chord in chords:
            pitch = _bass_pitch(chord.root) - 12
            notes.append(_note(chord.onset_s, chord.duration_s * 0.97, pitch, 1.1, "sub"))
    return notes
