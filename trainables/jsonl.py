"""Files of one JSON object a line: all that is wrong with one is told at once."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from common.errors import ProblemsError, UserError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["Line", "each_line", "text_in"]

Made = TypeVar("Made")

_MOST_PROBLEMS: Final = 5
"""Broken lines that are told one by one; where there are more, it is rather the wrong file."""


class Line(NamedTuple):
    """A line that is not blank."""

    place: str
    """File and line number, from 1."""
    record: dict[str, Any]


def each_line(path: Path, make: Callable[[Line], Made]) -> list[Made]:
    """What is made of every line that is not blank, in the file's order.

    Args:
        path: the file.
        make: raises UserError for a line that it does not take.

    Raises:
        UserError: no such file, not UTF-8, or no line in it.
        ProblemsError: lines that are no objects or not taken, the first few of them one by one.
    """
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"data must be a readable UTF-8 JSONL file, got {str(path)!r} ({error}); check the path"
        ) from error
    made, problems = [], []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        place = f"{path} line {number}"
        try:
            made.append(make(Line(place, _record(place, line))))
        except UserError as error:
            problems.append(str(error))
    if further := len(problems[_MOST_PROBLEMS:]):
        problems[_MOST_PROBLEMS:] = [
            f"{path} has {further} more broken lines; check that it is the right file"
        ]
    if problems:
        raise ProblemsError(problems)
    if not made:
        raise UserError(f"{path} must have at least one row, got none; check that it is the right file")
    return made


def _record(place: str, line: str) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UserError(
            f"{place} must be one JSON object, got {line[:60]!r} ({error}); repair the line"
        ) from error
    if not isinstance(record, dict):
        raise UserError(f"{place} must be one JSON object, got {line[:60]!r}; repair the line")
    return record


def text_in(line: Line, field: str, setting: str) -> str:
    """The text in a field of a line.

    Args:
        line: the line.
        field: the field's name.
        setting: what names the field, for the message.

    Raises:
        UserError: there is none.
    """
    value = line.record.get(field)
    if not (isinstance(value, str) and value.strip()):
        raise UserError(
            f"{line.place}: field {field!r} must be a non-empty text, got {value!r}; add it, or name "
            f"another field in {setting} (the row has {', '.join(sorted(line.record)) or 'no fields'})"
        )
    return value
