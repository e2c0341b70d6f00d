"""The symbolic stage: one config becomes one score."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rewards.render.accent import compose_accent
from rewards.render.bass import compose_bass
from rewards.render.harmony import compose_chords
from rewards.render.labels import JITTER_CENTS, JITTER_LEVEL, JITTER_S, active_layers
from rewards.render.melody import compose_melody
from rewards.render.motion import motion_curve
from rewards.render.pad import compose_pad
from rewards.render.rhythm import compose_rhythm
from rewards.render.score import Hit, NoiseBand, Note, Score
from rewards.render.streams import composition_stream, noise_key
from rewards.render.texture import compose_texture, curve_times
from rewards.render.timing import grid_of, tension_curve

if TYPE_CHECKING:
    from collections.abc import Collection

    from common.music_schema import MusicConfig

_STEADY = frozenset({"pad"})
"""Layers whose onsets human hands do not loosen: a swelling chord hides its onset."""


def _humanize_notes(config: MusicConfig, notes: list[Note], seed: int) -> list[Note]:
    rows = min(1024, len(notes))
    draws = np.clip(composition_stream(config, seed, "hands").standard_normal((rows, 3)), -2.5, 2.5)
    late = (JITTER_S[config.human] * draws[:, 0]).tolist()
    loud = np.maximum(0.15, 1.0 + JITTER_LEVEL[config.human] * draws[:, 1]).tolist()
    bent = (0.01 * JITTER_CENTS[config.human] * draws[:, 2]).tolist()
    loose: list[Note] = []
    for index, (layer, onset_s, gate_s, pitch, level, pan, timbre) in enumerate(notes):
        row = index % 1024
        when_s = onset_s if layer in _STEADY or onset_s == 0.0 else max(0.0, onset_s + late[row])
        loose.append(Note(layer, when_s, gate_s, pitch + bent[row], level * loud[row], pan, timbre))
    return loose


def _humanize_hits(config: MusicConfig, hits: list[Hit], seed: int) -> list[Hit]:
    rows = min(2048, len(hits))
    draws = np.clip(composition_stream(config, seed, "sticks").standard_normal((rows, 2)), -2.5, 2.5)
    late = (JITTER_S[config.human] * draws[:, 0]).tolist()
    loud = np.maximum(0.15, 1.0 + JITTER_LEVEL[config.human] * draws[:, 1]).tolist()
    return [
        Hit(layer, max(0.0, onset_s + late[index % 2048]), sound, level * loud[index % 2048], pan)
        for index, (layer, onset_s, sound, level, pan) in enumerate(hits)
    ]


def compose(
    config: MusicConfig, *, seconds: float = 10.0, seed: int = 0, layers: Collection[str] | None = None
) -> Score:
    """Decides everything the config decides: chords, notes, hits, noises and curves.

    Args:
        config: a valid config.
        seconds: length of the clip.
        seed: varies the composition and the noise.
        layers: the layers to keep, or all that are active.

    Returns:
        The score, the same for the same arguments.
    """
    wanted = [name for name in active_layers(config) if layers is None or name in layers]
    grid = grid_of(config, seconds)
    chords = compose_chords(config, grid)
    notes: list[Note] = []
    hits: list[Hit] = []
    noises: list[NoiseBand] = []
    if "bass" in wanted:
        notes += compose_bass(config, chords, grid)
    if "pad" in wanted:
        notes += compose_pad(config, chords, grid)
    if "melody" in wanted:
        notes += compose_melody(config, chords, grid, seed)
    if "rhythm" in wanted:
        hits += compose_rhythm(config, grid)
    if "texture" in wanted:
        texture = compose_texture(config, chords, grid, seed)
        notes += texture.notes
        hits += texture.hits
        noises += texture.noises
    if "accent" in wanted:
        rung, wind = compose_accent(config, chords, grid, seed)
        notes += rung
        noises += wind
    notes = _humanize_notes(config, notes, seed)
    return Score(
        config=config,
        seconds=seconds,
        beat_s=grid.beat_s,
        chords=chords,
        notes=tuple(note for note in notes if note.onset_s < seconds - 0.005),
        hits=tuple(hit for hit in _humanize_hits(config, hits, seed) if hit.onset_s < seconds - 0.005),
        noises=tuple(noises),
        noise_key=noise_key(config, seed),
        tension=tension_curve(config.tension_curve, curve_times(seconds) / seconds),
        motion=motion_curve(config, seconds, seed),
    )
