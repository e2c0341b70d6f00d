"""Base configs in which a field of the music config is active: what else must hold for it to be heard."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import NamedTuple

from common.music_schema import CONFIG_LABELS, Label, MusicConfig
from common.random_configs import random_config

Needs = Mapping[str, tuple[Label, ...]]
"""Labels to which other fields are held."""


class Enabled(NamedTuple):
    """What a field needs of other fields, and why."""

    needs: Needs
    """Labels of other fields that let this one act."""
    why: str


_PLAYED = (3, 4, 5, 6)
_QUICK = ("medium", "fast", "very_fast")
_FLOWING = ("medium", "busy", "very_busy")
_MELODY = Enabled({"density": _PLAYED}, "the melody plays from density 3 on")

ENABLED_BY: Mapping[str, Enabled] = {
    "melody": _MELODY,
    "melody_engine": _MELODY,
    "melody_density": Enabled(
        {"density": _PLAYED, "tempo": _QUICK}, "sparse melodies need more than one bar to differ in"
    ),
    "cadence_strength": Enabled(
        {"density": _PLAYED, "tempo": _QUICK, "phrase_len_bars": (2,)}, "a phrase has to end within the clip"
    ),
    "phrase_len_bars": Enabled({"density": _PLAYED, "tempo": _QUICK}, "phrases have to end within the clip"),
    "motif_repeat_prob": Enabled(
        {"density": _PLAYED, "tempo": _QUICK, "melody_density": _FLOWING, "melody_engine": ("procedural",)},
        "a motif needs bars to return in; a pattern repeats itself anyway",
    ),
    "syncopation": Enabled(
        {"density": _PLAYED, "melody_density": ("sparse", "medium", "busy")},
        "a full bar has no free slot to move a note to",
    ),
    "swing": Enabled(
        {"density": _PLAYED, "melody_density": _FLOWING, "bass": ("pulsing", "octave", "arp_bass")},
        "it delays off-beats, of melody, bass, rhythm, texture and accent; these basses always have some",
    ),
    "step_bias": Enabled({"density": _PLAYED, "melody_density": _FLOWING}, "it needs steps to take"),
    "chromatic_prob": Enabled(
        {"density": _PLAYED, "tempo": _QUICK, "melody_density": _FLOWING}, "it bends one note in so many"
    ),
    "register_min_oct": Enabled({"density": _PLAYED, "register_max_oct": (8,)}, "its labels reach up to 8"),
    "register_max_oct": Enabled({"density": _PLAYED, "register_min_oct": (1,)}, "its labels reach down to 1"),
    "rhythm": Enabled({"density": (4, 5, 6)}, "the rhythm plays from density 4 on"),
    "texture": Enabled({"density": (5, 6)}, "the texture plays from density 5 on"),
    "accent": Enabled({"density": (6,)}, "the accent plays at density 6"),
    "chord_change_bars": Enabled({"tempo": ("fast", "very_fast")}, "two chords have to fit into the clip"),
}
"""The fields that act only where others let them; all others are always heard."""


def base_with(needs: Needs, key: str) -> MusicConfig:
    """A random config that keeps to some labels: the same for the same arguments.

    Args:
        needs: the labels to draw from, for the fields that are not free.
        key: seeds the draw.
    """
    rng = random.Random(key)
    drawn = random_config(rng).model_dump()
    for name, choices in needs.items():
        if drawn[name] not in choices:
            drawn[name] = rng.choice(choices)
    return MusicConfig.model_validate(drawn)


def active_base(name: str, index: int) -> MusicConfig:
    """Random config number `index` >= 0 of those in which a field is active."""
    return base_with(ENABLED_BY.get(name, Enabled({}, "")).needs, f"{name} {index}")


def siblings(name: str, base: MusicConfig) -> tuple[MusicConfig, ...]:
    """One config per label of a field, in the contract's order, equal to the base in everything else."""
    return tuple(
        MusicConfig.model_validate(base.model_dump() | {name: label}) for label in CONFIG_LABELS[name]
    )
