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
from rewards.render.texture import CURVE_POINTS, compose_texture
from rewards.render.timing import grid_of, tension_at

if TYPE_CHECKING:
    from collections.abc import Collection

    from common.music_schema import MusicConfig

_STEADY = frozenset({"pad"})
"""Layers whose onsets human hands do not loosen: a swelling chord hides its onset."""


def _humanize_notes(config: MusicConfig, notes: list[Note], seed: int) -> list[Note]:
    draws = np.clip(composition_stream(config, seed, "hands").standard_normal((1024, 3)), -2.5, 2.5)
    timing, level, cents = JITTER_S[config.human], JITTER_LEVEL[config.human], JITTER_CENTS[config.human]
    loose: list[Note] = []
    for index, note in enumerate(notes):
        draw = draws[index % 1024]
        late_s = 0.0 if note.layer in _STEADY or note.onset_s == 0.0 else timing * float(draw[0])
        loose.append(
            note._replace(
                onset_s=max(0.0, note.onset_s + late_s),
                level=note.level * max(0.15, 1.0 + level * float(draw[1])),
                pitch=note.pitch + 0.01 * cents * float(draw[2]),
            )
        )
    return loose


def _humanize_hits(config: MusicConfig, hits: list[Hit], seed: int) -> list[Hit]:
    draws = np.clip(composition_stream(config, seed, "sticks").standard_normal((2048, 2)), -2.5, 2.5)
    timing, level = JITTER_S[config.human], JITTER_LEVEL[config.human]
    return [
        hit._replace(
            onset_s=max(0.0, hit.onset_s + timing * float(draws[index % 2048, 0])),
            level=hit.level * max(0.15, 1.0 + level * float(draws[index % 2048, 1])),
        )
        for index, hit in enumerate(hits)
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
    shares = np.linspace(0.0, 1.0, CURVE_POINTS)
    return Score(
        config=config,
        seconds=seconds,
        beat_s=grid.beat_s,
        chords=chords,
        notes=tuple(note for note in notes if note.onset_s < seconds - 0.005),
        hits=tuple(hit for hit in _humanize_hits(config, hits, seed) if hit.onset_s < seconds - 0.005),
        noises=tuple(noises),
        noise_key=noise_key(config, seed),
        tension=np.array([tension_at(config.tension_curve, float(share)) for share in shares]),
        motion=motion_curve(config, seconds, seed),
    )
