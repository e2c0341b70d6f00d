"""`vibesweep importance`: which settings of a sweep matter."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

__all__ = ["importance"]


def importance(
    directories: Annotated[
        list[str], typer.Argument(help="The sweep's folder or URL; of several, all of them as one sweep.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Say which settings matter, alone and in pairs, and how the objective answers to each."""
    from rich.console import Console  # noqa: PLC0415

    from analysis import compute_ranking, load_sweeps  # noqa: PLC0415
    from analysis.effects import compute_effects  # noqa: PLC0415
    from analysis.effects_table import effects_json, render_effects  # noqa: PLC0415

    sweep = load_sweeps(directories)
    effects = compute_effects(sweep, compute_ranking(sweep))
    if as_json:
        print(json.dumps(effects_json(effects), indent=2))
    else:
        console = Console() if sys.stdout.isatty() else Console(width=100)
        console.print(render_effects(effects))
