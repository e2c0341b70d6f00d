"""The pad part: the voice-led chords in seven settings, spread and detuned left and right."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rewards.render.score import Chord, Note

if TYPE_CHECKING:
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
        third = next((v for v in chord.voices if (v - chord.root) % 12 in (3, 4)), chord.voices[-1])
        extra = [v for v in chord.voices if (v - chord.root) % 12 in (9, 10, 11)]
        voices = [bottom, bottom + 7, bottom + 14, third + 12, *extra]
    elif setting.spread:
        # Open position: every other voice up an octave.
        voices = [voice + 12 * (index % 2) for index, voice in enumerate(voices)]
    if config.harmony_style == "cinematic":
        voices.append(36 + (chord.root - 36) % 12)
    if config.harmony_style == "pop":
        voices.append(60 + (chord.root - 60) % 12)
    # Density thickens the pad as well as adding layers, so that 5 and 6 differ where an accent is "none".
    top = max(voices)
    voices += [top + 12] * (config.density >= 4) + [min(voices) + 24] * (config.density >= 6)
    return sorted(set(voices))


def compose_pad(config: MusicConfig, chords: tuple[Chord, ...], grid: Grid) -> list[Note]:
    """The pad notes of a clip: for each chord its voices, spread and detuned left and right."""
    setting = _SETTINGS[config.pad]
    notes: list[Note] = []
    for chord in chords:
        voices = _voices(config, chord, setting)
        level = setting.level / len(voices) ** 0.5
        overlap_s = min(0.25, 0.2 * chord.duration_s)
        gate_s = min(chord.duration_s, grid.seconds - chord.onset_s) + overlap_s
        for index, voice in enumerate(voices):
            turn = 1.0 if index % 2 == 0 else -1.0
            # The lowest three voices are doubled, which is enough for a chorus; the others alternate sides.
            sides = (-1.0, 1.0) if index < 3 else (turn,)
            for side in sides:
                pitch = voice + setting.detune * side * turn
                loud = level if index < 3 else 1.3 * level
                notes.append(Note("pad", chord.onset_s, gate_s, pitch, loud, 0.9 * side, config.pad))
        # The mode's own tone sounds in the second half of every chord, even where the triad lacks it.
        half_s = min(chord.duration_s, grid.seconds) / 2.0
        notes.append(
            Note("pad", chord.onset_s + half_s, half_s, chord.color, 0.55 * setting.level, 0.3, "color_tone")
        )
    return notes
