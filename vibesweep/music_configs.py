"""Reading music configs that the user names: one from a JSON file, many from a JSONL file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import ValidationError

from common.errors import ProblemsError, UserError, first_problem
from common.music_schema import MusicConfig
from rewards import strict_json
from vibesweep.options import existing_file, read_json

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["NumberedConfig", "config_in", "read_music_config", "read_music_configs"]


class NumberedConfig(NamedTuple):
    """A config and the line of its file, counted from 1."""

    line: int
    music: MusicConfig


def read_music_config(path: Path) -> MusicConfig:
    """The config in a JSON file: a payload, its config part alone, or a row with `config_payload`.

    Raises:
        UserError: no such file, not JSON, or no valid config.
    """
    try:
        return config_in(read_json(path, "CONFIG"))
    except ValidationError as error:
        raise UserError(f"{path}: {first_problem(error)}") from error


def read_music_configs(path: Path) -> list[NumberedConfig]:
    """The configs in a JSONL file, one a line as in `read_music_config`; blank lines are passed over.

    Raises:
        UserError: no such file, or none in it.
        ProblemsError: broken lines, all of them.
    """
    try:
        lines = existing_file(path, "CONFIG").read_text(encoding="utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise UserError(f"CONFIG {path} must be UTF-8 text: {error.reason} at byte {error.start}") from error
    configs, problems = [], []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            configs.append(NumberedConfig(number, config_in(strict_json(line))))
        except ValidationError as error:  # a ValueError too, so before it
            problems.append(f"{path} line {number}: {first_problem(error)}")
        except (ValueError, RecursionError) as error:
            problems.append(f"{path} line {number} must be one JSON object: {error}; repair the line")
    if problems:
        raise ProblemsError(problems)
    if not configs:
        raise UserError(f"{path} must have at least one config, got none; check that it is the right file")
    return configs


def config_in(value: Any) -> MusicConfig:
    """The config in a row of data, in a payload, or as it is.

    Raises:
        pydantic.ValidationError: it is no valid config.
        ValueError, RecursionError: a row's payload is text and no JSON.
    """
    if isinstance(value, dict) and "config_payload" in value:
        value = value["config_payload"]
        if isinstance(value, str):
            value = strict_json(value)
    if isinstance(value, dict) and "config" in value:
        value = value["config"]
    return MusicConfig.model_validate(value)
