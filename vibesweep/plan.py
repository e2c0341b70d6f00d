"""`vibesweep sweep plan`: what a sweep would run and what it costs; and what `sweep run` asks the plan."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from search_spaces import load_sweep_file
from search_spaces.user_code import user_code
from vibesweep.detection import planned_detection
from vibesweep.options import with_seeds
from vibesweep.plan_text import plan_json, print_plan

if TYPE_CHECKING:
    from cluster.sweep_plan import SweepPlan
    from search_spaces import SweepFile

__all__ = ["make_plan", "plan", "refuse_beyond_budget"]


def plan(
    file: Annotated[Path, typer.Argument(help="Sweep file, YAML.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    calibrate: Annotated[
        bool,
        typer.Option("--calibrate", help="Measure a step and a scoring batch here first."),
    ] = False,
    seeds: Annotated[str | None, typer.Option(help="Training seeds instead of the file's: 3,4,5.")] = None,
    cpus: Annotated[
        float | None, typer.Option(min=1, help="CPUs of the cluster; this machine's by default.")
    ] = None,
    gpus: Annotated[
        float | None, typer.Option(min=0, help="GPUs of the cluster; this machine's by default.")
    ] = None,
) -> None:
    """Show what a sweep would run, what is left out and why, and what it costs; nothing is run."""
    sweep = with_seeds(load_sweep_file(file), seeds)
    made = make_plan(sweep, calibrate=calibrate, cpus=cpus, gpus=gpus)
    detection = planned_detection(sweep, num_compared=made.num_points)
    if as_json:
        print(json.dumps(plan_json(made, detection), indent=2))
    else:
        print_plan(made, file, detection)


def make_plan(
    sweep: SweepFile, *, calibrate: bool = False, cpus: float | None = None, gpus: float | None = None
) -> SweepPlan:
    """The plan of a sweep on this machine, from the stored calibrations.

    Args:
        sweep: what would run.
        calibrate: measure first.
        cpus: CPUs of the cluster; this machine's where not given.
        gpus: GPUs of the cluster; this machine's where not given.

    Raises:
        UserError: the sweep's models or data are not there.
        TrialError: the calibration cannot train the policy.
        ClusterError: the calibration's process died.
    """
    from cluster.calibrations import calibrations_file, read_calibrations, store_calibrations  # noqa: PLC0415
    from cluster.machine import this_machine  # noqa: PLC0415
    from cluster.plan import check_parts  # noqa: PLC0415
    from cluster.prompt_lengths import PromptLengths  # noqa: PLC0415
    from cluster.sweep_plan import plan_sweep  # noqa: PLC0415
    from trainables.data import data_path, load_rows  # noqa: PLC0415

    check_parts(sweep)
    machine = this_machine(cpus, gpus)
    path = calibrations_file()
    if calibrate:
        from cluster.calibrate import calibrate as measure  # noqa: PLC0415

        read_calibrations(path)  # refused before minutes are spent
        for line in user_code(sweep):
            _say(f"runs code of yours: {line}")
        store_calibrations(path, measure(sweep, machine, _say))
        _say(f"kept in {path}")
    held_out = load_rows(data_path(sweep.data.held_out, "held_out"), sweep.base_config().data)
    return plan_sweep(
        sweep,
        machine,
        read_calibrations(path),
        PromptLengths(data_path(sweep.data.train, "train")),
        num_held_out=len(held_out),
    )


def refuse_beyond_budget(sweep: SweepFile, file: Path) -> None:
    """Raise OverBudgetError if a sweep's plan goes over its budget; what is not known is said on stderr."""
    from cluster.planned_budget import refuse_over_budget  # noqa: PLC0415

    budget = sweep.budget
    if not any((budget.trials, budget.hours, budget.gpu_hours, budget.money)):
        return
    made = make_plan(sweep)
    if "RAY_ADDRESS" in os.environ:
        # The sweep runs on a cluster, and this machine's cost is not its.
        refuse_over_budget([line for line in made.budget if line.name == "trials"])
        return
    refuse_over_budget(made.budget)
    unknown = [line.name for line in made.budget if line.status == "unknown"]
    if unknown:
        reason = (made.cost.unknown or "").replace("FILE", str(file))
        _say(f"budget: {', '.join(unknown)} cannot be checked before the sweep runs: {reason}")


def _say(text: str) -> None:
    print(text, file=sys.stderr)
