"""`vibesweep sweep plan`: a sweep's plan as a table for people and as JSON for scripts."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from search_spaces import GridAxis, RangeAxis, load_sweep_file
from vibesweep.options import with_seeds

if TYPE_CHECKING:
    from cluster.cost import Split
    from cluster.sweep_plan import SweepPlan
    from search_spaces import Axis, SweepFile

__all__ = ["make_plan", "plan", "plan_json", "print_plan", "refuse_beyond_budget"]

_MOST_ROWS = 50


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
    made = make_plan(with_seeds(load_sweep_file(file), seeds), calibrate=calibrate, cpus=cpus, gpus=gpus)
    if as_json:
        print(json.dumps(plan_json(made), indent=2))
    else:
        print_plan(made, file)


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
    """Raise UserError if a sweep's plan goes over its budget; what is not known is said on stderr."""
    from cluster.budget import refuse_over_budget  # noqa: PLC0415

    budget = sweep.budget
    if not any((budget.trials, budget.hours, budget.gpu_hours, budget.money)):
        return
    made = make_plan(sweep)
    refuse_over_budget(made.budget)
    unknown = [line.name for line in made.budget if line.status == "unknown"]
    if unknown:
        reason = (made.cost.unknown or "").replace("FILE", str(file))
        _say(f"budget: {', '.join(unknown)} cannot be checked before the sweep runs: {reason}")


def plan_json(plan: SweepPlan) -> dict[str, Any]:
    """The plan as one JSON object."""
    cost, trial = plan.cost, plan.cost.trial
    return {
        "name": plan.name,
        "mode": plan.mode,
        "num_points": plan.num_points,
        "num_trials": plan.num_trials,
        "num_baselines": plan.num_baselines,
        "trials": [one._asdict() for one in plan.trials],
        "space": {path: axis.model_dump(mode="json") for path, axis in plan.space.items()},
        "cells": list(plan.cells),
        "duplicates": [one._asdict() for one in plan.duplicates],
        "excluded": [one._asdict() for one in plan.excluded],
        "invalid": [one._asdict() for one in plan.invalid],
        "warnings": list(plan.warnings),
        "cost": {
            "known": cost.unknown is None,
            "reason": cost.unknown,
            "hours": cost.own.hours if cost.own else None,
            "gpu_hours": cost.own.gpu_hours if cost.own else None,
            "money": cost.money,
            "parts": None
            if trial is None
            else {
                "start_s": trial.start_s,
                "generation_s_per_step": trial.generation_s,
                "scoring_s_per_step": trial.scoring_s,
                "learning_s_per_step": trial.learning_s,
                "generation_s_per_evaluation": trial.evaluation_generation_s,
                "scoring_s_per_evaluation": trial.evaluation_scoring_s,
                "steps": trial.steps,
                "evaluations": trial.evaluations,
            },
            "split": _split_json(cost.own),
            "best": _split_json(cost.best),
            "splits": [_split_json(one) for one in cost.splits],
        },
        "budget": {
            line.name: {"limit": line.limit, "planned": line.planned, "status": line.status}
            for line in plan.budget
        },
    }


def _split_json(split: Split | None) -> dict[str, Any] | None:
    return None if split is None else split._asdict() | {"hours": split.hours}


def print_plan(plan: SweepPlan, file: Path) -> None:
    """Print a plan for people.

    Args:
        plan: what to print.
        file: the sweep file, for the command that finds out the cost.
    """
    # A pipe has no width; 110 columns hold the table.
    console = Console(highlight=False) if sys.stdout.isatty() else Console(width=110, highlight=False)
    seeds = plan.num_trials // plan.num_points if plan.num_points else 0
    console.print(
        f"{plan.name}: {plan.mode}, {_count(plan.num_points, 'point')} x {_count(seeds, 'seed')} = "
        f"{_count(plan.num_trials, 'trial')}, and {_count(plan.num_baselines, 'baseline')}\n",
        soft_wrap=True,
    )
    console.print(_trials(plan) if plan.trials else _space(plan))
    if plan.trials and len({t.number for t in plan.trials}) > _MOST_ROWS:
        console.print(f"... the first {_MOST_ROWS}; --json has all")
    _list(console, "equal", [f"{one.label}: runs as point {one.number}" for one in plan.duplicates])
    _list(console, "left out", [f"{_params(one.params)}: {one.reason}" for one in plan.excluded])
    _list(console, "invalid", [f"{_params(one.params)}: {one.reason}" for one in plan.invalid])
    _list(console, "warnings", list(plan.warnings))
    _print_cost(console, plan, file)
    for line in plan.budget:
        planned = "unknown" if line.planned is None else f"{line.planned:.4g}"
        verdict = {"over": ": over, `sweep run` needs --force", "within": ": within"}.get(line.status, "")
        console.print(f"budget       {line.name} {planned} of {line.limit:g}{verdict}", soft_wrap=True)


def _trials(plan: SweepPlan) -> Table:
    """A row for each point; its seeds differ in nothing that is shown."""
    table = Table(box=None, pad_edge=False)
    for name in ("#", "steps", "depth"):
        table.add_column(name, justify="right")
    for name in ("configuration", "config hash", "status"):
        table.add_column(name, overflow="fold")
    by_point: dict[int, list[Any]] = {}
    for trial in plan.trials:
        by_point.setdefault(trial.number, []).append(trial)
    for number, trials in list(by_point.items())[:_MOST_ROWS]:
        first = trials[0]
        failing = next((t for t in trials if t.status != "ready"), None)
        status = "ready" if failing is None else f"infeasible: {failing.reason}"
        depth = str(first.off_policy_depth)
        table.add_row(str(number), str(first.steps), depth, first.label, first.config_hash, status)
    return table


def _space(plan: SweepPlan) -> Table:
    """A row for each axis of a learning search."""
    table = Table("setting", "searched", box=None, pad_edge=False)
    for path, axis in plan.space.items():
        table.add_row(path, _in_words(axis))
    if plan.cells:
        each = plan.num_points // len(plan.cells)
        listed = ", ".join(plan.cells[0])
        table.add_row("cells", f"{len(plan.cells)} combinations of {listed}, {_count(each, 'point')} each")
    return table


def _in_words(axis: Axis) -> str:
    match axis:
        case GridAxis():
            return ", ".join(_short(value) for value in axis.grid)
        case RangeAxis():
            low, high = axis.range
            return f"{low:g} to {high:g}, {axis.kind}, {axis.scale.replace('_', ' ')}"
    return f"weights that sum to 1{', some of them 0' if axis.faces else ''}"


def _print_cost(console: Console, plan: SweepPlan, file: Path) -> None:
    cost, trial = plan.cost, plan.cost.trial
    console.print()
    if trial is not None:
        step = trial.generation_s + trial.scoring_s + trial.learning_s
        evaluation = trial.evaluation_generation_s + trial.evaluation_scoring_s
        console.print(
            f"a step       {step:.2f} s: generation {trial.generation_s:.2f}, scoring {trial.scoring_s:.2f}, "
            f"learning {trial.learning_s:.2f}\nan evaluation {evaluation:.1f} s, start-up "
            f"{trial.start_s:.1f} s",
            soft_wrap=True,
        )
    if cost.unknown is not None or cost.own is None or cost.best is None:
        reason = (cost.unknown or "").replace("FILE", str(file))
        console.print(f"cost         unknown: {reason}", soft_wrap=True)
        return
    own = cost.own
    money = "" if cost.money is None else f", money {cost.money:.2f}"
    console.print(
        f"cost         {_duration(own.wall_s)}, {own.gpu_hours:.2f} GPU-hours{money}: "
        f"{_count(own.trials_at_once, 'trial')} at once, {_count(own.scorers, 'scorer')}; "
        f"the {own.bound} take longest",
        soft_wrap=True,
    )
    others = ", ".join(f"{one.scorers}: {_duration(one.wall_s)}" for one in cost.splits)
    console.print(
        f"best split   {_count(cost.best.scorers, 'scorer')} and {_count(cost.best.trials_at_once, 'trial')} "
        f"at once, {_duration(cost.best.wall_s)} (scorers: time; {others})",
        soft_wrap=True,
    )


def _list(console: Console, title: str, lines: list[str]) -> None:
    if lines:
        console.print(f"\n{title}")
    for line in lines[:_MOST_ROWS]:
        console.print(f"  {line}", soft_wrap=True, markup=False)
    if len(lines) > _MOST_ROWS:
        console.print(f"  ... {len(lines) - _MOST_ROWS} more; --json has all")


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _params(params: dict[str, Any]) -> str:
    return ", ".join(f"{path}={_short(value)}" for path, value in params.items())


def _short(value: Any) -> str:
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def _say(text: str) -> None:
    print(text, file=sys.stderr)
