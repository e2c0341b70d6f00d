"""Options that the commands for a cluster's jobs share."""

from __future__ import annotations

from typing import Annotated, Final

import typer

__all__ = ["DEFAULT_ADDRESS", "Address", "JobId"]

DEFAULT_ADDRESS: Final = "http://127.0.0.1:8265"
"""Where Ray's dashboard is by default, on this machine or forwarded to it."""

Address = Annotated[
    str,
    typer.Option(
        envvar=["RAY_API_SERVER_ADDRESS", "RAY_ADDRESS"],
        help="The cluster's dashboard, http://HOST:8265; its token as for `ray job`.",
    ),
]

JobId = Annotated[str, typer.Argument(metavar="JOB", help="The job's id, as `vibesweep list` shows it.")]
