"""A sweep shrunk until it runs in a minute on any machine: does everything in it fit together?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pydantic import ValidationError

from common.errors import UserError
from search_spaces.axes import GridAxis
from search_spaces.designs import enumerate_points
from search_spaces.points import params_of
from search_spaces.problems import sweep_problem
from search_spaces.search_config import SMALLEST_POPULATION, BudgetConfig, SearchConfig
from search_spaces.settings import PROMPT_PATHS
from search_spaces.sweep_file import SweepFile

if TYPE_CHECKING:
    from collections.abc import Mapping

    from search_spaces.axes import Axis

__all__ = ["Smoke", "smoke_sweep"]

_STEPS: Final = 2
_VIBES: Final = 2
_MAX_TOKENS: Final = 112
"""Completion length that holds what the tiny policy writes."""

_REPLACED: Final[Mapping[str, Any]] = {
    "base_model": "tiny",
    "max_steps": _STEPS,
    "grpo.reward.clap.backend": "transformers",
    "grpo.reward.clap.model": "tiny",
    "grpo.reward.clap.device": "auto",
    "logging.wandb_project": None,
    "logging.save_strategy": "steps",
    "logging.save_steps": 1,
    "infra.gpu_type": None,
    "infra.gpus_per_trial": 0.0,
    "infra.cpus_per_trial": 1.0,
    "infra.num_workers": None,
}
"""Settings that the smoke run gives, whatever the sweep's own."""

_MOST_POINTS: Final = 2
_NAME_LENGTH: Final = 94
_SUFFIX: Final = "-smoke"


class Smoke(NamedTuple):
    """The shrunk sweep."""

    sweep: SweepFile
    changes: tuple[str, ...]
    """What of the sweep is not tried, a line each."""


def smoke_sweep(sweep: SweepFile) -> Smoke:
    """The same sweep with the tiny models: at most two points that differ (a population
    has four), two steps, two vibes, one seed.

    The axes, relations, data, reward, search mode and scheduler stay, except where they cannot be tried so
    small; what is dropped is said.

    Raises:
        UserError: no point is left to run.
    """
    changes: list[str] = []
    content = sweep.model_dump()
    objective = sweep.objective
    length = min(sweep.base_config().grpo.max_completion_length, _MAX_TOKENS)
    replaced = {**_REPLACED, "grpo.max_completion_length": length}
    space = _space(sweep, replaced, changes)
    for path in [path for path in sweep.derived if path in replaced]:
        changes.append(f"derived.{path} is dropped: it is {replaced[path]} here")
        del content["derived"][path]
    optimizer = "optimizer.name"
    if sweep.base.get(optimizer) == "adamw_8bit":
        changes.append(f"base.{optimizer} is adamw_torch here: adamw_8bit needs a GPU")
        replaced[optimizer] = "adamw_torch"
    content |= {
        "name": f"{sweep.name[:_NAME_LENGTH]}{_SUFFIX}",
        "base": sweep.base | replaced,
        "space": {path: axis.model_dump() for path, axis in space.items()},
        "when": {path: condition for path, condition in sweep.when.items() if path in space},
        "search": _search(sweep, space, changes),
        "budget": BudgetConfig().model_dump(),
        "seeds": sweep.seeds[:1],
        "resources": {"scorers": min(1, sweep.resources.scorers), "cpus_per_scorer": 0},
    }
    if objective.eval_clap is not None:
        changes.append("objective.eval_clap is dropped: the scorer is the only tiny CLAP")
    content["objective"] |= {
        "eval_clap": None,
        "num_vibes": _VIBES,
        "samples": 1,
        "max_completion_length": min(objective.max_completion_length, _MAX_TOKENS),
        "scorer": objective.scorer.model_dump()
        | {"backend": "transformers", "model": "tiny", "device": "auto"},
    }
    if sweep.scheduler.type != "none":
        content["scheduler"] |= {"eval_steps": 1, "grace_steps": 1}
        if sweep.scheduler.perturbation_steps is not None:
            content["scheduler"] |= {"perturbation_steps": 1}
    return Smoke(_with_points(content, changes), tuple(changes))


def _space(sweep: SweepFile, replaced: Mapping[str, Any], changes: list[str]) -> dict[str, Axis]:
    """The axes that can be tried with the tiny policy."""
    kept: dict[str, Axis] = {}
    for path, axis in sweep.space.items():
        if path in PROMPT_PATHS:
            changes.append(f"space.{path} is dropped: the tiny policy was taught to read the vibe alone")
        elif path in replaced:
            changes.append(f"space.{path} is dropped: it is {replaced[path]} here")
        else:
            kept[path] = axis
    if sweep.search.mode == "mixed":
        return _two_cells(kept)
    return _one_other_value(sweep, kept) if sweep.search.design == "one_at_a_time" else kept


def _two_cells(space: dict[str, Axis]) -> dict[str, Axis]:
    """Two values of the first listed axis that has two, one of every other: two cells, each a search."""
    room = _MOST_POINTS
    for path, axis in space.items():
        if isinstance(axis, GridAxis):
            space[path] = GridAxis(grid=axis.grid[:room])
            room = 1 if len(axis.grid) > 1 else room
    return space


def _one_other_value(sweep: SweepFile, space: Mapping[str, Axis]) -> dict[str, Axis]:
    """The first axis that leaves the base, with one value: the base itself runs beside it."""
    base = params_of(sweep, sweep.base_config())
    for path in sorted(space, key=lambda path: path in sweep.when):  # a condition may be false at the base
        for value in space[path].grid_values():
            if (list(value) if isinstance(value, tuple) else value) != base[path]:
                return {path: GridAxis(grid=(value,))}
    return {}


def _search(sweep: SweepFile, space: Mapping[str, Axis], changes: list[str]) -> dict[str, Any]:
    """The search with two points, in its own mode where the axes that are left allow it."""
    search = sweep.search
    for key in ("mirror", "warm_start"):
        if getattr(search, key):
            changes.append(f"search.{key} is dropped: no other study is written or read")
    if not space or search.design == "one_at_a_time":
        return SearchConfig(design=search.design).model_dump()
    points = SMALLEST_POPULATION if sweep.scheduler.type == "pbt" else _MOST_POINTS
    own = search.model_dump() | {"mirror": None, "warm_start": (), "trials": points}
    if search.mode == "grid":
        changes.append(f"search.mode is random: {points} points stand for the grid")
        return own | {"mode": "random"}
    are_listed = {isinstance(axis, GridAxis) for axis in space.values()}
    if search.mode == "mixed" and len(are_listed) == 1:
        changes.append("search.mode is optuna: one kind of axis is left")
        return own | {"mode": "optuna"}
    return own


def _with_points(content: dict[str, Any], changes: list[str]) -> SweepFile:
    """The sweep, without its constraints where they leave no point.

    Raises:
        UserError: there is none without them either.
    """
    try:
        sweep = SweepFile.model_validate(content)
        if sweep.constraints and not _has_points(sweep):
            changes.append("constraints are dropped: with the tiny models they leave no point")
            sweep = SweepFile.model_validate(content | {"constraints": ()})
    except ValidationError as error:
        raise UserError(f"--smoke: {sweep_problem(error, SweepFile)}") from error
    return sweep


def _has_points(sweep: SweepFile) -> bool:
    if sweep.search.mode not in ("grid", "random"):
        anywhere = SearchConfig(mode="random", trials=_MOST_POINTS)
        sweep = sweep.model_copy(update={"search": anywhere})
    return bool(enumerate_points(sweep, keep_invalid=True).points)
