"""The pad part: the voice-led chords in seven settings, spread and detuned left and right."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rewards.render.harmony import scale_pitch
from rewards.render.score import Chord, Note

if TYPE_CHECKING:
    from collections.abc import Iterator

    from common.music_schema import MusicConfig
    from rewards.render.timing import Grid


class _Setting(NamedTuple):
    octave: int
    spread: bool
    detune: float
    level: float


_SETTINGS = {
    "warm_slow": _Setting(0, False, 0.05, 1.0),
    "dark_sustained": _Setting(-1, False, 0.03, 1.1),
    "cinematic": _Setting(-1, True, 0.08, 1.0),
    "thin_high": _Setting(1, False, 0.03, 0.6),
    "ambient_drift": _Setting(0, True, 0.16, 0.9),
    "stacked_fifths": _Setting(0, False, 0.02, 0.9),
    "bright_open": _Setting(0, True, 0.06, 0.8),
}


def _voices(config: MusicConfig, chord: Chord, setting: _Setting) -> list[int]:
    voices = [voice + 12 * setting.octave for voice in chord.voices]
    if config.pad == "stacked_fifths":
        bottom = 48 + (chord.root - 48) % 12
        # Fifths of the mode, one of which is diminished: no chord leaves the scale.
        fifth, ninth = (
            scale_pitch(config, chord.degree + step) - scale_pitch(config, chord.degree) for step in (4, 8)
        )
        third = next((v for v in chord.voices if (v - chord.root) % 12 in (3, 4)), chord.voices[-1])
        extra = [v for v in chord.voices if (v - chord.root) % 12 in (9, 10, 11)]
        voices = [bottom, bottom + fifth, bottom + ninth, third + 12, *extra]
    elif setting.spread:
        # Open position: every other voice up an octave.
        voices = [voice + 12 * (index % 2) for index, voice in enumerate(voices)]
    if config.harmony_style == "cinematic":
        voices.append(36 + (chord.root - 36) % 12)
    if config.harmony_style == "pop":
        voices.append(60 + (chord.root - 60) % 12)
    # Density thickens the pad as well as adding layers, so that two densities differ where a layer is "none".
    top, bottom = max(voices), min(voices)
    voices += [top + 12] * (config.density >= 4) + [bottom + 12] * (config.density >= 5)
    voices += [bottom + 24] * (config.density >= 6)
    return sorted(set(voices))


def _colors(chord: Chord, grid: Grid, level: float) -> Iterator[Note]:
    """The tones that tell the mode, in the second half of every bar, even where the chord lacks them."""
    classes = {voice % 12 for voice in chord.voices}
    tones = [chord.colors[0], *(tone for tone in chord.colors[1:] if tone % 12 not in classes)]
    until_s = min(chord.onset_s + chord.duration_s, grid.seconds)
    bar_s = min(chord.duration_s, grid.bar_s)
    onset_s = chord.onset_s + bar_s / 2.0
    while onset_s < until_s - 0.05:
        for tone in tones:
            yield Note("pad", onset_s, min(bar_s / 2.0, until_s - onset_s), tone, level, 0.3, "color_tone")
        onset_s += bar_s


def compose_pad(config: MusicConfig, chords: tuple[Chord, ...], grid: Grid) -> list[Note]:
    """The pad notes of a clip: for each chord its voices, spread and detuned left and right."""
    setting = _SETTINGS[config.pad]
    notes: list[Note] = []
    for chord in chords:
        voices = _voices(config, chord, setting)
        level = setting.level / len(voices) ** 0.5
        until_s = min(chord.onset_s + chord.duration_s, grid.seconds)
        # Pop strikes its chord anew in every bar; the other styles let it ring.
        length_s = min(chord.duration_s, grid.bar_s) if config.harmony_style == "pop" else chord.duration_s
        onset_s = chord.onset_s
        while onset_s < until_s - 0.05:
            overlap_s = min(0.25, 0.2 * length_s)
            gate_s = min(length_s, grid.seconds - onset_s) + overlap_s
            if config.harmony_style == "pop":
                gate_s = 0.7 * length_s
            for index, voice in enumerate(voices):
                turn = 1.0 if index % 2 == 0 else -1.0
                # The lowest three voices are doubled, which is chorus enough; the others alternate sides.
                for side in (-1.0, 1.0) if index < 3 else (turn,):
                    pitch = voice + setting.detune * side * turn
                    loud = level if index < 3 else 1.3 * level
                    notes.append(Note("pad", onset_s, gate_s, pitch, loud, 0.9 * side, config.pad))
            onset_s += length_s
        notes += _colors(chord, grid, 0.55 * setting.level)
    return notes
