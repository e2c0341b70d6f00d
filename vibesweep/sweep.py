"""`vibesweep sweep plan|run|resume|race`: many trials on Ray, ranked at the end."""

from __future__ import annotations

import sys
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Final

import typer

from cluster.bucket.url import shown as shown_url
from search_spaces import load_sweep_file, smoke_sweep
from vibesweep.options import with_seeds
from vibesweep.plan import plan, refuse_beyond_budget
from vibesweep.race import race
from vibesweep.rank import print_ranking
from vibesweep.report import write_report

if TYPE_CHECKING:
    from cluster.sweep import SweepOutcome

__all__ = ["app"]

EXIT_OVER_BUDGET: Final = 3

app = typer.Typer(help="Run many trials and keep every outcome.", no_args_is_help=True)
app.command("plan")(plan)
app.command("race")(race)


@app.command()
def run(
    file: Annotated[Path, typer.Argument(help="Sweep file, YAML.")],
    storage: Annotated[
        str | None,
        typer.Option(help="Folder that will hold the sweep's own folder, or URL: s3://…; runs/ by default."),
    ] = None,
    seeds: Annotated[str | None, typer.Option(help="Training seeds instead of the file's: 3,4,5.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what the folder holds.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Run it though its plan is over budget.")] = False,
    smoke: Annotated[
        bool,
        typer.Option("--smoke", help="Prove that it runs: tiny policy, 2 points, 2 steps, in NAME-smoke."),
    ] = False,
) -> int:
    """Run a sweep; the same sweep already there and unfinished goes on where it stopped."""
    sweep = with_seeds(load_sweep_file(file), seeds)
    if smoke:
        sweep, changes = smoke_sweep(sweep)
        for change in changes:
            print(f"smoke: {change}", file=sys.stderr)
        overwrite = True
    elif not force:
        refuse_beyond_budget(sweep, file)
    from cluster.sweep import run_sweep  # noqa: PLC0415 - imports ray
    from cluster.sweep_directory import sweep_directory  # noqa: PLC0415

    return _finish(run_sweep(sweep, sweep_directory(sweep, storage), overwrite=overwrite))


@app.command()
def resume(
    directory: Annotated[str, typer.Argument(help="The sweep's folder, or its URL, such as s3://…")],
) -> int:
    """Go on with a sweep that was stopped or killed."""
    from cluster.sweep import resume_sweep  # noqa: PLC0415 - imports ray

    return _finish(resume_sweep(directory))


def _finish(outcome: SweepOutcome) -> int:
    """Print the ranked outcome and where everything lies; 3 if the budget ended it, 1 if a trial failed."""
    directory = outcome.directory
    if outcome.was_done:
        print(
            f"{outcome.bucket or directory} holds this sweep, finished; nothing was left to run",
            file=sys.stderr,
        )
    for failed in outcome.failed:
        print(f"failed: {failed.trial_id} ({failed.label}): {failed.reason}", file=sys.stderr)
    if outcome.stopped_by is not None:
        print(
            f"stopped at {outcome.stopped_by}; raise it in the sweep file and run that again to go on",
            file=sys.stderr,
        )
    print_ranking([directory])
    shown = outcome.bucket or _shortest(directory)
    report = _report(outcome)
    print(f"\nsweep        {shown}")
    if report:
        print(f"report       {report}")
    inside = shown_url(str(shown)) if outcome.bucket else shown
    print(f"ledger       {inside}/trials/*/ledger/*.parquet")
    print(f"adapters     {inside}/trials/*/adapter")
    print(f"again        vibesweep rank {quote(str(shown))}")
    print(f"curves       tensorboard --logdir {inside}/tensorboard")
    if outcome.stopped_by is not None:
        return EXIT_OVER_BUDGET
    return 1 if outcome.failed else 0


def _report(outcome: SweepOutcome) -> Path | str | None:
    """Write the report. Whatever keeps it from being written is told, and the sweep's outcome stands."""
    from cluster.bucket.sweep_place import put_report  # noqa: PLC0415 - imports ray

    directory = _shortest(outcome.directory)
    try:
        report = write_report(directory)
        if outcome.bucket is None:
            return report
        put_report(outcome.bucket, directory, report)
        return f"{shown_url(outcome.bucket)}/{report.relative_to(directory)} (here in {report})"
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        print(
            f"no report was written ({reason}); try again with: vibesweep report {directory}", file=sys.stderr
        )
        return None


def _shortest(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
