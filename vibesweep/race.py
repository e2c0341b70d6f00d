"""`vibesweep sweep race`: more seeds for the configurations that may be the best, until that is known."""

from __future__ import annotations

import sys
from typing import Annotated, Final

import typer

from vibesweep.rank import print_ranking

__all__ = ["race"]

EXIT_FAILED: Final = 1
EXIT_OVER_BUDGET: Final = 3
_VERDICTS: Final = {
    "known": "The best is known",
    "cannot be told": "The best cannot be told",
    "budget": "The budget is gone before the best is known",
    "failed": "The race was given up",
}


def race(
    directory: Annotated[
        str, typer.Argument(help="The sweep's folder, such as runs/quickstart, or its URL, such as s3://…")
    ],
    until: Annotated[
        float, typer.Option(min=0.51, max=0.999, help="Probability from which the best is known.")
    ] = 0.95,
    max_trials: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Trials to add at most, earlier races of this folder included; by default as many as the "
            "sweep has itself.",
        ),
    ] = None,
) -> int:
    """Add seeds to the configurations that may be the best, until it is known or the budget is gone.

    A race that was stopped goes on with the same command. 3 if the budget ended it, 1 if trials failed.
    """
    from analysis import load_sweep  # noqa: PLC0415
    from analysis.racing import race_step  # noqa: PLC0415
    from cluster.bucket.sweep_place import working_directory  # noqa: PLC0415 - imports ray
    from cluster.race import run_race  # noqa: PLC0415

    work = working_directory(directory)
    outcome = run_race(
        directory,
        lambda num_left: race_step(load_sweep(work), until=until, num_left=num_left),
        most_added=max_trials,
    )
    for failed in outcome.sweep.failed:
        print(f"failed: {failed.trial_id} ({failed.label}): {failed.reason}", file=sys.stderr)
    print_ranking([work])
    added = f"{outcome.num_added} trial{'' if outcome.num_added == 1 else 's'} added"
    print(f"\n{_VERDICTS[outcome.verdict]} ({added}): {outcome.reason}.")
    if outcome.verdict == "budget":
        return EXIT_OVER_BUDGET
    return EXIT_FAILED if outcome.verdict == "failed" or outcome.sweep.failed else 0
