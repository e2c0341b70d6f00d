"""The melody part: a line on the scale that follows style, phrase, motif, tension and cadence."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from rewards.render.harmony import MODES, chord_finder
from rewards.render.labels import (
    CADENCE,
    CHROMATIC,
    MELODY_ONSETS,
    MOTIF_REPEAT,
    PHRASE_END_SLOT,
    ROOT_SEMITONES,
    STEP_LEAPS,
    SYNCOPATION,
)
from rewards.render.onsets import bar_slots, metric_weight
from rewards.render.score import Chord, Note
from rewards.render.streams import composition_stream
from rewards.render.tally import Tally
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
    """Where the line wants to be over a phrase: -1 bottom to 1 top of its range."""
    leap: float
    level: float = 1.0


_STYLES = {
    "procedural": _Style("lead", 1.0, 3.0, (0.0, 0.7, -0.4, 0.1), 0.0),
    "contemplative": _Style("flute", 0.6, 10.0, (-0.2, 0.5, -0.1), -0.3),
    "rising": _Style("glass", 1.0, 4.0, (-1.2, 1.2), 0.0),
    "falling": _Style("keys", 1.0, 4.0, (1.2, -1.2), 0.0),
    "minimal": _Style("sine_pluck", 0.5, 3.0, (0.2, -0.3), -0.6),
    "ornamental": _Style("reed", 1.0, 3.0, (-0.2, 0.8, 0.0), -0.1),
    "arp_melody": _Style("pluck", 1.7, 2.0, (-0.3, 0.5, -0.1), 0.3),
    "contemplative_minor": _Style("cello", 0.6, 12.0, (0.5, -0.7, -0.2), -0.3, 1.1),
    "call_response": _Style("epiano", 1.0, 3.0, (0.6, -0.6), 0.0),
    "heroic": _Style("brass", 0.9, 5.0, (-0.7, 1.0, 0.4), 0.6, 1.1),
}
_PENTATONIC = {True: (0, 3, 5, 7, 10), False: (0, 2, 4, 7, 9)}
"""Tones of the minor pentatonic: on the tonic of the minor modes, on the sixth of the major ones."""
_TRIADIC = (0, 2, 4, 7, 4, 2, 9, 7)
_SPAN_STEPS = 8.0
"""Scale steps that a phrase moves up or down at most, in however wide a register."""


class _Played(NamedTuple):
    """A melody note before it is performed."""

    onset_s: float
    pitch: float
    tension: float
    share: float
    """Place in the phrase, 0 to 1; 1 closes it."""
    slot: int


def _pitches(config: MusicConfig) -> list[int]:
    """The scale tones of the register, ascending; the register's octaves are whole ones, C to B."""
    low = 12 * (config.register_min_oct + 1)
    high = 12 * (config.register_max_oct + 1) + 11
    scale: tuple[int, ...] = MODES[config.mode]
    if config.melody == "contemplative_minor":
        scale = _PENTATONIC[config.mode in ("minor", "dorian")]
    root = ROOT_SEMITONES[config.root]
    if config.melody == "minimal":
        scale = (0, scale[1], scale[4])
    classes = {(root + step) % 12 for step in scale}
    return [pitch for pitch in range(low, high + 1) if pitch % 12 in classes]


def _contour(points: tuple[float, ...], share: float) -> float:
    position = share * (len(points) - 1)
    left = min(int(position), len(points) - 2)
    return points[left] + (points[left + 1] - points[left]) * (position - left)


def _nearest(pitch: float, classes: set[int], low: int, high: int) -> int:
    """The pitch of one of the classes that is nearest, from `low` to `high`."""
    inside = [p for p in range(low, high + 1) if p % 12 in classes]
    return min(inside, key=lambda p: abs(p - pitch))


class _Line:
    """The line's place on the register's ladder of scale tones, and what it owes to the labels' shares."""

    def __init__(self, config: MusicConfig, count: int) -> None:
        self.style = _STYLES[config.melody]
        self._top = count - 1.0
        self._center = self._top / 2.0
        self._span = min(max(1.0, self._center), _SPAN_STEPS)
        self._leap = min(1.0, max(0.0, STEP_LEAPS[config.step_bias] + 0.5 * self.style.leap))
        self._reach = {"step": 1.0, "balanced": 2.0, "leapy": 3.0}[config.step_bias]
        self._leaps = Tally()
        self.position = self.target(0.0, 0.0)

    def target(self, share: float, tension: float) -> float:
        """Where the line wants to be at a place in the phrase: tense music lies higher."""
        return self._center + self._span * (0.6 * _contour(self.style.contour, share) + 0.5 * (tension - 0.5))

    def _move_to(self, position: float) -> int:
        if not 0.0 <= position <= self._top:
            # Reflected into the register, so that the line does not stick to its edge.
            edge = self._top if position > 0.0 else 0.0
            position = min(max(2.0 * edge - position, 0.0), self._top)
        self.position = position
        return round(position)

    def arpeggio(self, slot: int, target: float, turn: int) -> int:
        """The next place of a line that circles around its target."""
        tone = _TRIADIC[(slot // 2 + turn) % 8]
        return self._move_to(target + (tone - 4.0) * self._reach / 2.0)

    def new_step(self, target: float, draw: float, size: float) -> int:
        """A signed step that more likely leads towards the target than away from it."""
        far = 2 + int(size * 4.0) if self._leaps.due(self._leap) else 1
        pull = min(1.0, max(-1.0, (target - self.position) / 3.0))
        return far if draw < 0.5 + 0.45 * pull else -far

    def entry(self, target: float) -> int:
        """The step at which a motif comes back: as far towards the target as a listener will follow."""
        return round(min(3.0, max(-3.0, target - self.position)))

    def take(self, step: int) -> int:
        """Takes a step and says where on the ladder it led."""
        return self._move_to(self.position + step)


class _Motif(NamedTuple):
    slots: list[int]
    steps: list[int]
    turn: int


class _Memory:
    """Brings motifs back: the last bar's within a phrase, the theme of the last phrase where one opens."""

    def __init__(self, config: MusicConfig) -> None:
        self._config = config
        self._repeats = Tally()
        self._last = self._theme = _Motif([], [], 0)

    def next_bar(self, bar: int, count: int, draw: npt.NDArray[np.float64]) -> tuple[_Motif, bool]:
        """The motif of a bar, and whether it was heard before; a new one has `count` notes and no steps."""
        if count == 0:
            return _Motif([], [], 0), False  # a rest, which a motif that comes back would fill
        opening = bar % self._config.phrase_len_bars == 0
        known = self._theme if opening else self._last
        recalled = bar > 0 and self._repeats.due(MOTIF_REPEAT[self._config.motif_repeat_prob]) > 0
        slots = [] if recalled else bar_slots(self._config, count, draw[:, 4], draw[0, 3])
        self._last = known if recalled else _Motif(slots, [], int(draw[1, 3] * 8.0))
        self._theme = self._last if opening else self._theme
        return self._last, recalled


def compose_melody(  # one straight pass over bars and notes
    config: MusicConfig, chords: tuple[Chord, ...], grid: Grid, seed: int
) -> list[Note]:
    """The melody notes of a clip, in time order (ornaments just before the note they lead to)."""
    pitches = _pitches(config)
    line = _Line(config, len(pitches))
    sounding = chord_finder(chords)
    draws = composition_stream(config, seed, "melody").random((64, SLOTS, 8))
    circling = config.melody == "arp_melody" or config.melody_engine == "pattern"
    cadence = CADENCE[config.cadence_strength]
    end_slot = PHRASE_END_SLOT[config.cadence_strength]
    phrase = config.phrase_len_bars
    rate = MELODY_ONSETS[config.melody_density] * line.style.density
    # The first bar has a note, however sparse the melody.
    onsets, bends = Tally(max(0.5, 1.0 - 0.75 * rate)), Tally()
    memory = _Memory(config)
    played: list[_Played] = []
    for bar in range(grid.num_bars):
        draw = draws[bar % 64]
        tension = tension_at(config.tension_curve, min(1.0, bar * grid.bar_s / grid.seconds))
        count = onsets.due(rate * (0.75 + 0.5 * tension))
        motif, recalled = memory.next_bar(bar, count, draw)
        last_bar = (bar + 1) % phrase == 0
        for place, slot in enumerate(motif.slots):
            onset_s = grid.slot_s(bar, slot)
            if (last_bar and slot >= end_slot) or onset_s >= grid.seconds - 0.03:
                # A phrase breathes before the next one. A motif that is new here keeps what was not played.
                motif.steps.extend([1] * (len(motif.slots) - len(motif.steps)))
                break
            share = ((bar % phrase) + slot / SLOTS) / phrase
            now = tension_at(config.tension_curve, onset_s / grid.seconds)
            target = line.target(share, now)
            if not recalled:
                motif.steps.append(line.new_step(target, draw[slot, 2], draw[slot, 1]))
            if circling:
                index = line.arpeggio(slot, target, motif.turn)
            else:
                index = line.take(line.entry(target) if recalled and place == 0 else motif.steps[place])
            pitch = float(pitches[index])
            strong = slot % 8 == 0 or slot == motif.slots[-1]
            if slot == 0 or (strong and draw[slot, 5] < cadence):
                tones = {voice % 12 for voice in sounding(onset_s).voices}
                pitch = float(_nearest(pitch, tones, pitches[0], pitches[-1]))
            if bends.due(CHROMATIC[config.chromatic_prob]):
                pitch += 1.0 if draw[slot, 7] < 0.6 else -1.0
            played.append(_Played(onset_s, pitch, now, share, slot))
        closing_s = grid.slot_s(bar, end_slot)
        if last_bar and cadence > 0.3 and closing_s < grid.seconds - 0.03:
            tonic = ROOT_SEMITONES[config.root] + (0 if cadence > 0.8 else 7)
            home = _nearest(pitches[round(line.position)], {tonic % 12}, pitches[0], pitches[-1])
            played.append(_Played(closing_s, float(home), 1.0, 1.0, 0))
    return _perform(config, grid, played, pitches)


def _perform(config: MusicConfig, grid: Grid, played: list[_Played], pitches: list[int]) -> list[Note]:
    """Gives each note its length, level and place, and the style its ornaments."""
    style = _STYLES[config.melody]
    syncopation = SYNCOPATION[config.syncopation]
    notes: list[Note] = []
    slot_s = grid.beat_s / 4.0
    for index, (onset_s, pitch, tension, share, slot) in enumerate(played):
        until_s = (played[index + 1].onset_s if index + 1 < len(played) else grid.seconds) - onset_s
        gate_s = min(style.hold * slot_s * (2.0 if share == 1.0 else 1.0), max(until_s, 0.06) * 0.95)
        # The phrase swells to its middle; the metre leans on the beats, syncopation on what lies between.
        swell = 0.65 + 0.35 * math.sin(math.pi * share)
        accent = 0.7 + 0.3 * min(1.0, metric_weight(slot, syncopation))
        level = style.level * (0.4 + 0.6 * tension) * swell * accent
        pan = 0.15
        tone = pitch
        if config.melody == "call_response":
            pan = 0.7
            if int(onset_s / grid.bar_s) % 2 == 1:
                tone, level, pan = float(min(pitches, key=lambda p: abs(p - pitch + 5.0))), level * 0.6, -0.7
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
