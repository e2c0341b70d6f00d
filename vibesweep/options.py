"""Reading what the user names: JSON files, existing files, seeds, configurations in their precedence."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from common.errors import ProblemsError, UserError, problems_of
from common.training_config import TrainingConfig, apply_overrides, config_difference, flatten, preset

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from search_spaces import SweepFile

__all__ = ["existing_file", "read_json", "training_config", "with_seeds"]


def existing_file(path: Path, what: str) -> Path:
    """The path, if a file is there.

    Raises:
        UserError: nothing there, or a folder.
    """
    if not path.is_file():
        raise UserError(f"{what} must be an existing file, got {str(path)!r}; check the path")
    return path


def read_json(path: Path, what: str) -> Any:
    """The JSON value in a file.

    Raises:
        UserError: no such file, not UTF-8, or not JSON.
    """
    try:
        return json.loads(existing_file(path, what).read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise UserError(f"{what} {path} must be UTF-8 text: {error.reason} at byte {error.start}") from error
    except json.JSONDecodeError as error:
        raise UserError(
            f"{what} {path} must be JSON: {error.msg} at line {error.lineno}, column {error.colno}"
        ) from error
    except (ValueError, RecursionError) as error:  # an integer of thousands of digits; nested too deep
        raise UserError(f"{what} {path} must be JSON: {error}") from error


def training_config(
    config_file: Path | None, ablation_preset: str | None, flags: Mapping[str, Any]
) -> TrainingConfig:
    """Put a run's configuration together: flags over the preset's difference over the file over defaults.

    Args:
        config_file: JSON with the structure of TrainingConfig.
        ablation_preset: `group:name`.
        flags: dotted path to value; None where the flag was not given.

    Raises:
        UserError: a file or preset that is refused, or values, all of them.
    """
    config = TrainingConfig()
    if config_file is not None:
        try:
            config = TrainingConfig.model_validate(read_json(config_file, "--config-file"))
        except ValidationError as error:
            raise ProblemsError([f"{config_file}: {problem}" for problem in problems_of(error)]) from error
    if ablation_preset is not None:
        difference = config_difference(preset(ablation_preset), TrainingConfig())
        config = apply_overrides(config, flatten(difference))
    given = {path: value for path, value in flags.items() if value is not None}
    if "epochs" in given and "max_steps" not in given:
        given["max_steps"] = None  # a file's would win over the flag
    return apply_overrides(config, given)


def with_seeds(sweep: SweepFile, seeds: str | None) -> SweepFile:
    """The sweep with the seeds of `--seeds`; unchanged where it was not given.

    Raises:
        UserError: they are no whole numbers, or equal.
    """
    if seeds is None:
        return sweep
    try:
        numbers = tuple(int(part) for part in seeds.split(","))
    except ValueError as error:
        raise UserError(f"--seeds must be whole numbers with commas between, got {seeds!r}") from error
    return sweep.with_seeds(numbers)
