"""Points of the search space: which settings differ, the whole configuration, and its identity."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import TYPE_CHECKING, Any, Final

from common.errors import UserError
from common.training_config import BASE_MODELS, TrainingConfig, apply_overrides, flatten, resolve_model
from search_spaces.axes import GridAxis
from search_spaces.identity import config_hash, identity
from search_spaces.mixture import MixtureAxis
from search_spaces.settings import MIXTURE_PATH, PROMPT_PATHS, WEIGHT_PATHS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from search_spaces.sweep_file import SweepFile

__all__ = [
    "ConstraintError",
    "Point",
    "config_hash",
    "held_value",
    "params_of",
    "point",
    "refuse_prompts_on_tiny",
    "trial_id",
    "untrained_points",
]

_POLICY_PATHS: Final = ("base_model", "system_prompt", "prompts.", "data.")
"""Settings that change what the untrained policy writes; each combination has its own baseline."""


class ConstraintError(UserError):
    """A point that a constraint of the sweep leaves out."""

    def __init__(self, rule: str, label: str) -> None:
        """
        Args:
            rule: the constraint.
            label: the point in a few words.
        """
        self.rule = f"constraints: {rule!r} must hold"
        super().__init__(f"{self.rule}, got the point {label}")


@dataclass(frozen=True, slots=True)
class Point:
    """One configuration of a sweep, before its seeds."""

    number: int
    """Index within the sweep, from 0."""
    params: Mapping[str, Any]
    """Dotted path of each active axis to the value that runs, as JSON has it."""
    config: TrainingConfig
    """The whole configuration; its seed is a trial's to set."""
    config_hash: str
    label: str
    """The params in a few words, such as `lora.r=32`."""

    @property
    def identity(self) -> str:
        """What is learned: equal for points that need to run only once."""
        return identity(self.config)


def trial_id(number: int, seed: int) -> str:
    """Name of a point's run with one seed, such as `t003-s1`."""
    return f"t{number:03d}-s{seed}"


def point(sweep: SweepFile, number: int, params: Mapping[str, Any]) -> Point:
    """The point with these values on the sweep's axes; an axis that is not named stays at the base.

    Raises:
        ConstraintError: a constraint of the sweep is false there.
        UserError: TrainingConfig refuses a value, or an expression has none.
    """
    candidate = _unconstrained(sweep, number, params)
    rule = sweep.relations.violated(_leaves(candidate.config))
    if rule is not None:
        raise ConstraintError(rule.text, candidate.label)
    return candidate


def _unconstrained(sweep: SweepFile, number: int, params: Mapping[str, Any]) -> Point:
    base = sweep.base_config()
    given = ", ".join(f"{path}={value!r}" for path, value in params.items())
    try:
        changed, active = sweep.relations.resolve(_leaves(base), params)
    except UserError as error:
        raise UserError(f"{error} (in the point {given})") from error
    try:
        config = apply_overrides(base, changed)
    except UserError as error:
        place = "derived" if str(error).partition(":")[0] in sweep.derived else "space"
        raise UserError(f"{place}.{error} (in the point {given})") from error
    refuse_prompts_on_tiny(config.base_model, active)
    leaves = _leaves(config)
    resolved = {
        path: [leaves[leaf] for leaf in WEIGHT_PATHS] if path == MIXTURE_PATH else leaves[path]
        for path in active
    }
    return Point(number, resolved, config, config_hash(config), _label(resolved))


def params_of(sweep: SweepFile, config: TrainingConfig) -> dict[str, Any]:
    """Where a configuration lies on the sweep's axes: the inverse of `point`, mixtures up to their scale."""
    leaves = _leaves(config)
    params: dict[str, Any] = {}
    for path, axis in sweep.space.items():
        if path != MIXTURE_PATH:
            params[path] = leaves[path]
        else:
            weights = config.grpo.reward.weights.as_tuple()
            params[path] = list(axis.normalized(weights) if isinstance(axis, MixtureAxis) else weights)
    return params


def held_value(sweep: SweepFile, path: str, value: Any) -> Any:
    """An axis's value as TrainingConfig holds it and JSON has it: 16 becomes 16.0 where that is its type."""
    if path == MIXTURE_PATH:
        return [float(weight) for weight in value]
    try:
        return _leaves(apply_overrides(sweep.base_config(), {path: value}))[path]
    except UserError:  # it may need another axis, as reward_type custom needs its path
        return list(value) if isinstance(value, tuple) else value


def untrained_points(sweep: SweepFile) -> list[Point]:
    """The configurations whose untrained policies differ: one for each base model and prompt."""
    grids = {
        path: axis.grid
        for path, axis in sweep.space.items()
        if path.startswith(_POLICY_PATHS) and isinstance(axis, GridAxis)
    }
    points: dict[str, Point] = {}
    for values in product(*grids.values()):
        # Without constraints: they are about training, which these never do.
        candidate = _unconstrained(sweep, len(points), dict(zip(grids, values, strict=True)))
        points.setdefault(candidate.config_hash, candidate)
    return list(points.values())


def refuse_prompts_on_tiny(base_model: str, axes: Sequence[str]) -> None:
    """Raise UserError if a prompt is varied on the tiny policy, which never sees it."""
    prompts = [path for path in axes if path in PROMPT_PATHS]
    tiny = (BASE_MODELS["tiny"], resolve_model("tiny", BASE_MODELS))
    if prompts and (base_model == "tiny" or base_model.rstrip("/").endswith(tiny)):
        raise UserError(
            f"space.{prompts[0]}: a prompt must reach the policy to be varied, got base_model "
            f"{base_model!r}, whose chat template renders only the vibe; set another base_model, or remove "
            "the axis"
        )


@lru_cache(maxsize=8)
def _leaves(config: TrainingConfig) -> dict[str, Any]:
    """Every setting by its dotted path, as JSON has it; not to be changed."""
    return flatten(config.model_dump(mode="json"))


def _label(params: Mapping[str, Any]) -> str:
    """`path=value, …`; `base` for a sweep without axes. Long texts are cut."""
    if not params:
        return "base"

    def short(value: Any) -> str:
        text = f"{value:g}" if isinstance(value, float) else str(value)
        return text if len(text) <= 40 else f"{text[:37]}..."

    return ", ".join(f"{path}={short(value)}" for path, value in params.items())
