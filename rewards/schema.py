"""The schema component: the share of the contract's leaf rules that a payload keeps.

A leaf rule concerns one value, or one relation between values, so a near miss loses exactly the leaves that
it misses. A relation (distinct colours, colours by weight, registers in order) is judged among the values
that are themselves valid, and there must be one; so a broken value costs its own leaf and no other. All
rules hold exactly when `MusicConfigPayload` accepts the payload.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from common.music_schema import (
    CONFIG_LABELS,
    NUM_COLORS,
    NUM_PALETTES,
    TITLE_MAX_WORDS,
    WEIGHTS,
    MusicConfig,
    MusicConfigPayload,
    Palette,
    PaletteColor,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import BaseModel

__all__ = ["NUM_RULES", "leaf_rules", "renderable_config", "schema_score"]

_HEX = re.compile(r"#[0-9A-Fa-f]{6}")
_OCTAVES = ("register_min_oct", "register_max_oct")


def schema_score(payload: object) -> float:
    """Share of the leaf rules that hold: 0 for an empty object or no object, 1 for a valid payload."""
    return sum(holds for _, holds in leaf_rules(payload)) / NUM_RULES


def renderable_config(payload: object) -> MusicConfig | None:
    """The payload's config part, if it is a valid `MusicConfig` as it stands."""
    config = payload.get("config") if isinstance(payload, dict) else None
    if not isinstance(config, dict):
        return None
    try:
        return MusicConfig.model_validate(config)
    except ValidationError:
        return None


def leaf_rules(payload: object) -> Iterator[tuple[str, bool]]:
    """Every rule's name and whether it holds, always the same rules in the same order."""
    top = _object(payload)
    yield "payload: no unknown keys", _known_keys_only(top, MusicConfigPayload)
    yield "thinking: at most 1000 characters", _is_text(top.get("thinking"), 0, 1000)
    title = top.get("title")
    yield "title: 1 to 60 characters", _is_text(title, 1, 60)
    yield "title: at most 6 words", isinstance(title, str) and len(title.split()) <= TITLE_MAX_WORDS
    yield from _config_rules(_object(top.get("config")))
    palettes = _array(top.get("palettes"))
    yield "palettes: three", len(palettes) == NUM_PALETTES
    for number in range(NUM_PALETTES):
        palette = _object(palettes[number]) if number < len(palettes) else {}
        yield from _palette_rules(f"palettes.{number}", palette)


def _config_rules(config: dict[str, Any]) -> Iterator[tuple[str, bool]]:
    yield "config: no unknown keys", _known_keys_only(config, MusicConfig)
    broken = _broken_fields(config)
    for name in CONFIG_LABELS:
        yield f"config.{name}: one of its labels", name not in broken
    octaves = [config[name] for name in _OCTAVES if name not in broken]
    yield "config: registers in order", bool(octaves) and octaves == sorted(octaves)


def _palette_rules(path: str, palette: dict[str, Any]) -> Iterator[tuple[str, bool]]:
    entries = _array(palette.get("colors"))
    colors = [_object(entry) for entry in entries[:NUM_COLORS]]
    colors += [{}] * (NUM_COLORS - len(colors))
    yield f"{path}: no unknown keys", _known_keys_only(palette, Palette)
    yield f"{path}: five colours", len(entries) == NUM_COLORS
    shades, ranks = [], []
    for number, color in enumerate(colors):
        shade, weight = color.get("hex"), color.get("weight")
        is_shade = isinstance(shade, str) and _HEX.fullmatch(shade) is not None
        is_weight = isinstance(weight, str) and weight in WEIGHTS
        yield f"{path}.{number}.hex: #rrggbb", is_shade
        yield f"{path}.{number}.weight: one of its labels", is_weight
        if is_shade:
            shades.append(str(shade).lower())
        if is_weight:
            ranks.append(WEIGHTS.index(str(weight)))
    present = [color for color in colors if color]
    yield (
        f"{path}: no unknown keys in its colours",
        bool(present) and all(_known_keys_only(color, PaletteColor) for color in present),
    )
    yield f"{path}: distinct colours", bool(shades) and len(set(shades)) == len(shades)
    yield f"{path}: heaviest first", bool(ranks) and all(one >= next_ for one, next_ in pairwise(ranks))


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _array(value: object) -> list[Any] | tuple[Any, ...]:
    return value if isinstance(value, list | tuple) else ()


def _known_keys_only(found: dict[str, Any], model: type[BaseModel]) -> bool:
    """An empty object keeps no rule: a blank must be worth nothing."""
    return bool(found) and found.keys() <= model.model_fields.keys()


def _is_text(value: object, shortest: int, longest: int) -> bool:
    if not (isinstance(value, str) and shortest <= len(value) <= longest):
        return False
    return not any("\ud800" <= character <= "\udfff" for character in value)  # half a surrogate pair


def _broken_fields(config: dict[str, Any]) -> set[object]:
    """The config fields that are missing or hold no label of theirs, as the contract itself sees it."""
    try:
        MusicConfig.model_validate({name: config[name] for name in CONFIG_LABELS if name in config})
    except ValidationError as error:
        problems = error.errors(include_url=False, include_context=False, include_input=False)
        return {
            problem["loc"][0] for problem in problems if problem["loc"]
        }  # no place: registers out of order
    return set()


NUM_RULES: Final = sum(1 for _ in leaf_rules({}))
"""Leaf rules of the contract: 4 of the payload, 36 of its config, 1 + 3 x 15 of its palettes."""
