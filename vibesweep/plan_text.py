"""A sweep's plan as a table for people and as JSON for scripts."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console
from rich.table import Table

from search_spaces import GridAxis, RangeAxis

if TYPE_CHECKING:
    from pathlib import Path

    from cluster.cost import Split
    from cluster.sweep_plan import SweepPlan
    from search_spaces import Axis
    from vibesweep.detection import Detection

__all__ = ["plan_json", "print_plan"]

_MOST_ROWS: Final = 50
"""Points that the table shows; JSON has all."""

_PIPE_COLUMNS: Final = 110
"""A pipe has no width; these hold the table."""


def plan_json(plan: SweepPlan, detection: Detection | None) -> dict[str, Any]:
    """The plan, and what the sweep can detect, as one JSON object."""
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
        "code": list(plan.code),
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
        "smallest_detectable": None if detection is None else detection._asdict(),
        "budget": {
            line.name: {"limit": line.limit, "planned": line.planned, "status": line.status}
            for line in plan.budget
        },
    }


def _split_json(split: Split | None) -> dict[str, Any] | None:
    return None if split is None else split._asdict() | {"hours": split.hours}


def print_plan(plan: SweepPlan, file: Path, detection: Detection | None) -> None:
    """Print a plan for people.

    Args:
        plan: what to print.
        file: the sweep file, for the command that finds out the cost.
        detection: what the sweep can tell from noise; None where its noise was not measured.
    """
    width = None if sys.stdout.isatty() else _PIPE_COLUMNS
    # Labels are the user's text, and may have brackets.
    console = Console(width=width, highlight=False, markup=False, emoji=False)
    seeds = plan.num_trials // plan.num_points if plan.num_points else 0
    console.print(
        f"{plan.name}: {plan.mode}, {_count(plan.num_points, 'point')} x {_count(seeds, 'seed')} = "
        f"{_count(plan.num_trials, 'trial')}, and {_count(plan.num_baselines, 'baseline')}\n",
        soft_wrap=True,
    )
    console.print(_trials(plan) if plan.trials else _space(plan))
    if plan.trials and len({t.number for t in plan.trials}) > _MOST_ROWS:
        console.print(f"... the first {_MOST_ROWS}; --json has all")
    infeasible = {one.number: f"point {one.number}: {one.reason}" for one in plan.trials if one.reason}
    _list(console, "infeasible", list(infeasible.values()))
    _list(console, "equal", [f"{one.label}: runs as point {one.number}" for one in plan.duplicates])
    _list(console, "left out", [f"{_params(one.params)}: {one.reason}" for one in plan.excluded])
    _list(console, "invalid", [f"{_params(one.params)}: {one.reason}" for one in plan.invalid])
    _list(console, "warnings", list(plan.warnings))
    _list(console, "runs code of yours", list(plan.code))
    _print_cost(console, plan, file)
    console.print(f"detects      {_detects(detection, file)}", soft_wrap=True)
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
        status = next((trial.status for trial in trials if trial.status != "ready"), "ready")
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


def _detects(detection: Detection | None, file: Path) -> str:
    if detection is None:
        return f"unknown: measure the noise with `vibesweep noise-floor {file}`"
    counts = f"{_count(detection.seeds, 'seed')}, {_count(detection.vibes, 'vibe')}"
    if detection.num_compared > 1:
        counts += f", the best of {detection.num_compared}"
    missing = "" if detection.covers_seeds else "; training seeds were not measured, and make it larger"
    return f"differences from {detection.difference:.3f} between two configurations ({counts}){missing}"


def _list(console: Console, title: str, lines: list[str]) -> None:
    if lines:
        console.print(f"\n{title}")
    for line in lines[:_MOST_ROWS]:
        console.print(f"  {line}", soft_wrap=True)
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
