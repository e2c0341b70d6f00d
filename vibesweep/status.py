"""`vibesweep status`: how far a sweep is, and how its scorers do, from what its directory says."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.table import Table

from common.race import RaceRecord
from common.records import TRIAL_FILE, ResultRecord, TrialRecord

__all__ = ["status"]

_ENDS: Final = ("finished", "stopped", "failed")


def status(
    directory: Annotated[Path, typer.Argument(help="The sweep's folder, such as runs/quickstart.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show how far a sweep is, on the machine that drives it or where its folder is shared."""
    found = _status(directory)
    if as_json:
        print(json.dumps(found, indent=2))
        return
    table = Table.grid(padding=(0, 2))
    for name, text in _lines(found):
        table.add_row(name, text)
    # A pipe has no width; 100 columns hold the table.
    console = Console() if sys.stdout.isatty() else Console(width=100)
    console.print(table)


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
    return {
        "name": sweep.name,
        "driven": is_driven(directory),
        "trials": {
            "planned": num_planned(sweep) + num_baselines + num_added,
            "added": num_added,
            "open": len(folders) - len(ended),
            **dict.fromkeys(_ENDS, 0),
            **Counter(result.status for _, result in ended),
        },
        "best": {"objective": best[0], "label": best[1].label, "seed": best[1].seed} if best else None,
        "scorers": pool.model_dump() if pool.at else None,
        "spent": {"hours": spent.hours, "gpu_hours": spent.gpu_hours},
        "budget": sweep.budget.model_dump(exclude_none=True, exclude={"price_per_gpu_hour"}),
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
    return [*lines, ("spent", f"{used}; the limits are {limits}" if limits else used)]


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
