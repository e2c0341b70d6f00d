"""What the parts of a sweep's space must be to each other: axes, mode, mixture, prompts, relations."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from search_spaces.axes import GridAxis, RangeAxis
from search_spaces.designs import grid_cells
from search_spaces.idle_axes import refuse_idle_axes
from search_spaces.mixture import FACES, MixtureAxis
from search_spaces.points import ConstraintError, point, refuse_prompts_on_tiny
from search_spaces.settings import MIXTURE_PATH, WEIGHT_PATHS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from search_spaces.axes import Axis
    from search_spaces.sweep_file import SweepFile

__all__ = ["check_space", "validate_space"]


def check_space(sweep: SweepFile) -> None:
    """See that the axes fit each other and the search.

    Raises:
        ValueError: one line about the first that does not.
    """
    _check_mixture(sweep)
    _check_relations(sweep)
    _check_prompts(sweep)
    refuse_idle_axes(sweep)
    _check_mode(sweep)


def validate_space(sweep: SweepFile) -> None:
    """Check each value of each axis alone, and both ends of a range, against TrainingConfig.

    A grid checks whole points; this is what can be checked before a sampler has chosen any. Axes with a
    condition stand at their first value meanwhile, where their condition holds: another axis may need them.

    Raises:
        UserError: a value that is refused.
    """
    conditional = {path: _samples(sweep.space[path])[0] for path in sweep.when}
    for path, axis in sweep.space.items():
        for value in _samples(axis):
            try:
                point(sweep, 0, conditional | {path: value})
            except ConstraintError:
                continue


def _check_mixture(sweep: SweepFile) -> None:
    beside = [path for path in WEIGHT_PATHS if path in sweep.space]
    if MIXTURE_PATH in sweep.space and beside:
        raise ValueError(
            f"space.{beside[0]}: must not stand beside {MIXTURE_PATH}, which sets all three weights, got "
            "both; remove one of the two"
        )


def _check_relations(sweep: SweepFile) -> None:
    _ = sweep.relations  # reads and checks the expressions
    for path in sweep.derived:
        if path in sweep.base:
            raise ValueError(
                f"derived.{path}: must not be in `base` too, got both; the derived value would always win, "
                "remove one"
            )


def _check_prompts(sweep: SweepFile) -> None:
    if "prompts.vibe_extraction" in sweep.space:
        raise ValueError(
            "space.prompts.vibe_extraction: an axis must change what a trial learns, got the "
            "prompt that makes its data; write the rows with `vibesweep vibes extract --prompt NAME`, "
            "and run a sweep on each"
        )
    if {"system_prompt", "prompts.config_generation"} <= sweep.space.keys():
        raise ValueError(
            "space.prompts.config_generation: must not stand beside system_prompt, whose text goes before "
            "it, got both; remove one of the two"
        )
    # A prompt with a condition may exclude the tiny policy; its points are checked one by one.
    prompts = [path for path in sweep.space if path not in sweep.when]
    models = sweep.space.get("base_model")
    for model in models.grid if isinstance(models, GridAxis) else [sweep.base_config().base_model]:
        refuse_prompts_on_tiny(str(model), prompts)


def _check_mode(sweep: SweepFile) -> None:
    mode, listed = sweep.search.mode, [a for a in sweep.space.values() if isinstance(a, GridAxis)]
    if mode == "grid":
        for path, axis in sweep.space.items():
            try:
                axis.grid_values()
            except ValueError as error:
                raise ValueError(f"space.{path}: {error}") from error
        return
    if not sweep.space:
        name = mode.capitalize()
        raise ValueError(f"space: {name} mode needs at least one axis, got none; add one, or use mode grid")
    if mode == "mixed":
        if not 0 < len(listed) < len(sweep.space):
            raise ValueError(
                f"search.mode: mixed needs axes with listed values and axes with a range, got {len(listed)} "
                f"and {len(sweep.space) - len(listed)}; use mode optuna"
            )
        _check_share(sweep)


def _check_share(sweep: SweepFile) -> None:
    """Each cell of a mixed sweep gets the same number of trials."""
    trials, cells = sweep.search.trials, len(grid_cells(sweep))
    assert trials is not None, "SearchConfig requires trials in mixed mode"
    if trials % cells:
        below = math.floor(trials / cells) * cells
        nearest = f"{below} or {below + cells}" if below else f"{cells}"
        raise ValueError(
            f"search.trials: must be a multiple of the {cells} combinations of listed values, got {trials}; "
            f"use {nearest}"
        )


def _samples(axis: Axis) -> Sequence[Any]:
    """Values that stand for an axis: all of a list, the ends of a range, one mixture of each face."""
    match axis:
        case RangeAxis():
            return [axis.from_unit((0.0,)), axis.from_unit((1.0,))]
        case MixtureAxis():
            shares = [[1 / len(face) if place in face else 0.0 for place in range(3)] for face in FACES]
            weights = [(first, second, third) for first, second, third in shares]
            return [axis.normalized(mixture) for mixture in (weights if axis.faces else weights[:1])]
    return axis.grid
