"""`vibesweep rank`: the ranked outcomes of a sweep, from its ledger."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

__all__ = ["print_ranking", "rank"]


def rank(
    directory: Annotated[Path, typer.Argument(help="The sweep's folder, such as runs/quickstart.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Rank a sweep's configurations by their held-out objective, with 95 % intervals."""
    if as_json:
        from analysis import compute_ranking, load_sweep, ranking_json  # noqa: PLC0415

        print(json.dumps(ranking_json(compute_ranking(load_sweep(directory))), indent=2))
    else:
        print_ranking(directory)


def print_ranking(directory: Path) -> None:
    """Print the ranked table of a sweep.

    Raises:
        UserError: the folder is no sweep.
    """
    from analysis import compute_ranking, load_sweep, render_ranking  # noqa: PLC0415

    # A pipe has no width; 100 columns hold the table.
    console = Console() if sys.stdout.isatty() else Console(width=100)
    console.print(render_ranking(compute_ranking(load_sweep(directory))))
