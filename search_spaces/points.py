"""Points of the search space: which settings differ, the whole configuration, and its identity."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import TYPE_CHECKING, Any, Final

from common.errors import UserError
from common.training_config import BASE_MODELS, TrainingConfig, apply_overrides, flatten, resolve_model
from search_spaces.axes import GridAxis, RangeAxis
from search_spaces.mixture import FACES, MixtureAxis
from search_spaces.settings import MIXTURE_PATH, PROMPT_PATHS, WEIGHT_PATHS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from search_spaces.axes import Axis
    from search_spaces.sweep_file import SweepFile

__all__ = [
    "ConstraintError",
    "Point",
    "config_hash",
    "held_value",
    "identity",
    "params_of",
    "point",
    "refuse_prompts_on_tiny",
    "trial_id",
    "untrained_points",
    "validate_space",
]

_POLICY_PATHS: Final = ("base_model", "system_prompt", "prompts.", "data.")
"""Settings that change what the untrained policy writes; each combination has its own baseline."""


class ConstraintError(UserError):
    """A point that a constraint of the sweep leaves out."""


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


def config_hash(config: TrainingConfig) -> str:
    """What is learned, as 16 hex digits: equal for the seeds of one point.

    SHA-256 of the JSON with sorted keys, without the seed and the `infra` and `logging` groups.
    """
    return _hash(_learned(config))


def identity(config: TrainingConfig) -> str:
    """The config hash, where reward weights that differ only in scale count as the same.

    Rewards divided by their standard deviation in the group leave the advantages the same when all weights
    are multiplied by one number (but for TRL's 1e-4 beside the deviation). With `batch` or `none` as
    `scale_rewards` nothing is merged.
    """
    if config.grpo.scale_rewards != "group":
        return config_hash(config)
    content = _learned(config)
    weights = content["grpo"]["reward"]["weights"]
    largest = max(weights.values())  # a sum of huge weights would overflow
    total = sum(weight / largest for weight in weights.values())
    content["grpo"]["reward"]["weights"] = {
        name: round(weight / largest / total, 9) for name, weight in weights.items()
    }
    return _hash(content)


def _learned(config: TrainingConfig) -> dict[str, Any]:
    return config.model_dump(mode="json", exclude={"seed", "infra", "logging"})


def _hash(content: dict[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


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
        raise ConstraintError(f"constraints: {rule.text!r} must hold, got the point {candidate.label}")
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
