"""`vibesweep submit`: a sweep as a job of a Ray cluster."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer

from common.errors import UserError
from search_spaces import load_sweep_file
from vibesweep.cluster_options import DEFAULT_ADDRESS, Address
from vibesweep.jobs import watched
from vibesweep.options import existing_file, with_seeds

__all__ = ["submit"]


def submit(
    file: Annotated[Path, typer.Argument(metavar="SWEEP", help="Sweep file, inside the working directory.")],
    address: Address = DEFAULT_ADDRESS,
    storage: Annotated[
        str | None,
        typer.Option(
            help="Absolute folder that every node sees, or a URL: s3://…; the sweep file's by default."
        ),
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Follow it to its end, and end with its exit code.")
    ] = False,
    working_dir: Annotated[Path, typer.Option(help="Folder that is sent, less what is ignored.")] = Path(),
    env_var: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Also pass this variable's value, sealed; may be repeated."),
    ] = None,
    seeds: Annotated[str | None, typer.Option(help="Training seeds instead of the file's: 3,4,5.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Run it though its plan is over budget.")] = False,
    smoke: Annotated[bool, typer.Option("--smoke", help="As of `sweep run`: prove that it runs.")] = False,
) -> int:
    """Send a sweep to a cluster; sent again, it goes on where it stopped."""
    from cluster.jobs.client import Jobs  # noqa: PLC0415 - imports ray
    from cluster.jobs.credentials import ALWAYS, values_of  # noqa: PLC0415
    from cluster.jobs.package import biggest, in_mib, packed_files  # noqa: PLC0415
    from cluster.jobs.submission import check_here, job_folder, packed, send  # noqa: PLC0415
    from cluster.ray_token import ray_token  # noqa: PLC0415
    from search_spaces import smoke_sweep  # noqa: PLC0415

    root = working_dir.resolve()
    place = existing_file(file, "the sweep file").resolve()
    files = packed_files(root)
    if not place.is_relative_to(root) or place.relative_to(root).as_posix() not in {f.name for f in files}:
        raise UserError(
            f"the sweep file must be among what is sent, got {str(file)!r}; move it into {str(root)!r}, "
            "where no ignore file names it, or give another --working-dir"
        )
    sweep = with_seeds(load_sweep_file(place), seeds)
    if smoke:
        sweep, _ = smoke_sweep(sweep)
    folder = job_folder(sweep, storage)
    checked = check_here(sweep, root, files)
    credentials = values_of(env_var or ())
    if credentials and ray_token() is None:
        if env_var:
            raise UserError(
                "--env-var must have a token to be sealed with, got none; export RAY_AUTH_MODE=token and the "
                "cluster's RAY_AUTH_TOKEN, or set the variable on the nodes"
            )
        _say(f"not passed, for without a token it would be readable: {', '.join(credentials)}")
        credentials = {}

    command = ["python", "-m", "vibesweep", "sweep", "run", place.relative_to(root).as_posix()]
    command += ["--storage", (storage or sweep.storage or "").rstrip("/")]
    command += [*(["--seeds", seeds] if seeds else []), *(["--force"] if force else [])]
    command += ["--smoke"] if smoke else []
    package, size = packed(files)
    try:
        shown = ", ".join(f"{file.name} {in_mib(file.size)}" for file in biggest(files))
        _say(f"sending {len(files)} files, {in_mib(size)} packed; the biggest are {shown}")
        for path in checked.not_sent:
            _say(f"not sent, every node must have it: {path}")
        names = ", ".join(credentials) or f"none ({' and '.join(ALWAYS)} would be)"
        _say(f"variables passed, sealed: {names}")
        jobs = Jobs(address)
        if ray_token() is None:
            _say(f"warning: {address} takes jobs without a token; who reaches it can run anything on it")
        job_id = send(
            jobs,
            sweep,
            command,
            folder=folder,
            package=package,
            credentials=credentials,
            fingerprint=checked.fingerprint,
        )
    finally:
        shutil.rmtree(package.parent)
    print(job_id)
    _say(f"folder       {folder}")
    _say(f"follow       vibesweep logs {job_id} -f")
    _say(f"how far      vibesweep status {job_id}")
    _say(f"stop         vibesweep stop {job_id}")
    return watched(jobs, job_id) if wait else 0


def _say(text: str) -> None:
    print(text, file=sys.stderr)
