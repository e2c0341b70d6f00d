"""Neighbouring values of the settings that can change while a trial trains."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from search_spaces.axes import GridAxis, RangeAxis
from search_spaces.settings import WEIGHT_PATHS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from random import Random

    from search_spaces.axes import Axis

__all__ = ["CHANGEABLE", "perturbable", "perturbed"]

CHANGEABLE: Final = (
    "optimizer.learning_rate",
    "optimizer.weight_decay",
    "optimizer.max_grad_norm",
    "grpo.beta",
    "grpo.temperature",
    "grpo.top_p",
    "grpo.top_k",
    *WEIGHT_PATHS,
    "noise.error_rate",
    "lora.dropout",
)
"""Settings that can change between two optimizer steps: the adapter keeps its shape and its meaning, and
the optimizer its state. Batch and length settings would end a trial at another step."""

_FACTORS: Final = (0.8, 1.25)


def perturbable(space: Mapping[str, Axis]) -> list[str]:
    """The axes of a space that have neighbouring values to change to; a mixture stays as it is copied."""
    return [path for path, axis in space.items() if path in CHANGEABLE and _has_neighbours(axis)]


def perturbed(space: Mapping[str, Axis], params: Mapping[str, Any], rng: Random) -> dict[str, Any]:
    """A point's params with every perturbable axis moved up or down.

    Args:
        space: the sweep's axes.
        params: axis path to value; an axis that is not among them does not exist at the point.
        rng: draws up or down for each axis.
    """
    moved = dict(params)
    for path in perturbable(space):
        if path in params:
            moved[path] = _neighbour(space[path], params[path], up=rng.random() < 0.5)
    return moved


def _neighbour(axis: Axis, value: Any, *, up: bool) -> Any:
    """The next value in one direction; at an end of the axis the next in the other."""
    first = _next(axis, value, up=up)
    return first if first != value else _next(axis, value, up=not up)


def _next(axis: Axis, value: Any, *, up: bool) -> Any:
    """The next value up or down, or the value itself at the end of the axis.

    A listed axis has its neighbours in the list. A range has 0.8 or 1.25 times the value, whole numbers at
    least one away, and powers of two half or twice of it.
    """
    if isinstance(axis, GridAxis):
        values = list(axis.grid)
        if value not in values:
            return value
        place = values.index(value) + (1 if up else -1)
        return values[min(max(place, 0), len(values) - 1)]
    assert isinstance(axis, RangeAxis), "perturbable leaves out mixtures"
    low, high = axis.range
    factor = _FACTORS[up]
    if axis.kind == "float":
        return min(max(float(f"{value * factor:.12g}"), low), high)
    if axis.scale == "power_of_two":
        moved = value * 2 if up else value // 2
    else:
        moved = max(round(value * factor), value + 1) if up else min(round(value * factor), value - 1)
    return min(max(moved, int(low)), int(high))


def _has_neighbours(axis: Axis) -> bool:
    return len(axis.grid) > 1 if isinstance(axis, GridAxis) else isinstance(axis, RangeAxis)
