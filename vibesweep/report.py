"""`vibesweep report`: a sweep's outcome as one HTML file to read and to listen to."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from common.errors import UserError
from common.records import write_text_atomically
from vibesweep.rank import stored_ranking

__all__ = ["REPORT_FILE", "report", "write_report"]

REPORT_FILE: Final = Path("report") / "index.html"
"""In the sweep's folder."""


def report(
    directory: Annotated[
        str, typer.Argument(help="The sweep's folder, such as runs/quickstart, or its URL, such as s3://…")
    ],
    output: Annotated[
        Path | None, typer.Option(help="The file to write; DIRECTORY/report/index.html by default.")
    ] = None,
    no_audio: Annotated[
        bool, typer.Option("--no-audio", help="Leave the sounds out: a few megabytes less.")
    ] = False,
) -> None:
    """Write a sweep's outcome as one HTML file: ranking, re-weighting, plots, sounds, settings."""
    print(write_report(directory, output, audio=not no_audio))


def write_report(directory: Path | str, output: Path | None = None, *, audio: bool = True) -> Path:
    """Write the report of a sweep.

    Args:
        directory: the sweep's folder, or its URL.
        output: the file; in the sweep's folder where not given. What is there is replaced.
        audio: whether the sounds come along.

    Returns:
        The file.

    Raises:
        UserError: the folder is no sweep, or the file cannot be written.
    """
    place = str(directory)
    if output is None and "://" in place:
        raise UserError(
            f"--output must be given for a sweep in a bucket, got none; add --output {REPORT_FILE.name}"
        )
    path = output or Path(place) / REPORT_FILE
    if path.is_dir():
        raise UserError(
            f"--output must be a file, got the folder {str(path)!r}; add a name such as report.html"
        )
    sweep, ranking = stored_ranking([directory])
    from analysis.report import render_page, report_data  # noqa: PLC0415 - imports plotly

    page = render_page(*report_data(sweep, ranking, place, audio=audio))
    try:
        write_text_atomically(path, page)
    except OSError as error:
        raise UserError(
            f"--output must be writable, got {str(path)!r} ({error}); give another file"
        ) from error
    return path
