"""`vibesweep rank`: the ranked outcomes of a sweep, from its ledger."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import ValidationError
from rich.console import Console

from common.errors import UserError, first_problem
from common.reward_config import COMPONENTS, RewardWeights

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from analysis import Ranking, Sweep

__all__ = ["print_ranking", "rank", "stored_ranking"]


def rank(
    directories: Annotated[
        list[str],
        typer.Argument(
            help="The sweep's folder, such as runs/quickstart, or its URL, such as s3://…; of several, "
            "all of them as one sweep."
        ),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print the rows as CSV.")] = False,
    weights: Annotated[
        str | None,
        typer.Option(help="Other evaluation weights of format,schema,audio, such as 0.1,0.2,0.7."),
    ] = None,
) -> None:
    """Rank a sweep's configurations by their held-out objective, with 95 % intervals."""
    if as_json and as_csv:
        raise UserError("a ranking must be printed in one form, got --json and --csv; leave one out")
    other = None if weights is None else _weights(weights)
    if as_json:
        from analysis import ranking_json  # noqa: PLC0415

        print(json.dumps(ranking_json(stored_ranking(directories, other)[1]), indent=2))
    elif as_csv:
        from analysis.ranking_csv import ranking_csv  # noqa: PLC0415

        print(ranking_csv(stored_ranking(directories, other)[1]), end="")
    else:
        print_ranking(directories, other)


def print_ranking(directories: Sequence[Path | str], weights: RewardWeights | None = None) -> None:
    """Print the ranked table of a sweep, or of several as one.

    Args:
        directories: the sweeps' folders.
        weights: evaluation weights; the sweep's own where not given.

    Raises:
        UserError: a folder is no sweep, or two sweeps were not evaluated alike.
    """
    from analysis import render_ranking  # noqa: PLC0415

    # A pipe has no width; 100 columns hold the table.
    console = Console() if sys.stdout.isatty() else Console(width=100)
    console.print(render_ranking(stored_ranking(directories, weights)[1]))


def _weights(text: str) -> RewardWeights:
    rule = f"--weights must be {len(COMPONENTS)} numbers >= 0, of {', '.join(COMPONENTS)}"
    cure = "give them as 0.1,0.2,0.7"
    try:
        values = [float(part) for part in text.split(",")]
        named = {f"{name}_weight": value for name, value in zip(COMPONENTS, values, strict=True)}
    except ValueError as error:
        raise UserError(f"{rule}, got {text!r}; {cure}") from error
    try:
        return RewardWeights.model_validate(named)
    except ValidationError as error:
        raise UserError(f"{rule}, got {text!r} ({first_problem(error)}); {cure}") from error


def stored_ranking(
    directories: Sequence[Path | str], weights: RewardWeights | None = None
) -> tuple[Sweep, Ranking]:
    """A sweep and its ranking, with the kept noise floors where they can be read.

    Without them the outcome of hours stands all the same, so a broken file is only told.

    Args:
        directories: the sweep's folder or URL; those of several are ranked as one.
        weights: evaluation weights; the sweep's own where not given.

    Raises:
        UserError: a folder is no sweep, or they cannot be ranked as one.
    """
    from analysis import compute_ranking, load_sweeps  # noqa: PLC0415
    from common.noise_floor import noise_floors_file, read_noise_floors  # noqa: PLC0415

    sweep, floors = load_sweeps(directories), None
    try:
        floors = read_noise_floors(noise_floors_file())
    except UserError as error:
        print(f"ranked without a noise floor: {error}", file=sys.stderr)
    return sweep, compute_ranking(sweep, noise_floors=floors, weights=weights)
