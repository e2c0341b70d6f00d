"""The tables as text: cells for a terminal, Markdown for the README."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from search_spaces.tables import SpaceRow

__all__ = ["COLUMNS", "cells", "markdown_table"]

COLUMNS: Final = ("setting", "default", "range", "scale", "priority", "impact")


def cells(row: SpaceRow) -> tuple[str, ...]:
    """A row as the text of `COLUMNS`; ranges include both ends."""
    if row.choices is not None:
        span = ", ".join(_short(choice) for choice in row.choices)
    else:
        span = "text" if row.kind == "text" else f"{_short(row.low)} to {_short(row.high)}"
    scale = f"{row.kind}, {row.scale}".replace("_", " ") if row.scale else row.kind
    return (row.path, _short(row.default), span, scale, row.priority, row.impact)


def markdown_table(rows: Iterable[SpaceRow]) -> str:
    """The rows as a Markdown table, a line for each."""
    lines = [f"| {' | '.join(COLUMNS)} |", "|---" * len(COLUMNS) + "|"]
    for row in rows:
        path, *others = cells(row)
        lines.append(f"| {' | '.join([f'`{path}`', *(text.replace('|', '&#124;') for text in others)])} |")
    return "\n".join(lines) + "\n"


def _short(value: Any) -> str:
    """A value in a few characters: lists of modules by their number, numbers without trailing zeros."""
    match value:
        case None:
            return "-"
        case bool():
            return str(value).lower()
        case float():
            return f"{value:g}"
        case list() | tuple():
            shown = ", ".join(map(str, value[:2]))
            return f"[{shown}]" if len(value) <= 2 else f"[{shown}, ... {len(value)} in all]"
    return str(value)
