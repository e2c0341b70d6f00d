"""Rows that a user adds to the tables: in the sweep file, or as a list `ROWS` in a Python file."""

from __future__ import annotations

import runpy
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from common.errors import UserError, first_problem
from common.training_config import TrainingConfig, apply_overrides
from search_spaces.problems import sweep_problem
from search_spaces.tables import SpaceRow
from search_spaces.yaml_text import read_yaml

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["parse_rows", "read_rows", "read_rows_file"]


def parse_rows(raw: dict[Any, Any]) -> dict[str, SpaceRow]:
    """The `rows` of a sweep file: dotted path to the row's other fields.

    Raises:
        ValueError: the path of the row, and what is wrong with it.
    """
    rows: dict[str, SpaceRow] = {}
    for path, entry in raw.items():
        if isinstance(entry, SpaceRow):
            rows[str(path)] = entry
            continue
        if not isinstance(entry, dict):
            raise ValueError(
                f"{path}: a row must be a mapping such as {{kind: float, low: 0, high: 1}}, got {entry!r}"
            )
        try:
            rows[str(path)] = SpaceRow.model_validate({"path": str(path)} | entry)
        except ValidationError as error:
            text = sweep_problem(error, SpaceRow).removeprefix(f"{path}: ")
            raise ValueError(f"{path}: {text}") from error
    for path, entry in rows.items():
        _require_valid(path, entry)
    return rows


def read_rows_file(path: Path) -> dict[str, SpaceRow]:
    """The rows in a Python file, which is run.

    Args:
        path: defines `ROWS`, a list of SpaceRow.

    Raises:
        UserError: it cannot be read, does not run, or has no such list.
    """
    try:
        content = runpy.run_path(str(path), run_name="rows_file")
    except OSError as error:
        raise UserError(f"rows_file must be a Python file, got {str(path)!r} ({error.strerror})") from error
    except Exception as error:  # whatever a user's file may raise
        reason = first_problem(error) if isinstance(error, ValidationError) else f"{error}"
        raise UserError(f"rows_file {path} must run, got {type(error).__name__}: {reason}") from error
    rows = content.get("ROWS")
    if not isinstance(rows, list | tuple) or not all(isinstance(entry, SpaceRow) for entry in rows):
        raise UserError(f"rows_file {path} must define ROWS, a list of SpaceRow, got {rows!r}")
    try:
        return parse_rows({entry.path: entry for entry in rows})
    except ValueError as error:
        raise UserError(f"rows_file {path}: {error}") from error


def read_rows(path: Path) -> dict[str, SpaceRow]:
    """The rows in a Python file, or those that a sweep file has, in itself or by its `rows_file`.

    Raises:
        UserError: it cannot be read, or a row is wrong.
    """
    if path.suffix == ".py":
        return read_rows_file(path)
    content = read_yaml(path)
    rows, file = content.get("rows", {}), content.get("rows_file")
    if not isinstance(rows, dict) or not isinstance(file, str | None):
        raise UserError(f"{path}: rows must be a mapping and rows_file a path, got {rows!r} and {file!r}")
    try:
        own = parse_rows(rows)
    except ValueError as error:
        raise UserError(f"{path}: rows.{error}") from error
    return (read_rows_file(path.resolve().parent / file) if file else {}) | own


def _require_valid(path: str, entry: SpaceRow) -> None:
    """Raise ValueError if TrainingConfig refuses an end of the row; a choice may need another setting."""
    if entry.path != path:
        raise ValueError(f"{path}: its `path` must be the same, got {entry.path!r}; leave it out")
    for value in (entry.low, entry.high):
        if value is None:
            continue
        try:
            apply_overrides(TrainingConfig(), {path: value})
        except UserError as error:
            raise ValueError(f"{path}: {str(error).removeprefix(f'{path}: ')}") from error
