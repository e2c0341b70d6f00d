"""From scores to flat arrays: every chord of every clip of a batch as one row of numbers.

Notes of one instrument that begin and end together at one place are a chord: one sound of many partials, made
and placed at once. A note that nothing goes with is a chord of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from rewards.render.bands import HIGH, LIMIT, LOW, SPLIT, TILE, Band
from rewards.render.labels import (
    ATTACK_FACTOR,
    ATTACK_SPIKE,
    BRIGHTNESS_SLOPE,
    CUTOFF_HZ,
    STEREO_WIDTH,
)
from rewards.render.tilt import tilt_gain
from rewards.render.timbres import TIMBRES

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from rewards.render.score import Score

    Floats = npt.NDArray[np.float64]
    Ints = npt.NDArray[np.int64]

LAYER_LEVEL = {"bass": 0.55, "pad": 0.33, "melody": 0.62, "texture": 0.7, "accent": 0.85}
ECHOED = frozenset({"pad", "melody", "texture", "accent"})
"""Layers that feed the echo: a bass in it would be mud."""
_FAINT = 1e-3
"""Partials this much (-60 dB) below their clip's loudest are left out."""
_SILENT_NEPERS = 5.5
"""A struck note ends when its slowest partial has fallen this far (-48 dB)."""
_MOST_NOTES = 8
"""Notes of a chord at most: 128 partials."""

_INDEX = {name: index for index, name in enumerate(TIMBRES)}
_MOST = max(len(timbre.ratios) for timbre in TIMBRES.values())


def _padded(values: Sequence[Floats], fill: float) -> Floats:
    table = np.full((len(values), _MOST), fill)
    for row, own in zip(table, values, strict=True):
        row[: len(own)] = own
    return table


_RATIOS = _padded([timbre.ratios for timbre in TIMBRES.values()], 1e9)  # far above any limit
_AMPS = _padded([timbre.amps for timbre in TIMBRES.values()], 0.0)
_DECAYS = _padded([timbre.decays for timbre in TIMBRES.values()], 0.0)
_LOG_RATIOS = np.log(np.clip(_RATIOS, 1.0, 64.0))
_SPEECH = np.array([(timbre.attack_s, timbre.release_s, timbre.motion) for timbre in TIMBRES.values()])


class Envelopes(NamedTuple):
    """How E chords swell and fade; all [E]."""

    onset_s: Floats
    gate_s: Floats
    """Time from onset until the release starts."""
    attack_s: Floats
    release_s: Floats
    spike: Floats
    """How much louder the first 40 ms are."""
    motion: Floats
    """Share of the clip's movement that reaches the chord."""


@dataclass(frozen=True)
class Voices:
    """E chords in one band, those with few partials first."""

    band: Band
    clip: Ints
    bus: Ints
    """[E] 0 dry, 1 echoed."""
    envelopes: Envelopes
    gains: Floats
    """[E, 2] left and right."""
    hertz: Floats
    """[E, P] partials, P those of the chord that has most; what is beyond a chord's own has amplitude 0."""
    amps: Floats
    decays: Floats
    log_ratios: Floats
    first_tile: Ints
    """[E] the tile in which the chord begins, and the one after its last."""
    end_tile: Ints


def pan_gains(pan: Floats, width: Floats) -> Floats:
    """[E, 2] left and right gains of E pan positions: equal power, and exactly equal at the centre."""
    place = np.clip(pan * width, -1.0, 1.0)
    return np.stack([(0.5 * (1.0 - place)) ** 0.5, (0.5 * (1.0 + place)) ** 0.5], axis=1)


class _Chords(NamedTuple):
    """All chords of a batch; [E] each unless said otherwise."""

    clip: Ints
    bus: Ints
    envelopes: Envelopes
    gains: Floats
    end_s: Floats
    """When the chord's clip ends."""


class _Partials(NamedTuple):
    """All partials of a batch, [X] each."""

    chord: Ints
    hertz: Floats
    amps: Floats
    decays: Floats
    log_ratios: Floats

    def only(self, members: npt.NDArray[np.bool_]) -> _Partials:
        """Those of which `members` ([X]) is true."""
        return _Partials(self.chord[members], *(values[members] for values in self[1:]))


def _gather(scores: Sequence[Score]) -> tuple[list[int], list[int]]:
    """The number of the first note of each chord, and the chord of each note."""
    found: dict[tuple[object, ...], int] = {}
    first: list[int] = []
    sizes: list[int] = []
    chords: list[int] = []
    for clip, score in enumerate(scores):
        for layer, onset_s, gate_s, _, _, pan, timbre in score.notes:
            key = (clip, layer, onset_s, gate_s, pan, timbre)
            chord = found.get(key, -1)
            if chord < 0 or sizes[chord] == _MOST_NOTES:
                chord = found[key] = len(first)
                first.append(len(chords))
                sizes.append(0)
            sizes[chord] += 1
            chords.append(chord)
    return first, chords


def flatten_notes(scores: Sequence[Score], sample_rate: int) -> list[Voices]:
    """Every note of the scores as part of a row of numbers.

    Args:
        scores: one per clip.
        sample_rate: full rate in Hz.

    Returns:
        One entry per band in which anything sounds; a chord is in both if it has low and high partials.
    """
    notes = [note for score in scores for note in score.notes]
    if not notes:
        return []
    configs = [score.config for score in scores]
    clip = np.repeat(np.arange(len(scores)), [len(score.notes) for score in scores])

    def of_clip(values: list[float]) -> Floats:
        return np.array(values)[clip]

    onset_s, gate_s, pitch, level, pan = np.array([note[1:6] for note in notes], dtype=np.float64).T
    kind = np.array([_INDEX[note.timbre] for note in notes])
    f0 = 440.0 * 2.0 ** ((pitch - 69.0) / 12.0)
    hertz = _RATIOS[kind] * f0[:, None]
    corner = of_clip([CUTOFF_HZ[config.brightness] for config in configs])
    slope = of_clip([BRIGHTNESS_SLOPE[config.brightness] for config in configs])
    gain = tilt_gain(corner[:, None], slope[:, None], hertz) / tilt_gain(corner, slope, f0)[:, None] ** 0.6
    loud = level * np.array([LAYER_LEVEL[note.layer] for note in notes])
    amps = _AMPS[kind] * gain * loud[:, None]

    first, chord_of = _gather(scores)
    speech = _SPEECH[kind]
    attack_s = speech[:, 0] * of_clip([ATTACK_FACTOR[config.attack] for config in configs])
    envelopes = Envelopes(
        onset_s=onset_s,
        gate_s=gate_s,
        attack_s=np.maximum(0.003, np.minimum(attack_s, 0.6 * gate_s)),
        release_s=speech[:, 1],
        spike=of_clip([ATTACK_SPIKE[config.attack] for config in configs]),
        motion=speech[:, 2],
    )
    chords = _Chords(
        clip=clip[first],
        bus=np.array([int(notes[index].layer in ECHOED) for index in first]),
        envelopes=Envelopes(*(values[first] for values in envelopes)),
        gains=pan_gains(pan, of_clip([STEREO_WIDTH[config.stereo] for config in configs]))[first],
        end_s=of_clip([score.seconds for score in scores])[first],
    )
    loudest = np.zeros(len(scores))
    np.maximum.at(loudest, clip, amps.max(axis=1))
    audible = (amps > _FAINT * loudest[clip, None]) & (hertz < LIMIT * sample_rate)
    note, part = audible.nonzero()
    partials = _Partials(
        chord=np.array(chord_of)[note],
        hertz=hertz[note, part],
        amps=amps[note, part],
        decays=_DECAYS[kind[note], part],
        log_ratios=_LOG_RATIOS[kind[note], part],
    )
    low = partials.hertz < SPLIT * sample_rate
    found = (
        _voices(chords, partials.only(low), LOW, sample_rate),
        _voices(chords, partials.only(~low), HIGH, sample_rate),
    )
    return [voices for voices in found if len(voices.clip)]


def _voices(chords: _Chords, partials: _Partials, band: Band, sample_rate: int) -> Voices:
    """The chords that have any of these partials, sorted by how many."""
    counts = np.bincount(partials.chord, minlength=len(chords.clip))
    chosen = np.argsort(counts, kind="stable")
    chosen = chosen[counts[chosen] > 0]
    # The partials of a chord one after the other, in their order: its row of the tables.
    order = np.argsort(partials.chord, kind="stable")
    column = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
    places = np.empty(len(counts), dtype=np.int64)
    places[chosen] = np.arange(len(chosen))
    row = places[partials.chord[order]]
    tables = np.zeros((4, len(chosen), counts.max(initial=0)))
    tables[:, row, column] = np.stack(partials[1:])[:, order]
    hertz, amps, decays, log_ratios = tables
    slowest = np.where(amps > 0.0, decays, np.inf).min(axis=1, initial=np.inf)
    envelopes = Envelopes(*(values[chosen] for values in chords.envelopes))
    with np.errstate(divide="ignore"):
        heard_s = np.minimum(
            envelopes.gate_s + envelopes.release_s, envelopes.attack_s + _SILENT_NEPERS / slowest
        )
    tile_s = TILE / sample_rate
    ahead_s = band.ahead * band.divisor / sample_rate
    end_s = np.minimum(envelopes.onset_s + heard_s, chords.end_s[chosen])
    first = np.maximum(np.floor((envelopes.onset_s - ahead_s) / tile_s), 0.0).astype(np.int64)
    return Voices(
        band=band,
        clip=chords.clip[chosen],
        bus=chords.bus[chosen],
        envelopes=envelopes,
        gains=chords.gains[chosen],
        hertz=hertz,
        amps=amps,
        decays=decays,
        log_ratios=log_ratios,
        first_tile=first,
        end_tile=np.maximum(np.ceil((end_s - ahead_s) / tile_s).astype(np.int64), first + 1),
    )
