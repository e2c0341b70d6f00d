"""`vibesweep rank`: the ranked outcomes of a sweep, from its ledger."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from common.errors import UserError

if TYPE_CHECKING:
    from analysis import Ranking

__all__ = ["print_ranking", "rank"]


def rank(
    directory: Annotated[Path, typer.Argument(help="The sweep's folder, such as runs/quickstart.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Rank a sweep's configurations by their held-out objective, with 95 % intervals."""
    if as_json:
        from analysis import ranking_json  # noqa: PLC0415

        print(json.dumps(ranking_json(_ranking(directory)), indent=2))
    else:
        print_ranking(directory)


def print_ranking(directory: Path) -> None:
    """Print the ranked table of a sweep.

    Raises:
        UserError: the folder is no sweep.
    """
    from analysis import render_ranking  # noqa: PLC0415

    # A pipe has no width; 100 columns hold the table.
    console = Console() if sys.stdout.isatty() else Console(width=100)
    console.print(render_ranking(_ranking(directory)))


def _ranking(directory: Path) -> Ranking:
    """The ranking, with the kept noise floors where they can be read.

    Without them the outcome of hours stands all the same, so a broken file is only told.
    """
    from analysis import compute_ranking, load_sweep  # noqa: PLC0415
    from common.noise_floor import noise_floors_file, read_noise_floors  # noqa: PLC0415

    sweep, floors = load_sweep(directory), None
    try:
        floors = read_noise_floors(noise_floors_file())
    except UserError as error:
        print(f"ranked without a noise floor: {error}", file=sys.stderr)
    return compute_ranking(sweep, noise_floors=floors)
