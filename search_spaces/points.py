"""Points of the search space: which settings differ, the whole configuration, and its identity."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any, Final

from common.errors import UserError
from common.training_config import TrainingConfig, apply_overrides, flatten
from search_spaces.axes import GridAxis, RangeAxis

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from search_spaces.sweep_file import SweepFile

__all__ = ["Point", "config_hash", "grid_points", "point", "trial_id", "untrained_points", "validate_space"]

_POLICY_PATHS: Final = ("base_model", "system_prompt", "prompts.", "data.")
"""Settings that change what the untrained policy writes; each combination has its own baseline."""


@dataclass(frozen=True, slots=True)
class Point:
    """One configuration of a sweep, before its seeds."""

    number: int
    """Index within the sweep, from 0."""
    params: Mapping[str, Any]
    """Dotted path of each axis to the value that runs."""
    config: TrainingConfig
    """The whole configuration; its seed is a trial's to set."""
    config_hash: str
    label: str
    """The params in a few words, such as `lora.r=32`."""


def config_hash(config: TrainingConfig) -> str:
    """What is learned, as 16 hex digits: equal for the seeds of one point.

    SHA-256 of the JSON with sorted keys, without the seed and the `infra` and `logging` groups.
    """
    content = config.model_dump(mode="json", exclude={"seed", "infra", "logging"})
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def trial_id(number: int, seed: int) -> str:
    """Name of a point's run with one seed, such as `t003-s1`."""
    return f"t{number:03d}-s{seed}"


def point(sweep: SweepFile, number: int, params: Mapping[str, Any]) -> Point:
    """The point with these values on the sweep's axes.

    Raises:
        UserError: TrainingConfig refuses a value.
    """
    try:
        config = apply_overrides(sweep.base_config(), params)
    except UserError as error:
        given = ", ".join(f"{path}={value!r}" for path, value in params.items())
        raise UserError(f"space.{error} (in the point {given})") from error
    leaves = flatten(config.model_dump(mode="json"))
    resolved = {path: leaves[path] for path in params}
    return Point(number, resolved, config, config_hash(config), _label(resolved))


def grid_points(sweep: SweepFile) -> list[Point]:
    """Every combination of the axes' values, the last axis fastest; equal configurations once.

    Raises:
        UserError: a combination that TrainingConfig refuses.
    """
    points: dict[str, Point] = {}
    for params in _combinations(sweep, tuple(sweep.space)):
        candidate = point(sweep, len(points), params)
        points.setdefault(candidate.config_hash, candidate)
    return list(points.values())


def untrained_points(sweep: SweepFile) -> list[Point]:
    """The configurations whose untrained policies differ: one for each base model and prompt."""
    paths = tuple(path for path in sweep.space if path.startswith(_POLICY_PATHS))
    return [point(sweep, number, params) for number, params in enumerate(_combinations(sweep, paths))]


def validate_space(sweep: SweepFile) -> None:
    """Check each value of each axis alone, and both ends of a range, against TrainingConfig.

    A grid checks whole points; this is what can be checked before a sampler has chosen any.

    Raises:
        UserError: a value that is refused.
    """
    for path, axis in sweep.space.items():
        for value in axis.grid if isinstance(axis, GridAxis) else _ends(axis):
            point(sweep, 0, {path: value})


def _ends(axis: RangeAxis) -> tuple[float, ...]:
    return tuple(int(end) for end in axis.range) if axis.kind == "int" else axis.range


def _combinations(sweep: SweepFile, paths: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """Values of the grid axes among `paths`, full factorial. A range has no list of values."""
    grids = {path: axis.grid for path in paths if isinstance(axis := sweep.space[path], GridAxis)}
    for values in product(*grids.values()):
        yield dict(zip(grids, values, strict=True))


def _label(params: Mapping[str, Any]) -> str:
    """`path=value, …`; `base` for a sweep without axes. Long texts are cut."""
    if not params:
        return "base"

    def short(value: Any) -> str:
        text = f"{value:g}" if isinstance(value, float) else str(value)
        return text if len(text) <= 40 else f"{text[:37]}..."

    return ", ".join(f"{path}={short(value)}" for path, value in params.items())
