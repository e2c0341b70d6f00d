"""`vibesweep list|logs|stop`: the jobs of a Ray cluster."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from vibesweep.cluster_options import DEFAULT_ADDRESS, Address, JobId

if TYPE_CHECKING:
    from cluster.jobs.client import Job, Jobs

__all__ = ["list_jobs", "logs", "stop", "watched", "when"]


def list_jobs(
    address: Address = DEFAULT_ADDRESS,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON array.")] = False,
) -> None:
    """List the jobs of a cluster, latest first."""
    from cluster.jobs.client import Jobs  # noqa: PLC0415 - imports ray
    from cluster.jobs.outcome import exit_code_of, in_words  # noqa: PLC0415

    found = Jobs(address).all()
    if as_json:
        rows = [
            {
                "id": job.id,
                "state": job.state.value,
                "exit_code": exit_code_of(job) if job.state.is_terminal() else None,
                "sweep": job.sweep,
                "directory": job.directory,
                "command": job.command,
                "started_ms": job.started_ms,
                "ended_ms": job.ended_ms,
            }
            for job in found
        ]
        print(json.dumps(rows, indent=2))
        return
    if not found:
        print(f"no jobs at {address}")
        return
    table = Table("job", "state", "started", "took", "folder or command", box=None, pad_edge=False)
    for job in found:
        table.add_row(job.id, in_words(job), when(job), _took(job), job.directory or job.command)
    # A pipe has no width.
    Console(width=None if sys.stdout.isatty() else 160, highlight=False, markup=False).print(table)


def logs(
    job: JobId,
    address: Address = DEFAULT_ADDRESS,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the job has ended.")] = False,
) -> None:
    """Print what a job has said."""
    from cluster.jobs.client import Jobs  # noqa: PLC0415 - imports ray

    jobs = Jobs(address)
    if follow:
        jobs.follow(job, _show)
    else:
        _show(jobs.log(job))


def stop(job: JobId, address: Address = DEFAULT_ADDRESS) -> None:
    """Stop a job: running trials write checkpoints first. A second stop ends it at once."""
    from cluster.jobs.client import Jobs  # noqa: PLC0415 - imports ray
    from cluster.jobs.outcome import in_words  # noqa: PLC0415
    from cluster.stopping import is_stopping  # noqa: PLC0415

    jobs = Jobs(address)
    found = jobs.find(job)
    if found.state.is_terminal():
        print(f"{job} has ended: {in_words(found)}")
    elif found.pid is not None and is_stopping(jobs.log(job)):
        jobs.signal_again(found)
        print(f"{job} ends at once; its trials go on from their last checkpoints when it is submitted again")
    else:
        jobs.stop(job)
        print(
            f"{job} is stopping: its trials write checkpoints, and then it ends (`vibesweep logs {job} -f`); "
            "the same command again ends it at once"
        )


def watched(jobs: Jobs, job_id: str) -> int:
    """Show what a job says until it has ended; then how, and its exit code."""
    from cluster.jobs.outcome import exit_code_of, in_words  # noqa: PLC0415 - imports ray

    try:
        jobs.follow(job_id, _show)
    except KeyboardInterrupt:
        print(f"\nthe job goes on; `vibesweep stop {job_id}` ends it", file=sys.stderr)
        raise
    job = jobs.find(job_id)
    print(f"{job_id}: {in_words(job)}", file=sys.stderr)
    return exit_code_of(job)


def when(job: Job) -> str:
    """When a job started, in UTC."""
    if job.started_ms is None:
        return "-"
    return f"{datetime.fromtimestamp(job.started_ms / 1000, UTC):%Y-%m-%d %H:%M} UTC"


def _took(job: Job) -> str:
    if job.started_ms is None or job.ended_ms is None:
        return "-"
    minutes, seconds = divmod((job.ended_ms - job.started_ms) // 1000, 60)
    return f"{minutes}m{seconds:02d}s"


def _show(text: str) -> None:
    print(text, end="", flush=True)
