"""The mixture of the three reward weights: points of a triangle, its sides and its corners.

Under group-scaled advantages only the ratios of the weights matter, so three axes of one weight each would
search the same mixtures many times over.
"""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from common.model import FrozenModel

__all__ = ["FACES", "MixtureAxis", "Weights"]

Weights = tuple[float, float, float]
"""Weights of format, schema and audio."""

_UNITS: Final = 10**6
"""Weights are whole millionths: 6 digits."""

FACES: Final[tuple[tuple[int, ...], ...]] = ((0, 1, 2), (0, 1), (0, 2), (1, 2), (0,), (1,), (2,))
"""Which weights are above 0: all (inside), two of them (a side), or one (a corner)."""

_SHARES: Final = (12, 3, 3, 3, 1, 1, 1)
"""Chance of each face, in 24ths. A corner is a single point, so drawing it often would repeat it."""


class MixtureAxis(FrozenModel):
    """Weights of format, schema and audio that sum to 1."""

    points: Annotated[int, Field(ge=2)] | None = None
    """Points along each side of a grid's triangle; the grid has points * (points + 1) / 2 in all."""
    faces: bool = True
    """Whether weights may be exactly 0."""

    @property
    def num_coordinates(self) -> int:
        """Numbers in [0, 1] that choose a mixture: which face, and where on it."""
        return 3

    def from_unit(self, u: tuple[float, ...]) -> Weights:
        """The mixture at `u`: evenly spread over each face.

        Args:
            u: in [0, 1]: which face (inside first; no meaning without faces), then two cuts of the interval
                [0, 1] into three parts. A side uses the first cut alone, a corner none.

        Returns:
            Weights that sum to 1, in whole millionths; 0 only off the face.
        """
        face = self._face(u[0])
        if len(face) == 1:
            parts: tuple[float, ...] = (1.0,)
        elif len(face) == 2:
            parts = (u[1], 1 - u[1])
        else:
            low, high = sorted(u[1:])
            parts = (low, high - low, 1 - high)
        weights = [0.0, 0.0, 0.0]
        for place, part in zip(face, parts, strict=True):
            weights[place] = part
        return _in_millionths(weights, face)

    def to_unit(self, weights: Weights) -> tuple[float, float, float]:
        """Coordinates of a mixture: `from_unit(to_unit(w)) == w` for weights of whole millionths.

        Raises:
            ValueError: a weight is 0 on an axis without faces.
        """
        face = tuple(place for place, weight in enumerate(weights) if weight > 0)
        if not self.faces and face != FACES[0]:
            raise ValueError(f"a mixture without faces must have no weight at 0, got {weights}")
        number = FACES.index(face)
        chosen = (sum(_SHARES[:number]) + _SHARES[number] / 2) / sum(_SHARES)
        first = weights[face[0]]
        return (chosen, first, first + weights[1] if len(face) == 3 else first)

    def normalized(self, weights: Weights) -> Weights:
        """The axis's mixture with the ratios of these weights; without faces a 0 becomes one millionth."""
        face = tuple(place for place, weight in enumerate(weights) if weight > 0) if self.faces else FACES[0]
        largest = max(weights)  # a sum of huge weights would overflow
        shares = [weight / largest for weight in weights]
        return _in_millionths([share / sum(shares) for share in shares], face)

    def grid_values(self) -> tuple[Weights, ...]:
        """The points of a triangular grid, from format to audio; inside the triangle without faces.

        Raises:
            ValueError: `points` is not given.
        """
        if self.points is None:
            raise ValueError(
                "a grid needs values to try, got a mixture; give `points`, or set search.mode to random or "
                "optuna"
            )
        # Without faces the grid is the same one, moved in by one step from each side.
        inset = 0 if self.faces else 1
        steps = self.points - 1 + 3 * inset
        values: list[Weights] = []
        for audio in range(inset, steps + 1):
            for schema in range(inset, steps - audio - inset + 1):
                parts = (steps - audio - schema, schema, audio)
                face = tuple(place for place, part in enumerate(parts) if part)
                values.append(_in_millionths([part / steps for part in parts], face))
        return tuple(values)

    def _face(self, share: float) -> tuple[int, ...]:
        if not self.faces:
            return FACES[0]
        place, number = share * sum(_SHARES), 0
        while number < len(FACES) - 1 and place >= sum(_SHARES[: number + 1]):
            number += 1
        return FACES[number]


def _in_millionths(weights: list[float], face: tuple[int, ...]) -> Weights:
    """Rounded to whole millionths that sum to one million, at least one on each weight of the face."""
    units = [max(round(weight * _UNITS), 1) if place in face else 0 for place, weight in enumerate(weights)]
    largest = max(range(3), key=units.__getitem__)
    units[largest] += _UNITS - sum(units)
    first, second, third = (unit / _UNITS for unit in units)
    return (first, second, third)
