"""The axes of a search space: values to try, a range to draw from, or the mixture of reward weights."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from common.model import FrozenModel
from search_spaces.mixture import MixtureAxis
from search_spaces.settings import LEAF_DEFAULTS
from search_spaces.tables import Scale, check_range

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["LEAF_DEFAULTS", "Axis", "GridAxis", "MixtureAxis", "RangeAxis"]


class GridAxis(FrozenModel):
    """Values that are all tried. A sampler chooses among them."""

    grid: Annotated[tuple[Any, ...], Field(min_length=1)]
    """The values, in the order in which they are tried."""

    @property
    def num_coordinates(self) -> int:
        """Numbers in [0, 1] that choose a value."""
        return 1

    def from_unit(self, u: tuple[float, ...]) -> Any:
        """The value at `u` in [0, 1]; each has an equal share, 0 is the first and 1 the last."""
        (share,) = u
        return self.grid[_index(share, len(self.grid))]

    def grid_values(self) -> tuple[Any, ...]:
        """The values."""
        return self.grid


class RangeAxis(FrozenModel):
    """An interval, both ends included, that a sampler draws from."""

    range: tuple[float, float]
    """Lowest and highest value; whole numbers where `kind` is `int`."""
    scale: Scale = "linear"
    """What is spread evenly: the value, its logarithm, or powers of two, which are then the only values."""
    kind: Literal["float", "int"]
    """Kind of the values."""
    points: Annotated[int, Field(ge=2)] | None = None
    """Values that a grid takes: evenly spread on the scale, both ends among them."""

    @model_validator(mode="after")
    def _ends_are_ordered(self) -> Self:
        low, high = self.range
        check_range(low, high, self.kind, self.scale)
        if self.points is not None and self.kind == "int" and self.points > len(self.whole_values()):
            raise ValueError(
                f"points must be <= the values of the range, got {self.points} > {len(self.whole_values())}"
            )
        return self

    @property
    def num_coordinates(self) -> int:
        """Numbers in [0, 1] that choose a value."""
        return 1

    def from_unit(self, u: tuple[float, ...]) -> float | int:
        """The value at `u` in [0, 1], evenly spread on the scale; 0 is the low end, 1 the high end."""
        (share,) = u
        if self.kind == "float":
            return self._at(share)
        low, high = (int(end) for end in self.range)
        if self.scale == "log":
            # Each whole number has the share of its surroundings, as in Optuna.
            value = math.exp(_between(math.log(low - 0.5), math.log(high + 0.5), share))
            return min(max(round(value), low), high)
        values = self.whole_values()
        return values[_index(share, len(values))]

    def grid_values(self) -> tuple[float | int, ...]:
        """What a grid tries: `points` values, or every power of two.

        Raises:
            ValueError: the range says nothing of how many.
        """
        if self.points is None:
            if self.scale == "power_of_two":
                return tuple(self.whole_values())
            raise ValueError(
                "a grid needs values to try, got a range; list them, give `points`, or set search.mode to "
                "random or optuna"
            )
        shares = [index / (self.points - 1) for index in range(self.points)]
        if self.kind == "float":
            return tuple(self._at(share) for share in shares)
        if self.scale == "log":
            return tuple(dict.fromkeys(round(self._at(share)) for share in shares))
        values = self.whole_values()
        return tuple(values[round(share * (len(values) - 1))] for share in shares)

    def whole_values(self) -> Sequence[int]:
        """Every value of an `int` range."""
        low, high = (int(end) for end in self.range)
        if self.scale == "power_of_two":
            return [2**exponent for exponent in range(low.bit_length() - 1, high.bit_length())]
        return range(low, high + 1)

    def _at(self, share: float) -> float:
        """The number at a share of the way; 12 digits, so that 0.01 * 2 is 0.02 as a person writes it."""
        low, high = self.range
        if share in (0, 1):
            return high if share else low
        if self.scale == "log":
            value = math.exp(_between(math.log(low), math.log(high), share))
        else:
            value = _between(low, high, share)
        return min(max(float(f"{value:.12g}"), low), high)


Axis = GridAxis | RangeAxis | MixtureAxis


def _between(low: float, high: float, share: float) -> float:
    return low + share * (high - low)


def _index(share: float, count: int) -> int:
    """Which of `count` equal parts of [0, 1] the share lies in; 1 is in the last."""
    return min(int(share * count), count - 1)
