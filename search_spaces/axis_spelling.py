"""How an axis may be written in a sweep file: values, a range, the guide's row, a preset, the mixture."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, Literal

from common.training_config import ABLATION_PRESETS, PRESET_PATHS, flatten
from search_spaces.axes import Axis, GridAxis, MixtureAxis, RangeAxis
from search_spaces.settings import LEAF_DEFAULTS, MIXTURE_PATH, did_you_mean, nearest
from search_spaces.tables import SpaceRow, row

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["parse_axis"]

_KEYS: Final = ("grid", "range", "guide", "preset", "scale", "kind", "points", "faces")


def parse_axis(  # noqa: PLR0911 - one return for each form
    path: str, raw: Any, extra: Sequence[SpaceRow] = ()
) -> Axis:
    """One entry of `space` as an axis.

    Args:
        path: dotted path of the setting, such as `lora.r`, or `reward.mixture`.
        raw: a list of values, `{grid: [...]}`, `{range: [low, high], scale: ..., kind: ..., points: ...}`,
            `guide`, `{guide: points}` or `{preset: group}`, where a preset may be one member,
            `group:member`, or a list of them. The kind of a range is the setting's own where it is left out.
            For the mixture: `guide`, `{points: ..., faces: ...}`, or a list of three weights each.
        extra: the user's rows of the tables.

    Raises:
        ValueError: another form, or what the form refuses. pydantic.ValidationError is one.
    """
    if path == MIXTURE_PATH:
        return _mixture(raw)
    match raw:
        case GridAxis() | RangeAxis():
            return raw
        case list() | tuple():
            return GridAxis(grid=tuple(raw))
        case "guide":
            return _guide_axis(path, None, extra)
        case {"guide": points, **rest} if not rest:
            return _guide_axis(path, points, extra)
        case {"preset": names, **rest} if not rest:
            return GridAxis(grid=_preset_values(path, names))
        case {"grid": _, **rest} if not rest:
            return GridAxis.model_validate(raw)
        case {"range": _, **rest} if rest.keys() <= {"scale", "kind", "points"}:
            return RangeAxis.model_validate({"kind": _kind_of(path, raw["range"])} | raw)
    raise ValueError(
        f"an axis must be a list of values, {{grid: [...]}}, {{range: [low, high]}}, guide, "
        f"{{guide: points}} or {{preset: group}}, got {raw!r}{_misspelt(raw)}"
    )


def _mixture(raw: Any) -> Axis:
    match raw:
        case MixtureAxis() | GridAxis():
            return raw
        case "guide":
            return MixtureAxis()
        case list() | tuple() | {"grid": _}:
            values = raw["grid"] if isinstance(raw, dict) else raw
            for value in values:
                _require_weights(value)
            return GridAxis(grid=tuple(tuple(float(weight) for weight in value) for value in values))
        case dict() if raw.keys() <= {"points", "faces"}:
            return MixtureAxis.model_validate(raw)
    raise ValueError(
        f"the mixture must be {{points: ..., faces: ...}}, guide or a list of [format, schema, audio], got "
        f"{raw!r}{_misspelt(raw)}"
    )


def _require_weights(value: Any) -> None:
    """Raise ValueError unless the value is three weights, not all of them 0."""
    if not (
        isinstance(value, list | tuple)
        and len(value) == 3
        and all(isinstance(weight, int | float) and 0 <= weight < math.inf for weight in value)
        and sum(value) > 0
    ):
        raise ValueError(
            f"a mixture must be three weights >= 0 that are not all 0, got {value!r}; write "
            "[format, schema, audio]"
        )


def _guide_axis(path: str, points: Any, extra: Sequence[SpaceRow]) -> Axis:
    """The row of the tables as an axis."""
    entry = row(path, extra)
    if entry.kind == "text":
        raise ValueError(f"the row of {path} is text without a range, got guide; list the values to try")
    if entry.choices is not None:
        if points is not None:
            raise ValueError(f"the row of {path} has choices, got {{guide: {points!r}}}; write guide")
        # Lists, as they come back from JSON.
        return GridAxis(grid=tuple(list(c) if isinstance(c, tuple) else c for c in entry.choices))
    content = {"range": (entry.low, entry.high), "scale": entry.scale, "kind": entry.kind, "points": points}
    return RangeAxis.model_validate(content)


def _preset_values(path: str, names: Any) -> tuple[Any, ...]:
    """The values of preset members: `group`, `group:member`, or a list of them."""
    values: list[Any] = []
    for name in names if isinstance(names, list | tuple) else [names]:
        group, _, member = str(name).partition(":")
        if group not in ABLATION_PRESETS:
            hint = did_you_mean(group, ABLATION_PRESETS, "see the guide")
            raise ValueError(f"preset must be one of {', '.join(ABLATION_PRESETS)}, got {name!r}; {hint}")
        members = ABLATION_PRESETS[group]
        if PRESET_PATHS[group] != path:
            raise ValueError(f"preset {group} varies {PRESET_PATHS[group]}, not {path}; move it to that path")
        if ":" in str(name) and member not in members:
            hint = did_you_mean(member, members, "name one of them")
            raise ValueError(f"preset of {group} must be one of {', '.join(members)}, got {name!r}; {hint}")
        chosen = [members[member]] if member else members.values()
        values += [flatten(config.model_dump(mode="json"))[path] for config in chosen]
    return tuple(values)


def _misspelt(raw: Any) -> str:
    """`; did you mean KEY?` for the first key that no axis has, or for a word that is nearly `guide`."""
    if isinstance(raw, str):
        return "; did you mean guide?" if nearest(raw, ["guide"]) else ""
    for key in raw if isinstance(raw, dict) else ():
        if key not in _KEYS and (near := nearest(str(key), _KEYS)):
            return f"; did you mean {near}?"
    return ""


def _kind_of(path: str, ends: Any) -> Literal["float", "int"]:
    """`int` where the setting holds whole numbers; by the ends where its default is None."""
    default = LEAF_DEFAULTS.get(path)
    whole = isinstance(default, int) or (
        default is None and isinstance(ends, list | tuple) and all(isinstance(end, int) for end in ends)
    )
    return "int" if whole else "float"
