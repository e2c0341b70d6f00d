"""The axes of a search space: values to try, a range to draw from, or a preset group of the guide."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from common.model import FrozenModel
from common.training_config import ABLATION_PRESETS, PRESET_PATHS, TrainingConfig, flatten

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["LEAF_DEFAULTS", "Axis", "GridAxis", "RangeAxis", "parse_axis"]

LEAF_DEFAULTS: Mapping[str, Any] = flatten(TrainingConfig().model_dump(mode="json"))
"""Every settable path of TrainingConfig with its default."""


class GridAxis(FrozenModel):
    """Values that are all tried. In Optuna mode they are a categorical."""

    grid: Annotated[tuple[Any, ...], Field(min_length=1)]
    """The values, in the order in which they are tried."""


class RangeAxis(FrozenModel):
    """An interval, both ends included, that a sampler draws from."""

    range: tuple[float, float]
    """Lowest and highest value; whole numbers where `kind` is `int`."""
    scale: Literal["linear", "log"] = "linear"
    """Whether the value or its logarithm is spread evenly."""
    kind: Literal["float", "int"]
    """Kind of the values."""

    @model_validator(mode="after")
    def _ends_are_ordered(self) -> Self:
        low, high = self.range
        if not low < high:
            raise ValueError(f"range must be [low, high] with low < high, got [{low:g}, {high:g}]")
        if self.scale == "log" and not low > 0:
            raise ValueError(f"a range with scale 'log' must start above 0, got {low:g}; use scale linear")
        if self.kind == "int" and not (low.is_integer() and high.is_integer()):
            raise ValueError(f"a range of kind 'int' must have whole ends, got [{low:g}, {high:g}]")
        return self


Axis = GridAxis | RangeAxis


def parse_axis(path: str, raw: Any) -> Axis:
    """One entry of `space` as an axis.

    Args:
        path: dotted path of the setting, such as `lora.r`.
        raw: a list of values, `{grid: [...]}`, `{range: [low, high], scale: ..., kind: ...}` or
            `{preset: group}`. The kind of a range is the setting's own where it is left out.

    Raises:
        ValueError: another form, or a preset group of another setting. pydantic.ValidationError is one.
    """
    match raw:
        case GridAxis() | RangeAxis():
            return raw
        case list() | tuple():
            return GridAxis(grid=tuple(raw))
        case {"preset": group, **rest} if not rest:
            return GridAxis(grid=_preset_values(path, group))
        case {"grid": _, **rest} if not rest:
            return GridAxis.model_validate(raw)
        case {"range": _, **rest} if rest.keys() <= {"scale", "kind"}:
            return RangeAxis.model_validate({"kind": _kind_of(path, raw["range"])} | raw)
    raise ValueError(
        f"an axis must be a list of values, {{grid: [...]}}, {{range: [low, high]}} or {{preset: group}}, "
        f"got {raw!r}"
    )


def _preset_values(path: str, group: Any) -> tuple[Any, ...]:
    if group not in ABLATION_PRESETS:
        raise ValueError(f"preset must be one of {', '.join(ABLATION_PRESETS)}, got {group!r}")
    if PRESET_PATHS[group] != path:
        raise ValueError(f"preset {group} varies {PRESET_PATHS[group]}, not {path}; move it to that path")
    members = ABLATION_PRESETS[group].values()
    return tuple(flatten(member.model_dump(mode="json"))[path] for member in members)


def _kind_of(path: str, ends: Any) -> Literal["float", "int"]:
    """`int` where the setting holds whole numbers; by the ends where its default is None."""
    default = LEAF_DEFAULTS.get(path)
    whole = isinstance(default, int) or (
        default is None and isinstance(ends, list | tuple) and all(isinstance(end, int) for end in ends)
    )
    return "int" if whole else "float"
