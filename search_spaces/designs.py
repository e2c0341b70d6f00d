"""The points of the modes that know them beforehand: factorial, one at a time, and random designs."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice, product
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from common.errors import UserError
from search_spaces.axes import GridAxis
from search_spaces.points import ConstraintError, params_of, point

if TYPE_CHECKING:
    from collections.abc import Iterator

    from search_spaces.points import Point
    from search_spaces.sweep_file import SweepFile

__all__ = [
    "Duplicate",
    "Excluded",
    "PointSet",
    "enumerate_points",
    "factorial",
    "grid_cells",
    "one_at_a_time",
    "random_draws",
    "random_points",
]

_BLOCK: Final = 64
"""Draws made together: a power of two, which is what Sobol's balance is about."""

_PATIENCE: Final = 256
"""Draws in a row without a new point after which a space counts as exhausted. A number that does not
depend on `trials`, so that a longer run still begins with a shorter run's points."""


class Duplicate(NamedTuple):
    """A point that would repeat another."""

    label: str
    number: int
    """The point that runs for both."""


class Excluded(NamedTuple):
    """A point that a constraint leaves out, or that TrainingConfig refuses."""

    params: dict[str, Any]
    reason: str


@dataclass(frozen=True, slots=True)
class PointSet:
    """What an enumerable sweep runs, and what it does not."""

    points: tuple[Point, ...]
    duplicates: tuple[Duplicate, ...]
    excluded: tuple[Excluded, ...]
    invalid: tuple[Excluded, ...] = ()
    """Points that TrainingConfig refuses; a sweep that has one does not start."""


def factorial(sweep: SweepFile) -> Iterator[dict[str, Any]]:
    """Every combination of the axes' values, the last axis fastest.

    Raises:
        ValueError: an axis that does not say which values to try.
    """
    values = {path: axis.grid_values() for path, axis in sweep.space.items()}
    for combination in product(*values.values()):
        yield dict(zip(values, combination, strict=True))


def one_at_a_time(sweep: SweepFile) -> Iterator[dict[str, Any]]:
    """The base, then each axis's other values with every other axis at the base.

    Raises:
        ValueError: an axis that does not say which values to try.
    """
    base = params_of(sweep, sweep.base_config())
    yield base
    for path, axis in sweep.space.items():
        for value in axis.grid_values():
            if (list(value) if isinstance(value, tuple) else value) != base[path]:
                yield base | {path: value}


def random_points(sweep: SweepFile) -> Iterator[dict[str, Any]]:
    """The first `search.trials` draws of `random_draws`."""
    return islice(random_draws(sweep), sweep.search.trials)


def random_draws(sweep: SweepFile) -> Iterator[dict[str, Any]]:
    """Points spread over the space, without end: uniform, or scrambled Sobol or Halton, by `search.seed`.

    Draw n depends on the seed and the axes alone, not on how many are drawn, so that a sweep can be
    extended.
    """
    num_coordinates = sum(axis.num_coordinates for axis in sweep.space.values())
    for block in _unit_blocks(sweep, num_coordinates):
        for draw in block.tolist():
            coordinates = iter(draw)
            yield {
                path: axis.from_unit(tuple(islice(coordinates, axis.num_coordinates)))
                for path, axis in sweep.space.items()
            }


def _unit_blocks(sweep: SweepFile, num_coordinates: int) -> Iterator[np.ndarray]:
    """Blocks [64, D] in [0, 1), D coordinates."""
    rng = np.random.default_rng(sweep.search.seed)
    if sweep.search.method == "uniform":
        while True:
            yield rng.random((_BLOCK, num_coordinates))
    from scipy.stats import qmc  # noqa: PLC0415 - takes a second, and only these two need it

    sequence = qmc.Sobol if sweep.search.method == "sobol" else qmc.Halton
    sampler = sequence(num_coordinates, scramble=True, rng=rng)
    while True:
        yield sampler.random(_BLOCK)


def enumerate_points(sweep: SweepFile, *, keep_invalid: bool = False) -> PointSet:
    """All points of a grid or random sweep: each learned only once, constraints kept.

    A random sweep draws on past what is left out, until it has `search.trials` points or the space seems
    exhausted.

    Args:
        sweep: what to enumerate.
        keep_invalid: list the points that TrainingConfig refuses, instead of ending at the first.

    Raises:
        UserError: a point that TrainingConfig refuses, unless they are to be listed.
        ValueError: an axis of a grid that does not say which values to try.
    """
    assert sweep.search.mode in ("grid", "random"), "the points of a learning search are not known beforehand"
    wanted = sweep.search.trials
    if sweep.search.mode == "random":
        candidates = random_draws(sweep)
    else:
        candidates = factorial(sweep) if sweep.search.design == "factorial" else one_at_a_time(sweep)
    points: dict[str, Point] = {}
    duplicates: list[Duplicate] = []
    excluded: list[Excluded] = []
    invalid: list[Excluded] = []
    idle = 0
    for params in candidates:
        try:
            candidate = point(sweep, len(points), params)
        except ConstraintError as error:
            excluded.append(Excluded(params, error.rule))
            idle += 1
        except UserError as error:
            if not keep_invalid:
                raise
            invalid.append(Excluded(params, str(error)))
            idle += 1
        else:
            first = points.setdefault(candidate.identity, candidate)
            if first is not candidate:
                duplicates.append(Duplicate(candidate.label, first.number))
            idle = 0 if first is candidate else idle + 1
        if len(points) == wanted or (wanted is not None and idle == _PATIENCE):
            break
    return PointSet(tuple(points.values()), tuple(duplicates), tuple(excluded), tuple(invalid))


def grid_cells(sweep: SweepFile) -> list[dict[str, Any]]:
    """The cells of a mixed sweep: every combination of its listed axes. Point n is in cell n % cells."""
    listed = {path: axis.grid for path, axis in sweep.space.items() if isinstance(axis, GridAxis)}
    return [dict(zip(listed, values, strict=True)) for values in product(*listed.values())]
