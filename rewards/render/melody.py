"""The melody part: a walk on the scale that follows style, phrase, motif, tension and cadence."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from rewards.render.harmony import MODES, chord_at
from rewards.render.labels import (
    CADENCE,
    CHROMATIC,
    MELODY_ONSETS,
    MOTIF_REPEAT,
    ROOT_SEMITONES,
    SYNCOPATION,
)
from rewards.render.score import Chord, Note
from rewards.render.streams import composition_stream
from rewards.render.timing import SLOTS, Grid, tension_at

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from common.music_schema import MusicConfig


class _Style(NamedTuple):
    timbre: str
    density: float
    hold: float
    """Note length in slots for a note that nothing cuts short."""
    contour: tuple[float, ...]
    """Where the line wants to be over a phrase: -1 bottom to 1 top of the register."""
    leap: float
    level: float = 1.0


_STYLES = {
    "procedural": _Style("lead", 1.0, 3.0, (0.0, 0.5, -0.4, 0.1), 0.0),
    "contemplative": _Style("flute", 0.6, 10.0, (0.0, 0.2, 0.0), -0.3),
    "rising": _Style("glass", 1.0, 4.0, (-1.0, 1.0), 0.0),
    "falling": _Style("keys", 1.0, 4.0, (1.0, -1.0), 0.0),
    "minimal": _Style("sine_pluck", 0.5, 3.0, (0.0, 0.0), -0.6),
    "ornamental": _Style("reed", 1.0, 3.0, (0.1, 0.6, 0.0), -0.1),
    "arp_melody": _Style("pluck", 1.7, 2.0, (0.0, 0.0), 0.3),
    "contemplative_minor": _Style("cello", 0.6, 12.0, (0.4, -0.5, -0.2), -0.3, 1.1),
    "call_response": _Style("epiano", 1.0, 3.0, (0.6, -0.6), 0.0),
    "heroic": _Style("brass", 0.9, 5.0, (-0.5, 0.9, 0.4), 0.6, 1.1),
}
_MINOR_PENTATONIC = (0, 3, 5, 7, 10)
_TRIADIC = (0, 2, 4, 7, 4, 2, 9, 7)


def _pitches(config: MusicConfig) -> list[int]:
    """The scale tones of the register, ascending; the register's octaves are whole ones, C to B."""
    low = 12 * (config.register_min_oct + 1)
    high = 12 * (config.register_max_oct + 1) + 11
    scale: tuple[int, ...] = MODES[config.mode]
    if config.melody == "contemplative_minor":
        scale = _MINOR_PENTATONIC
    root = ROOT_SEMITONES[config.root]
    if config.melody == "minimal":
        scale = (0, scale[1], scale[4])
    classes = {(root + step) % 12 for step in scale}
    return [pitch for pitch in range(low, high + 1) if pitch % 12 in classes]


def _contour(points: tuple[float, ...], share: float) -> float:
    position = share * (len(points) - 1)
    left = min(int(position), len(points) - 2)
    return points[left] + (points[left + 1] - points[left]) * (position - left)


def _weight(slot: int, syncopation: float) -> float:
    """Metric weight of a slot: syncopation takes from the beats and gives to what lies between."""
    if slot % 4 == 0:
        return 1.0 - 0.8 * syncopation
    if slot % 2 == 0:
        return 0.5 + 0.7 * syncopation
    return 0.16 + 0.45 * syncopation


def _slots(config: MusicConfig, draws: npt.NDArray[np.float64], tension: float) -> list[int]:
    """The sixteenth slots of one bar at which notes begin."""
    style = _STYLES[config.melody]
    chance = MELODY_ONSETS[config.melody_density] * style.density * (0.75 + 0.5 * tension)
    syncopation = SYNCOPATION[config.syncopation]
    if config.melody_engine == "pattern":
        # A Euclidean rhythm: as many notes as the density asks, as even as sixteenths allow.
        count = max(1, min(SLOTS, round(1.0 + 7.0 * chance)))
        shift = round(3 * syncopation)
        return sorted({(math.floor(index * SLOTS / count) + shift) % SLOTS for index in range(count)})
    if config.melody == "arp_melody":
        return [s for s in range(0, SLOTS, 2 if chance < 1.2 else 1) if draws[s] < 0.25 + 0.6 * chance]
    if config.melody == "heroic":
        # Dotted rhythms: the beat and the sixteenth before the next one.
        return [
            s
            for s in range(SLOTS)
            if draws[s] < chance * (1.2 if s % 4 == 3 else 0.1 + _weight(s, syncopation) * (s % 4 == 0))
        ]
    return [slot for slot in range(SLOTS) if draws[slot] < chance * _weight(slot, syncopation)]


class _Bar(NamedTuple):
    slots: list[int]
    steps: list[int]


def _steps(config: MusicConfig, slots: list[int], draws: npt.NDArray[np.float64]) -> list[int]:
    """Signed scale steps from note to note, before the pull of the contour."""
    leap = {"step": 0.0, "balanced": 0.4, "leapy": 0.95}[config.step_bias]
    leap = min(1.0, max(0.0, leap + 0.5 * _STYLES[config.melody].leap))
    steps: list[int] = []
    for slot in slots:
        size = 2 + int(draws[slot, 1] * 4.0) if draws[slot, 0] < leap else 1
        steps.append(size if draws[slot, 2] < 0.5 else -size)
    return steps


def _walk(config: MusicConfig, position: float, target: float, step: int, *, slot: int, count: int) -> float:
    """The next place on the register's ladder of `count` pitches, drawn to where the line wants to be."""
    center = (count - 1) / 2.0
    span = max(1.0, center)
    if config.melody == "arp_melody" or config.melody_engine == "pattern":
        reach = {"step": 1, "balanced": 2, "leapy": 3}[config.step_bias]
        tone = _TRIADIC[(slot // 2) % 8] * reach / 2.0
        position = 0.75 * target + 0.25 * position + tone - 2.0 * reach
    else:
        pull = target - position
        position += math.copysign(abs(step), pull) if abs(pull) > 0.45 * span else step
    if position > count - 1 or position < 0:
        # Reflected into the register, so that the line does not stick to its edge.
        position = min(max(position, 0.0), count - 1.0)
        position -= math.copysign(abs(step), position - center)
    return position


def compose_melody(  # one straight pass over bars and notes
    config: MusicConfig, chords: tuple[Chord, ...], grid: Grid, seed: int
) -> list[Note]:
    """The melody notes of a clip, in time order (ornaments just before the note they lead to)."""
    style = _STYLES[config.melody]
    pitches = _pitches(config)
    draws = composition_stream(config, seed, "melody").random((64, SLOTS, 8))
    repeat = MOTIF_REPEAT[config.motif_repeat_prob] + (0.3 if config.melody_engine == "pattern" else 0.0)
    cadence = CADENCE[config.cadence_strength]
    phrase = config.phrase_len_bars
    center = position = (len(pitches) - 1) / 2.0
    span = max(1.0, center)
    bend = 0.5
    motif: _Bar | None = None
    raw: list[tuple[float, float, float, float]] = []
    for bar in range(grid.num_bars):
        draw = draws[bar % 64]
        tension = tension_at(config.tension_curve, min(1.0, bar * grid.bar_s / grid.seconds))
        if motif is None or (bar % phrase != 0 and draw[0, 3] >= repeat) or (bar % phrase == 0 and bar > 0):
            slots = _slots(config, draw[:, 4], tension)
            if not slots and bar % phrase == 0:
                slots = [0]
            motif = _Bar(slots, _steps(config, slots, draw))
        last_bar = (bar + 1) % phrase == 0
        for slot, step in zip(motif.slots, motif.steps, strict=True):
            if last_bar and slot > 8 and cadence > 0.3:
                continue  # the phrase breathes before the next one
            onset_s = grid.slot_s(bar, slot)
            if onset_s >= grid.seconds - 0.03:
                break
            share = ((bar % phrase) + slot / SLOTS) / phrase
            now = tension_at(config.tension_curve, onset_s / grid.seconds)
            target = center + span * (0.55 * _contour(style.contour, share) + 0.5 * (now - 0.5))
            position = _walk(config, position, target, step, slot=slot, count=len(pitches))
            index = min(max(round(position), 0), len(pitches) - 1)
            pitch = float(pitches[index])
            chord = chord_at(chords, onset_s)
            strong = slot % 8 == 0 or slot == motif.slots[-1]
            if strong and draw[slot, 5] < cadence:
                pitch = float(_nearest(pitch, chord.voices, pitches))
            # Counted, not drawn: the label's share of notes is bent in every clip, however short.
            bend += CHROMATIC[config.chromatic_prob]
            if bend >= 1.0:
                bend -= 1.0
                pitch += 1.0 if draw[slot, 7] < 0.6 else -1.0
            raw.append((onset_s, pitch, now, share))
        if last_bar and cadence > 0.3 and (onset_s := grid.slot_s(bar, 8)) < grid.seconds - 0.03:
            tonic = ROOT_SEMITONES[config.root] + (0 if cadence > 0.8 else 7)
            home = _nearest(float(pitches[round(center)]), (tonic,), pitches)
            raw = [item for item in raw if item[0] < onset_s - 0.01]
            raw.append((onset_s, float(home), 1.0, 1.0))
    return _perform(config, grid, style, raw)


def _nearest(pitch: float, voices: tuple[int, ...], pitches: list[int]) -> int:
    classes = {voice % 12 for voice in voices}
    inside = [p for p in range(pitches[0], pitches[-1] + 1) if p % 12 in classes]
    return min(inside or pitches, key=lambda p: abs(p - pitch))


def _perform(
    config: MusicConfig, grid: Grid, style: _Style, raw: list[tuple[float, float, float, float]]
) -> list[Note]:
    """Gives each note its length, level and place, and the style its ornaments."""
    notes: list[Note] = []
    slot_s = grid.beat_s / 4.0
    for index, (onset_s, pitch, tension, share) in enumerate(raw):
        until_s = raw[index + 1][0] - onset_s if index + 1 < len(raw) else grid.seconds - onset_s
        gate_s = min(style.hold * slot_s * (2.0 if share == 1.0 else 1.0), max(until_s, 0.06) * 0.95)
        level = style.level * (0.4 + 0.6 * tension)
        pan = 0.15
        tone = pitch
        if config.melody == "call_response" and int(onset_s / grid.bar_s) % 2 == 1:
            tone, level, pan = pitch - 5.0, level * 0.6, -0.7
        elif config.melody == "call_response":
            pan = 0.7
        if config.melody == "ornamental":
            grace_s = min(0.09, 0.5 * slot_s)
            for lead, offset in ((2.0, 2.0), (1.0, -1.0)):
                start_s = onset_s - lead * grace_s
                if start_s > 0.0:
                    notes.append(
                        Note("melody", start_s, grace_s, tone + offset, 0.8 * level, pan, style.timbre)
                    )
        notes.append(Note("melody", onset_s, gate_s, tone, level, pan, style.timbre))
        if config.melody == "heroic":
            notes.append(Note("melody", onset_s, gate_s, tone - 12.0, 0.5 * level, -pan, style.timbre))
        if config.density >= 6:
            notes.append(Note("melody", onset_s, gate_s, tone + 12.0, 0.4 * level, -0.6, style.timbre))
    return notes
