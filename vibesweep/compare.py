"""`vibesweep compare`: several sweeps side by side."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from common.errors import UserError

__all__ = ["compare"]


def compare(
    directories: Annotated[
        list[str],
        typer.Argument(help="Folders or URLs of two sweeps or more; each is set against the first."),
    ],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a JSON list, one object a comparison.")
    ] = False,
) -> None:
    """Say how sweeps compare: the same configurations, best against best, and what differs."""
    from analysis import load_sweep  # noqa: PLC0415
    from analysis.compare import compare_sweeps  # noqa: PLC0415
    from analysis.comparison_text import comparison_json, comparison_text  # noqa: PLC0415

    if len(directories) < 2:
        raise UserError(
            f"compare must be given at least two sweeps, got {directories[0]} alone; name another"
        )
    comparisons = compare_sweeps([load_sweep(place) for place in directories])
    if as_json:
        print(json.dumps([comparison_json(one) for one in comparisons], indent=2))
    else:
        print("\n\n".join("\n".join(comparison_text(one)) for one in comparisons))
