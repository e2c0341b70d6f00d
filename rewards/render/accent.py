"""The accent part: ten kinds of sparse events above the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from rewards.render.harmony import chord_finder
from rewards.render.score import Chord, NoiseBand, Note
from rewards.render.streams import composition_stream
from rewards.render.texture import curve_times

if TYPE_CHECKING:
    from common.music_schema import MusicConfig
    from rewards.render.timing import Grid


class _Accent(NamedTuple):
    timbre: str
    slots: tuple[float, ...]
    """Sixteenths of two bars (0 to 31) at which it sounds."""
    octave: int
    gate_s: float
    level: float
    stack: bool = False
    """The whole chord rather than one of its tones."""


_ACCENTS = {
    "bells": _Accent("bell", (4, 20), 1, 1.4, 0.75),
    "pluck": _Accent("pluck", (3, 6, 14, 19, 22, 27), 0, 0.3, 1.0),
    "chime": _Accent("chime", (0, 1, 2, 3), 2, 2.2, 0.55),
    "bells_dense": _Accent("bell", tuple(range(0, 32, 2)), 1, 0.8, 0.55),
    "blip": _Accent("blip", (2, 10, 18, 26), 2, 0.06, 1.3),
    "blip_random": _Accent("blip", tuple(range(32)), 1, 0.06, 1.1),
    "brass_hit": _Accent("brass", (0, 14, 16), 0, 0.28, 0.75, True),
    "arp_accent": _Accent("sine_pluck", tuple(range(8, 16)), 1, 0.2, 1.0),
    "piano_note": _Accent("piano", (6, 16, 24), 0, 1.6, 1.0),
}


def _wind(grid: Grid) -> list[NoiseBand]:
    times = curve_times(grid.seconds)
    bands: list[NoiseBand] = []
    # Three neighbouring bands that rise one after the other: a gust that climbs and falls.
    for index, center in enumerate((380.0, 620.0, 1000.0)):
        gust = np.sin(2.0 * np.pi * (times / 4.4) - 0.9 * index) * 0.5 + 0.5
        bands.append(NoiseBand("accent", (center,), 0.16, 0.2, gust**2))
    return bands


def compose_accent(
    config: MusicConfig, chords: tuple[Chord, ...], grid: Grid, seed: int
) -> tuple[list[Note], list[NoiseBand]]:
    """The accents of a clip: notes, and the wind as noise."""
    if config.accent == "none":
        return [], []
    if config.accent == "wind":
        return [], _wind(grid)
    accent = _ACCENTS[config.accent]
    draws = composition_stream(config, seed, "accent").random((64, 32, 3))
    sounding = chord_finder(chords)
    notes: list[Note] = []
    for pair in range((grid.num_bars + 1) // 2):
        for index, slot in enumerate(accent.slots):
            draw = draws[pair % 64, int(slot)]
            if config.accent == "blip_random" and draw[0] > 0.4:
                continue
            onset_s = grid.slot_s(2 * pair + int(slot) // 16, slot % 16)
            if onset_s >= grid.seconds - 0.03:
                break
            voices = sounding(onset_s).voices
            chosen = voices if accent.stack else (voices[(index + pair) % len(voices)],)
            pan = 0.6 if index % 2 == 0 else -0.6
            jump = 12 * accent.octave
            if config.accent == "blip_random":
                jump += 12 * int(draw[1] * 3)
                pan = 2.0 * draw[2] - 1.0
            if config.accent == "arp_accent":
                jump += 12 * (index // len(voices))
            level = accent.level / len(chosen) ** 0.5
            notes += [
                Note("accent", onset_s, accent.gate_s, voice + jump, level, pan, accent.timbre)
                for voice in chosen
            ]
    return notes, []
