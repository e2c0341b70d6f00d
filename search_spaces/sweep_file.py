"""The sweep file: everything that decides a sweep, read from YAML and checked before anything starts."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Annotated, Any, Final, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from common.errors import UserError, first_problem
from common.model import FrozenModel
from common.objective import ObjectiveConfig
from common.reward_config import CLAP_MODELS
from common.training_config import BASE_MODELS, TrainingConfig, apply_overrides, flatten
from search_spaces.axes import LEAF_DEFAULTS, Axis, GridAxis, RangeAxis, parse_axis
from search_spaces.points import validate_space
from search_spaces.search_config import BudgetConfig, SchedulerConfig, SearchConfig, Seed
from search_spaces.yaml_text import read_yaml

__all__ = ["EMBEDDED_DATA", "Resources", "SearchConfig", "SweepData", "SweepFile", "load_sweep_file"]

EMBEDDED_DATA: Final = "tiny"
"""Name that stands for the vibes shipped with the package."""

_MODEL_PATHS: Final = ("base_model", "grpo.reward.clap.model")
"""Settings that may name a local folder."""


class SweepData(FrozenModel):
    """JSONL files, relative to the sweep file, or `tiny` for the embedded vibes."""

    train: str = EMBEDDED_DATA
    """What the policy trains on."""
    held_out: str = EMBEDDED_DATA
    """What every trial is evaluated on."""


class Resources(FrozenModel):
    """What the sweep takes beside its trials, whose own share is in `base.infra`."""

    scorers: Annotated[int, Field(ge=0)] = 1
    """Scoring actors that all trials share; 0 scores inside each trial's process."""
    cpus_per_scorer: Annotated[float, Field(ge=0)] = 1
    """Logical CPUs of one scorer; also its number of threads, rounded up, at least one."""
    gpus_per_scorer: Annotated[float, Field(ge=0)] = 0
    """GPUs of one scorer; fractions share a GPU."""
    max_concurrent_trials: Annotated[int, Field(ge=1)] | None = None
    """Trials that run at once; as many as fit where not given."""


class SweepFile(FrozenModel):
    """One sweep, resolved: axes parsed, paths absolute, every setting checked on its own."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)]
    """Names the sweep and its folder."""
    base: dict[str, Any] = Field(default_factory=dict)
    """Settings that differ from TrainingConfig's defaults in every trial, nested or dotted."""
    data: SweepData = SweepData()
    space: dict[str, Axis] = Field(default_factory=dict)
    """Dotted path of a setting to its axis. An axis goes before `base`."""
    search: SearchConfig = SearchConfig()
    scheduler: SchedulerConfig = SchedulerConfig()
    budget: BudgetConfig = BudgetConfig()
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1)] = (0,)
    """Every point runs once with each of these as its `seed`."""
    objective: ObjectiveConfig = ObjectiveConfig()
    resources: Resources = Resources()
    storage: str | None = None
    """Folder that will hold the sweep's own folder; `runs` where not given."""

    @field_validator("base", mode="before")
    @classmethod
    def _base_is_flat(cls, raw: Any) -> Any:
        """Dotted and nested spelling become dotted path to value."""
        if not isinstance(raw, dict):
            return raw
        flat: dict[str, Any] = {}
        for key, value in raw.items():
            entries = flatten(value, f"{key}.") if isinstance(value, dict) else {key: value}
            for path, leaf in entries.items():
                if path in flat:
                    raise ValueError(f"{path} must be given once; remove one of its two spellings")
                flat[path] = leaf
        for path in flat:
            _require_setting(path, "a base setting")
        return flat

    @field_validator("space", mode="before")
    @classmethod
    def _axes_are_parsed(cls, raw: Any) -> Any:
        if not isinstance(raw, dict):
            return raw
        axes: dict[str, Axis] = {}
        for path, entry in raw.items():
            _require_setting(path, "an axis")
            try:
                axes[path] = parse_axis(path, entry)
            except ValidationError as error:
                raise ValueError(f"{path}: {first_problem(error)}") from error
            except ValueError as error:
                raise ValueError(f"{path}: {error}") from error
        return axes

    @field_validator("seeds", mode="after")
    @classmethod
    def _seeds_differ(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(seeds)) != len(seeds):
            raise ValueError(f"seeds must differ, got {list(seeds)}; equal seeds repeat the same run")
        return seeds

    @model_validator(mode="after")
    def _settings_are_accepted(self) -> Self:
        self.base_config()
        for path, axis in self.space.items():
            if isinstance(axis, RangeAxis) and self.search.mode == "grid":
                raise ValueError(
                    f"space.{path}: a grid needs values to try, got a range; list them, or set search.mode "
                    "to optuna"
                )
        if self.search.mode in ("optuna", "mixed") and not self.space:
            raise ValueError("space: Optuna mode needs at least one axis, got none")
        return self

    def with_seeds(self, seeds: tuple[int, ...]) -> SweepFile:
        """The same sweep with other seeds.

        Raises:
            UserError: no seeds, or equal ones.
        """
        try:
            return SweepFile.model_validate(self.model_dump() | {"seeds": seeds})
        except ValidationError as error:
            raise UserError(first_problem(error)) from error

    def base_config(self) -> TrainingConfig:
        """The configuration that every point starts from.

        Raises:
            UserError: a setting of `base` is refused.
        """
        try:
            return apply_overrides(TrainingConfig(), self.base)
        except UserError as error:
            raise UserError(f"base.{error}") from error


def load_sweep_file(path: Path) -> SweepFile:
    """Read and check a sweep file.

    Args:
        path: a YAML file. Relative data and model paths in it are taken from its folder.

    Raises:
        UserError: one line with the file, the path inside it, what stands there, the rule and the cure.
    """
    path = Path(path)
    content = read_yaml(path)
    try:
        sweep = SweepFile.model_validate(content)
    except ValidationError as error:
        raise UserError(f"{path}: {first_problem(error)}") from error
    try:
        validate_space(sweep)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    return _anchored(sweep, path.resolve().parent)


def _require_setting(path: Any, what: str) -> None:
    """Raise ValueError unless `path` is a setting that a sweep may give as `what`."""
    if path in ("seed", "seeds"):
        raise ValueError(f"{path}: every point runs with all seeds, got it as {what}; list them in `seeds`")
    group = str(path).partition(".")[0]
    if group in ("objective", "evaluation", "eval"):
        raise ValueError(
            f"{path}: the evaluation is the same for every trial, got it as {what}; set it under `objective`"
        )
    if what == "an axis" and group in ("infra", "logging"):
        raise ValueError(
            f"{path}: an axis must change what is learned, got a setting of {group}; set it under `base`"
        )
    if path in LEAF_DEFAULTS:
        return
    members = [leaf for leaf in LEAF_DEFAULTS if leaf.startswith(f"{path}.")]
    if members:
        raise ValueError(f"{path}: must be a single setting, got a group; name one of {', '.join(members)}")
    near = difflib.get_close_matches(str(path), LEAF_DEFAULTS, n=1, cutoff=0.5)
    same_leaf = [leaf for leaf in LEAF_DEFAULTS if leaf.endswith(f".{path}")]
    hint = f"did you mean {(same_leaf or near)[0]}?" if same_leaf or near else "see TrainingConfig"
    raise ValueError(f"{path}: must be a setting of TrainingConfig, got {path!r}; {hint}")


def _anchored(sweep: SweepFile, folder: Path) -> SweepFile:
    """The sweep with relative data and model paths made absolute, seen from the sweep file's folder."""

    def data(name: str) -> str:
        return name if name == EMBEDDED_DATA else str((folder / Path(name).expanduser()).resolve())

    def model(name: Any) -> Any:
        if not isinstance(name, str) or name in BASE_MODELS or name in CLAP_MODELS:
            return name
        local = folder / Path(name).expanduser()
        return str(local.resolve()) if name.startswith((".", "~")) or local.is_dir() else name

    content = sweep.model_dump()
    content["data"] = {split: data(name) for split, name in content["data"].items()}
    content["objective"]["scorer"]["model"] = model(sweep.objective.scorer.model)
    for path in _MODEL_PATHS:
        if path in sweep.base:
            content["base"][path] = model(sweep.base[path])
        axis = sweep.space.get(path)
        if isinstance(axis, GridAxis):
            content["space"][path] = {"grid": [model(value) for value in axis.grid]}
    return SweepFile.model_validate(content)
