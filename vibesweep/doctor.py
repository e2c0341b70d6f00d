"""`vibesweep doctor`: what would keep a sweep from working here, and what to do about it."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cluster.doctor.finding import Finding

__all__ = ["doctor"]

EXIT_UNFIT: Final = 4
"""The exit code of the infrastructure, whose failures these would become."""

_STYLES: Final = {"ok": "green", "warn": "yellow", "fail": "bold red"}


def doctor(
    storage: Annotated[
        str, typer.Option(help="Folder that holds, or will hold, the folders of sweeps; or its URL.")
    ] = "runs",
    address: Annotated[
        str | None,
        typer.Option(
            envvar="RAY_ADDRESS",
            help="Ray cluster to reach: http://HOST:8265, its dashboard; or HOST:6379. Else this machine.",
        ),
    ] = None,
    start_ray: Annotated[
        bool, typer.Option("--start-ray", help="Without an address: also start a Ray here, and end it again.")
    ] = False,
    models: Annotated[
        list[str] | None,
        typer.Option("--model", help="Base or CLAP model that has to be usable here; may be repeated."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> int:
    """Check Python, packages, GPU, Ray, ports, storage, model hub and weights; 4 if something fails."""
    from cluster.doctor.examination import examine  # noqa: PLC0415 - only this command needs it

    findings = examine(storage, address or None, start_ray=start_ray, models=models or ())
    is_fit = all(finding.status != "fail" for finding in findings)
    if as_json:
        print(json.dumps({"fit": is_fit, "findings": [asdict(finding) for finding in findings]}, indent=2))
    else:
        _print(findings)
    return 0 if is_fit else EXIT_UNFIT


def _print(findings: Sequence[Finding]) -> None:
    console, width = Console(), max(len(finding.check) for finding in findings)
    for finding in findings:
        line = Text.assemble(
            (f"{finding.status:<4}", _STYLES[finding.status]), f"  {finding.check:<{width}}  {finding.what}"
        )
        if finding.cure is not None:
            line.append(f"; cure: {finding.cure}")
        console.print(line, soft_wrap=True)  # one line each, however narrow the terminal
