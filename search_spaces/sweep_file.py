"""The sweep file: everything that decides a sweep, read from YAML and checked before anything starts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator

from common.errors import ProblemsError, UserError
from common.model import FrozenModel
from common.objective import ObjectiveConfig
from common.prompt_registry import PromptVersion, register_prompt
from common.training_config import TrainingConfig, apply_overrides, flatten
from search_spaces.axes import Axis, RangeAxis
from search_spaces.axis_spelling import parse_axis
from search_spaces.problems import sweep_problem, sweep_problems
from search_spaces.prompt_files import parse_prompts, with_prompts_file
from search_spaces.relations import Relations, relations_of
from search_spaces.resources import EMBEDDED_DATA, Resources, SweepData
from search_spaces.search_config import BudgetConfig, SchedulerConfig, SearchConfig, Seed
from search_spaces.settings import require_setting
from search_spaces.space_rules import check_space, validate_space
from search_spaces.sweep_paths import anchored
from search_spaces.tables import SpaceRow
from search_spaces.user_rows import parse_rows, read_rows_file
from search_spaces.yaml_text import read_yaml

__all__ = ["EMBEDDED_DATA", "Resources", "SearchConfig", "SweepData", "SweepFile", "load_sweep_file"]


class SweepFile(FrozenModel):
    """One sweep, resolved: axes parsed, paths absolute, every setting checked on its own."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)]
    """Names the sweep and its folder."""
    rows: dict[str, SpaceRow] = Field(default_factory=dict)
    """The user's own rows of the tables, by path; one for a setting of ours goes before ours."""
    rows_file: str | None = None
    """Python file with a list `ROWS` of SpaceRow. It is read with the sweep, and its rows then stand in
    `rows`, so that a stored sweep needs no second file."""
    prompts: dict[str, PromptVersion] = Field(default_factory=dict)
    """The user's own prompts, by name; they are registered in every process that reads the sweep."""
    prompts_file: str | None = None
    """YAML file of prompts, or folder of such files. It is read with the sweep, and its prompts then stand in
    `prompts`."""
    base: dict[str, Any] = Field(default_factory=dict)
    """Settings that differ from TrainingConfig's defaults in every trial, nested or dotted."""
    data: SweepData = SweepData()
    space: dict[str, Axis] = Field(default_factory=dict)
    """Dotted path of a setting to its axis. An axis goes before `base`."""
    derived: dict[str, str] = Field(default_factory=dict)
    """Settings computed from others at every point: dotted path to expression."""
    when: dict[str, str] = Field(default_factory=dict)
    """Axis to the condition under which it exists; elsewhere the base's value stands."""
    constraints: tuple[str, ...] = ()
    """Conditions that every point keeps; points where one is false are left out."""
    search: SearchConfig = SearchConfig()
    scheduler: SchedulerConfig = SchedulerConfig()
    budget: BudgetConfig = BudgetConfig()
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1)] = (0,)
    """Every point runs once with each of these as its `seed`."""
    objective: ObjectiveConfig = ObjectiveConfig()
    resources: Resources = Resources()
    storage: str | None = None
    """Folder that will hold the sweep's own folder; `runs` where not given."""

    @model_validator(mode="before")
    @classmethod
    def _rows_file_is_read(cls, raw: Any) -> Any:
        if not isinstance(raw, dict) or not isinstance(raw.get("rows_file"), str):
            return raw
        rows = raw.get("rows", {})
        if not isinstance(rows, dict):
            return raw
        return raw | {"rows": read_rows_file(Path(raw["rows_file"])) | rows, "rows_file": None}

    @model_validator(mode="before")
    @classmethod
    def _prompts_file_is_read(cls, raw: Any) -> Any:
        return with_prompts_file(raw) if isinstance(raw, dict) else raw

    @field_validator("prompts", mode="before")
    @classmethod
    def _prompts_have_their_name(cls, raw: Any) -> Any:
        return parse_prompts(raw) if isinstance(raw, dict) else raw

    @field_validator("prompts", mode="after")
    @classmethod
    def _prompts_are_registered(cls, prompts: dict[str, PromptVersion]) -> dict[str, PromptVersion]:
        for name, prompt in prompts.items():
            try:
                register_prompt(prompt)
            except UserError as error:
                raise ValueError(f"{name}: {error}") from error
        return prompts

    @field_validator("rows", mode="before")
    @classmethod
    def _rows_have_their_path(cls, raw: Any) -> Any:
        return parse_rows(raw) if isinstance(raw, dict) else raw

    @field_validator("base", mode="before")
    @classmethod
    def _base_is_flat(cls, raw: Any) -> Any:
        """Dotted and nested spelling become dotted path to value."""
        if not isinstance(raw, dict):
            return raw
        flat: dict[str, Any] = {}
        for key, value in raw.items():
            entries = flatten(value, f"{key}.") if isinstance(value, dict) else {str(key): value}
            for path, leaf in entries.items():
                if path in flat:
                    raise ValueError(f"{path}: must be given once, got two spellings; remove one")
                flat[path] = leaf
        for path in flat:
            require_setting(path, "a base setting")
        return flat

    @field_validator("space", mode="before")
    @classmethod
    def _axes_are_parsed(cls, raw: Any, info: ValidationInfo) -> Any:
        if not isinstance(raw, dict):
            return raw
        rows = tuple(info.data.get("rows", {}).values())
        axes: dict[str, Axis] = {}
        for path, entry in raw.items():
            require_setting(str(path), "an axis")
            try:
                axes[path] = parse_axis(path, entry, rows)
            except ValidationError as error:
                raise ValueError(f"{path}: {sweep_problem(error, RangeAxis)}") from error
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
        check_space(self)
        return self

    @property
    def relations(self) -> Relations:
        """The expressions of `derived`, `when` and `constraints`, checked."""
        return relations_of(tuple(self.space), self.derived, self.when, self.constraints)

    def with_seeds(self, seeds: tuple[int, ...]) -> SweepFile:
        """The same sweep with other seeds.

        Raises:
            UserError: no seeds, or equal ones.
        """
        try:
            return SweepFile.model_validate(self.model_dump() | {"seeds": seeds})
        except ValidationError as error:
            raise UserError(sweep_problem(error, SweepFile)) from error

    def base_config(self) -> TrainingConfig:
        """The configuration that every point starts from.

        Raises:
            UserError: settings of `base` are refused.
        """
        try:
            return apply_overrides(TrainingConfig(), self.base)
        except ProblemsError as error:
            raise ProblemsError([f"base.{problem}" for problem in error.problems]) from error
        except UserError as error:
            raise UserError(f"base.{error}") from error


def load_sweep_file(path: Path) -> SweepFile:
    """Read and check a sweep file.

    Args:
        path: a YAML file. Relative paths in it (data, models, rows, prompts, mirror, earlier sweeps) are
            taken from its folder.

    Raises:
        UserError: a line for each problem, with the file, the path inside it, what stands there, the rule and
            the cure.
    """
    path = Path(path)
    folder = path.resolve().parent
    content = read_yaml(path)
    for key in ("rows_file", "prompts_file"):
        if isinstance(content.get(key), str):
            content[key] = str(folder / Path(content[key]).expanduser())
    try:
        sweep = SweepFile.model_validate(content)
        validate_space(sweep)
        return SweepFile.model_validate(anchored(sweep.model_dump(), folder))
    except ValidationError as error:
        raise ProblemsError([f"{path}: {problem}" for problem in sweep_problems(error, SweepFile)]) from error
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
