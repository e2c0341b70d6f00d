"""`vibesweep status`: how far a sweep is, and how its scorers do, from what its directory says.

Of a job, Ray is asked first; its sweep's directory is read here where it is shared, else on the cluster.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.console import Console
from rich.table import Table

from cluster.bucket.url import is_url
from common.errors import ClusterError
from common.race import RaceRecord
from common.records import TRIAL_FILE, ResultRecord, TrialRecord
from search_spaces.sweep_record import SWEEP_RECORD, SweepRecord
from vibesweep.cluster_options import DEFAULT_ADDRESS, Address

if TYPE_CHECKING:
    from cluster.jobs.client import Job, Jobs

__all__ = ["status"]

_ENDS: Final = ("finished", "stopped", "failed")


def status(
    target: Annotated[
        str,
        typer.Argument(metavar="DIR|URL|JOB", help="A sweep's folder or its URL, or a job's id."),
    ],
    address: Address = DEFAULT_ADDRESS,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show how far a sweep is: by its folder, here or where that is shared, or by its job on a cluster."""
    if is_url(target):
        found = _bucket_status(target)
    else:
        is_folder = "/" in target or Path(target).is_dir()
        found = _status(Path(target)) if is_folder else _job_status(target, address)
    if as_json:
        print(json.dumps(found, indent=2))
        return
    table = Table.grid(padding=(0, 2))
    for name, text in [*_job_lines(found.get("job")), *(_lines(found) if "name" in found else [])]:
        table.add_row(name, text)
    # A pipe has no width; 100 columns hold the table.
    console = Console(markup=False) if sys.stdout.isatty() else Console(width=100, markup=False)
    console.print(table)


def _job_status(job_id: str, address: str) -> dict[str, Any]:
    """What Ray says of a job, under `job`, beside the status of its sweep where that can be had.

    Raises:
        UserError: there is no such job.
        ClusterError: the cluster does not answer.
    """
    from cluster.jobs.client import Jobs  # noqa: PLC0415 - imports ray
    from cluster.jobs.outcome import exit_code_of, in_words, told_reasons  # noqa: PLC0415

    try:
        jobs = Jobs(address)
    except ClusterError as error:
        raise ClusterError(f"{job_id!r} is no folder here, and no job to ask for: {error}") from error
    job = jobs.find(job_id)
    told = {
        "id": job.id,
        "state": job.state.value,
        "exit_code": exit_code_of(job) if job.state.is_terminal() else None,
        "means": in_words(job),
        "reasons": told_reasons(jobs.log(job_id)),
        "directory": job.directory,
        "trouble": None,
    }
    if job.directory is None:
        return {"job": told | {"trouble": "not sent by `vibesweep submit`; ask for its folder on a node"}}
    try:
        return {"job": told} | _of_job(jobs, job)
    except ClusterError as error:
        return {"job": told | {"trouble": str(error)}}


def _of_job(jobs: Jobs, job: Job) -> dict[str, Any]:
    """The status of a job's sweep, from its folder where that is here, else as the cluster's head sees it.

    Raises:
        ClusterError: the head cannot say.
    """
    assert job.directory is not None
    here = Path(job.directory)
    if (here / SWEEP_RECORD).is_file() and job.fingerprint:
        record = SweepRecord.read(here)
        if record is not None and record.fingerprint == job.fingerprint:
            return _status(here)
    log = jobs.ask(["python", "-m", "vibesweep", "status", job.directory, "--json"], package=job.package)
    lines = log.splitlines()
    content: dict[str, Any] = json.loads("\n".join(lines[lines.index("{") :]))
    return content


def _bucket_status(url: str) -> dict[str, Any]:
    """
    Raises:
        UserError: there is no sweep.
        ClusterError: the bucket does not answer.
    """
    from cluster.bucket.driver import pull_records  # noqa: PLC0415 - imports ray
    from cluster.bucket.lease import is_driven_there  # noqa: PLC0415
    from cluster.bucket.remote import Remote  # noqa: PLC0415
    from cluster.bucket.sweep_place import stored_at  # noqa: PLC0415
    from cluster.bucket.working_copy import WorkingCopy  # noqa: PLC0415

    stored_at(url)
    remote = Remote.at(url)
    with TemporaryDirectory() as folder:
        pull_records(remote, WorkingCopy(remote, Path(folder)))
        return _status(Path(folder)) | {"driven": is_driven_there(remote)}


def _job_lines(job: dict[str, Any] | None) -> list[tuple[str, str]]:
    if job is None:
        return []
    lines = [("job", f"{job['id']}: {job['means']}"), *(("", reason) for reason in job["reasons"])]
    if job["directory"]:
        lines.append(("folder", job["directory"]))
    return [*lines, *([("sweep", job["trouble"])] if job["trouble"] else [])]


def _status(directory: Path) -> dict[str, Any]:
    """
    Raises:
        UserError: the folder is no sweep.
    """
    from cluster.driver_lease import is_driven  # noqa: PLC0415
    from cluster.plan import num_planned  # noqa: PLC0415 - imports optuna
    from cluster.scoring.report import PoolReport  # noqa: PLC0415
    from cluster.spent import SpentRecord  # noqa: PLC0415
    from cluster.sweep_directory import stored_sweep  # noqa: PLC0415

    sweep = stored_sweep(directory).sweep
    folders = sorted(path.parent for path in directory.glob(f"trials/*/{TRIAL_FILE}"))
    ended = [
        (TrialRecord.read(folder), result) for folder in folders if (result := ResultRecord.read(folder))
    ]
    best = max(
        (
            (result.objective, record)
            for record, result in ended
            if record.kind == "trial" and result.objective is not None
        ),
        key=lambda pair: pair[0],
        default=None,
    )
    num_baselines = sum(TrialRecord.read(folder).kind != "trial" for folder in folders)
    num_added = RaceRecord.read(directory).num_added
    pool, spent = PoolReport.read(directory), SpentRecord.read(directory)
    planned = num_planned(sweep) + num_baselines + num_added
    limits = sweep.budget
    used = {"hours": spent.hours, "gpu_hours": spent.gpu_hours}
    if limits.price_per_gpu_hour is not None:
        used["money"] = spent.gpu_hours * limits.price_per_gpu_hour
    return {
        "name": sweep.name,
        "driven": is_driven(directory),
        "trials": {
            "planned": planned,
            "added": num_added,
            "open": len(folders) - len(ended),
            **dict.fromkeys(_ENDS, 0),
            **Counter(result.status for _, result in ended),
        },
        "best": {"objective": best[0], "label": best[1].label, "seed": best[1].seed} if best else None,
        "scorers": pool.model_dump() if pool.at else None,
        "spent": {"hours": spent.hours, "gpu_hours": spent.gpu_hours},
        "budget": limits.model_dump(exclude_none=True, exclude={"price_per_gpu_hour"}),
        "left": {
            # As if the trials to come took as long as those that have ended.
            "hours": spent.hours / len(ended) * max(0, planned - len(ended)) if ended else None,
            "budget": {
                name: max(0.0, limit - spending)
                for name, spending in used.items()
                if (limit := getattr(limits, name)) is not None
            },
        },
    }


def _lines(found: dict[str, Any]) -> list[tuple[str, str]]:
    trials, best, scorers, spent = found["trials"], found["best"], found["scorers"], found["spent"]
    states = ", ".join(f"{trials[state]} {state}" for state in _ENDS if trials[state])
    added = f" and {trials['added']} that races added" if trials["added"] else ""
    lines = [
        (found["name"], "a driver is at work" if found["driven"] else "no driver is at work"),
        (
            "trials",
            f"{trials['planned']} with baselines{added}: {states or 'none ended'}, {trials['open']} open",
        ),
    ]
    if best:
        lines.append(
            ("best", f"{best['objective']:.3f}  {best['label']}, seed {best['seed']} (one trial, no ranking)")
        )
    if scorers:
        lines += _scorer_lines(scorers, time.time(), is_driven=found["driven"])
    limits = ", ".join(f"{name} {value:g}" for name, value in found["budget"].items())
    used = f"{spent['hours']:.2f} hours, {spent['gpu_hours']:.2f} of GPUs"
    lines.append(("spent", f"{used}; the limits are {limits}" if limits else used))
    left, budget = found["left"]["hours"], found["left"]["budget"]
    if left is not None and left > 0:
        rest = ", ".join(f"{name} {value:.3g}" for name, value in budget.items())
        time_left = f"about {left:.1f} h" if left >= 1 else f"about {max(1, round(60 * left))} min"
        lines.append(("left", f"{time_left} of trials" + (f"; of the budget {rest}" if rest else "")))
    return lines


def _scorer_lines(pool: dict[str, Any], now: float, *, is_driven: bool) -> list[tuple[str, str]]:
    """What the pool of the latest driver did since that began; how many it has only while it is there."""
    work = ["gone with their driver"]
    if is_driven:
        work = [f"{pool['scorers']} of {pool['wanted_scorers']}", f"{pool['answers_per_s']:.1f} scores/s"]
    if pool["mean_batch"] is not None:
        work.append(f"{pool['mean_batch']:.1f} clips a batch")
    if pool["hit_rate"] is not None:
        work.append(f"{pool['hit_rate']:.0%} from the cache")
    if pool["latency_p50_s"] is not None:
        work.append(f"{pool['latency_p50_s']:.2f} s median, {pool['latency_p95_s']:.2f} s at 95 %")
    state = [
        *([f"{pool['unanswered']} in the queue"] if is_driven else []),
        f"{pool['answered']} answered",
        f"{pool['unscored']} unscored",
        f"{pool['lost_scorers']} scorers lost",
        f"{max(0.0, now - pool['at']):.0f} s ago",
    ]
    return [("scorers", ", ".join(work)), ("", ", ".join(state))]
