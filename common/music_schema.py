"""The music config contract: what the policy must write for one vibe, as pydantic models.

Field order is the payload's order. The label tuples below are the single list of labels that the
models, the leaf rules of the schema reward, the renderer and the corpus generator all read.
"""

from __future__ import annotations

import hashlib
import json
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "CONFIG_LABELS",
    "NUM_COLORS",
    "NUM_PALETTES",
    "TITLE_MAX_WORDS",
    "WEIGHTS",
    "Label",
    "MusicConfig",
    "MusicConfigPayload",
    "Palette",
    "PaletteColor",
    "canonical_json",
    "config_hash",
]

Octave = Annotated[int, Field(strict=True, ge=1, le=8)]
Label = str | int | bool
"""One label of a config field: a word, a count (density, phrase length, octave) or depth's flag."""

NUM_PALETTES = 3
NUM_COLORS = 5
TITLE_MAX_WORDS = 6

_STRICT = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class MusicConfig(BaseModel):
    """The 34 labels that decide how a piece sounds.

    Raises:
        pydantic.ValidationError: an unknown, missing or wrongly typed field, or registers out of order.
    """

    model_config = _STRICT

    tempo: Literal["very_slow", "slow", "medium", "fast", "very_fast"]
    root: Literal["c", "c#", "d", "d#", "e", "f", "f#", "g", "g#", "a", "a#", "b"]
    mode: Literal["major", "minor", "dorian", "mixolydian"]
    brightness: Literal["very_dark", "dark", "medium", "bright", "very_bright"]
    space: Literal["dry", "small", "medium", "large", "vast"]
    density: Literal[2, 3, 4, 5, 6]
    bass: Literal[
        "drone", "sustained", "pulsing", "walking", "fifth_drone", "sub_pulse", "octave", "arp_bass"
    ]
    pad: Literal[
        "warm_slow",
        "dark_sustained",
        "cinematic",
        "thin_high",
        "ambient_drift",
        "stacked_fifths",
        "bright_open",
    ]
    melody: Literal[
        "procedural",
        "contemplative",
        "rising",
        "falling",
        "minimal",
        "ornamental",
        "arp_melody",
        "contemplative_minor",
        "call_response",
        "heroic",
    ]
    rhythm: Literal[
        "none",
        "minimal",
        "heartbeat",
        "soft_four",
        "hats_only",
        "electronic",
        "kit_light",
        "kit_medium",
        "military",
        "tabla_essence",
        "brush",
    ]
    texture: Literal[
        "none",
        "shimmer",
        "shimmer_slow",
        "vinyl_crackle",
        "breath",
        "stars",
        "glitch",
        "noise_wash",
        "crystal",
        "pad_whisper",
    ]
    accent: Literal[
        "none",
        "bells",
        "pluck",
        "chime",
        "bells_dense",
        "blip",
        "blip_random",
        "brass_hit",
        "wind",
        "arp_accent",
        "piano_note",
    ]
    motion: Literal["static", "slow", "medium", "fast", "chaotic"]
    attack: Literal["soft", "medium", "sharp"]
    stereo: Literal["mono", "narrow", "medium", "wide", "ultra_wide"]
    depth: bool
    echo: Literal["none", "subtle", "medium", "heavy", "infinite"]
    human: Literal["robotic", "tight", "natural", "loose", "drunk"]
    grain: Literal["clean", "warm", "gritty"]
    melody_engine: Literal["pattern", "procedural"]
    phrase_len_bars: Literal[2, 4, 8]
    melody_density: Literal["very_sparse", "sparse", "medium", "busy", "very_busy"]
    syncopation: Literal["straight", "light", "medium", "heavy"]
    swing: Literal["none", "light", "medium", "heavy"]
    motif_repeat_prob: Literal["rare", "sometimes", "often"]
    step_bias: Literal["step", "balanced", "leapy"]
    chromatic_prob: Literal["none", "light", "medium", "heavy"]
    cadence_strength: Literal["weak", "medium", "strong"]
    register_min_oct: Octave
    register_max_oct: Octave
    tension_curve: Literal["arc", "ramp", "waves"]
    harmony_style: Literal["auto", "pop", "jazz", "cinematic", "ambient"]
    chord_change_bars: Literal["very_slow", "slow", "medium", "fast"]
    chord_extensions: Literal["triads", "sevenths", "lush"]

    @model_validator(mode="after")
    def _registers_are_ordered(self) -> Self:
        if not self.register_min_oct <= self.register_max_oct:
            raise ValueError(
                f"register_min_oct must be <= register_max_oct, got {self.register_min_oct} > "
                f"{self.register_max_oct}; swap the two octaves"
            )
        return self


def _labels(name: str) -> tuple[Label, ...]:
    annotation = MusicConfig.model_fields[name].annotation
    if annotation is bool:
        return (False, True)
    if annotation is int:
        return tuple(range(1, 9))
    return tuple(get_args(annotation))


CONFIG_LABELS: Mapping[str, tuple[Label, ...]] = MappingProxyType(
    {name: _labels(name) for name in MusicConfig.model_fields}
)
"""Every label of every config field, both in the contract's order."""


class PaletteColor(BaseModel):
    """One colour of a palette: `#rrggbb` and how much of the picture it fills."""

    model_config = _STRICT

    hex: Annotated[str, StringConstraints(pattern=r"^#[0-9A-Fa-f]{6}$")]
    weight: Literal["xs", "sm", "md", "lg", "xl", "xxl"]


WEIGHTS: tuple[str, ...] = get_args(PaletteColor.model_fields["weight"].annotation)
"""Colour weights, lightest first."""


class Palette(BaseModel):
    """Five distinct colours, heaviest first."""

    model_config = _STRICT

    colors: Annotated[
        tuple[PaletteColor, ...], Field(strict=False, min_length=NUM_COLORS, max_length=NUM_COLORS)
    ]

    @model_validator(mode="after")
    def _colors_are_distinct_and_ordered(self) -> Self:
        shades = [color.hex.lower() for color in self.colors]
        if len(set(shades)) != len(shades):
            raise ValueError(f"the colours of a palette must be distinct, got {', '.join(shades)}")
        ranks = [WEIGHTS.index(color.weight) for color in self.colors]
        if ranks != sorted(ranks, reverse=True):
            raise ValueError("the colours of a palette must be ordered by weight, xxl first")
        return self


class MusicConfigPayload(BaseModel):
    """The whole JSON object that the policy writes for one vibe."""

    model_config = _STRICT

    thinking: Annotated[str, StringConstraints(max_length=1000)]
    title: Annotated[str, StringConstraints(min_length=1, max_length=60)]
    config: MusicConfig
    palettes: Annotated[
        tuple[Palette, ...], Field(strict=False, min_length=NUM_PALETTES, max_length=NUM_PALETTES)
    ]

    @model_validator(mode="after")
    def _title_is_short(self) -> Self:
        if len(self.title.split()) > TITLE_MAX_WORDS:
            raise ValueError(f"title must have <= {TITLE_MAX_WORDS} words, got {self.title!r}")
        return self


def canonical_json(config: MusicConfig) -> str:
    """The config as JSON with sorted keys and no white space: equal configs, equal text."""
    return json.dumps(config.model_dump(), sort_keys=True, separators=(",", ":"))


def config_hash(config: MusicConfig) -> str:
    """SHA-256 of the canonical JSON, 64 hex digits: the key of render noise and of every audio cache."""
    return hashlib.sha256(canonical_json(config).encode()).hexdigest()
