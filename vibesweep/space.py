"""`vibesweep space list`: every setting worth searching, from the one table."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from search_spaces.table_text import COLUMNS, cells, markdown_table
from search_spaces.tables import rows_with
from search_spaces.user_rows import read_rows

__all__ = ["app"]

app = typer.Typer(help="What can be searched, and where.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    pass


@app.command("list")
def list_rows(
    rows: Annotated[
        Path | None, typer.Option(help="Rows of your own: a Python file with ROWS, or a sweep file.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON list.")] = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print the README's table.")] = False,
) -> None:
    """List every setting worth searching: range, scale, default, and what it changes."""
    table = rows_with(read_rows(rows).values() if rows else ())
    if as_json:
        print(json.dumps([row.model_dump(mode="json") for row in table], indent=2))
    elif as_markdown:
        print(markdown_table(table), end="")
    else:
        shown = Table(box=None, pad_edge=False)
        for number, name in enumerate(COLUMNS):
            shown.add_column(name, no_wrap=number == 0, overflow="fold")
        for row in table:
            # A list's brackets would be taken for markup.
            shown.add_row(*map(escape, cells(row)))
        # A pipe has no width; 150 columns hold the table.
        console = Console() if sys.stdout.isatty() else Console(width=150)
        console.print(shown)
