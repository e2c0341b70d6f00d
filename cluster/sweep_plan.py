"""A sweep before it runs: its trials, what is left out and why, what it costs, and its budget."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from cluster.plan import baselines
from cluster.planned_budget import BudgetLine, budget_lines
from cluster.samplers import SEES_CONSTRAINTS
from cluster.sweep_cost import SweepCost, sweep_cost
from common.errors import UserError
from search_spaces.designs import enumerate_points, grid_cells, random_draws
from search_spaces.points import point, trial_id
from search_spaces.search_config import SearchConfig
from search_spaces.user_code import user_code
from trainables.data import data_path
from trainables.steps import check_lengths, total_steps

if TYPE_CHECKING:
    from pathlib import Path

    from cluster.calibrations import Calibration
    from cluster.machine import Machine
    from cluster.prompt_lengths import Prompts
    from common.training_config import TrainingConfig
    from search_spaces.axes import Axis
    from search_spaces.designs import Duplicate, Excluded
    from search_spaces.points import Point
    from search_spaces.sweep_file import SweepFile

__all__ = ["PlannedTrial", "SweepPlan", "plan_sweep", "representatives"]

_NUM_REPRESENTATIVES: Final = 64
"""Points drawn to stand for those of a learning search, which nobody knows beforehand."""

Lengths = Callable[["TrainingConfig"], "Prompts"]
"""The training prompts of a configuration."""


class PlannedTrial(NamedTuple):
    """One point with one seed."""

    trial_id: str
    number: int
    """The point's."""
    seed: int
    label: str
    params: dict[str, Any]
    config_hash: str
    off_policy_depth: int
    """Optimizer steps taken on one batch of rollouts."""
    steps: int
    """Optimizer steps in all."""
    status: Literal["ready", "infeasible"]
    reason: str | None
    """Why it cannot train."""


@dataclass(frozen=True, slots=True)
class SweepPlan:
    """Everything that is known of a sweep before it runs."""

    name: str
    mode: str
    num_points: int
    num_trials: int
    """Points times seeds."""
    num_baselines: int
    trials: tuple[PlannedTrial, ...]
    """None of a learning search, whose points are chosen as it runs."""
    space: Mapping[str, Axis]
    cells: tuple[dict[str, Any], ...]
    """Combinations of listed values that each have a search of their own (mode `mixed`)."""
    duplicates: tuple[Duplicate, ...]
    excluded: tuple[Excluded, ...]
    invalid: tuple[Excluded, ...]
    warnings: tuple[str, ...]
    code: tuple[str, ...]
    """The user's own callables that it would run, and which settings name them."""
    cost: SweepCost
    budget: tuple[BudgetLine, ...]


def plan_sweep(
    sweep: SweepFile,
    machine: Machine,
    calibrations: Sequence[Calibration],
    lengths: Lengths,
    *,
    num_held_out: int,
) -> SweepPlan:
    """Work out a sweep without running any of it.

    Args:
        sweep: what would run.
        machine: what it would run on.
        calibrations: measured seconds; the cost is unknown where one is missing.
        lengths: token counts of the training prompts.
        num_held_out: rows of the held-out file.

    Raises:
        UserError: the rows lack the fields that the base names, or no point of a learning search is accepted.
    """
    learns = sweep.search.mode not in ("grid", "random")
    found = None if learns else enumerate_points(sweep, keep_invalid=True)
    points = representatives(sweep) if found is None else found.points
    num_points = (sweep.search.trials or 0) if learns else len(points)
    seeds = sweep.seeds[:1] if learns else sweep.seeds
    prompts = _Prompts(lengths, data_path(sweep.data.train, "train"))
    trials = tuple(_planned(p, seed, prompts) for p in points for seed in seeds)
    num_trials = num_points * len(sweep.seeds)
    configs = {p.number: p.config for p in points}
    # An infeasible trial ends before it costs anything.
    runs = [(configs[one.number], one.steps) for one in trials if one.status == "ready"]
    cost = sweep_cost(
        sweep,
        machine,
        calibrations,
        runs,
        num_runs=num_trials if learns else len(runs),
        num_held_out=num_held_out,
    )
    own = cost.own
    return SweepPlan(
        name=sweep.name,
        mode=sweep.search.mode,
        num_points=num_points,
        num_trials=num_trials,
        num_baselines=len(baselines(sweep)),
        trials=() if learns else trials,
        space=sweep.space,
        cells=tuple(grid_cells(sweep)) if sweep.search.mode == "mixed" else (),
        duplicates=found.duplicates if found else (),
        excluded=found.excluded if found else (),
        invalid=found.invalid if found else (),
        warnings=_warnings(sweep, trials, found.invalid if found else (), prompts, learns=learns)
        + cost.warnings,
        code=user_code(sweep),
        cost=cost,
        budget=budget_lines(
            sweep.budget,
            trials=num_trials,
            hours=own.hours if own else None,
            gpu_hours=own.gpu_hours if own else None,
            money=cost.money,
        ),
    )


def representatives(sweep: SweepFile) -> tuple[Point, ...]:
    """Points spread evenly over the space of a learning search, to stand for those it will choose.

    Raises:
        UserError: TrainingConfig or a constraint refuses every one.
    """
    spread = SearchConfig(mode="random", trials=_NUM_REPRESENTATIVES, seed=sweep.search.seed)
    draws = random_draws(sweep.model_copy(update={"search": spread}))
    points: list[Point] = []
    refusal: UserError | None = None
    for _ in range(4 * _NUM_REPRESENTATIVES):
        try:
            points.append(point(sweep, len(points), next(draws)))
        except UserError as error:
            refusal = error
        if len(points) == _NUM_REPRESENTATIVES:
            break
    if refusal is not None and not points:
        raise refusal
    return tuple(points)


class _Prompts:
    """The lengths, and what was learned while they were asked for."""

    def __init__(self, lengths: Lengths, path: Path) -> None:
        self._lengths = lengths
        self.path = path
        self.without_tokenizer: dict[str, None] = {}
        self.beyond_context: dict[str, tuple[int, int]] = {}
        """Model to the tokens that a row needs at most, and those that it holds."""

    def of(self, config: TrainingConfig) -> Prompts:
        prompts = self._lengths(config)
        name = config.base_model
        if not prompts.is_known:
            self.without_tokenizer[name] = None
        needed = max(prompts.lengths, default=0) + config.grpo.max_completion_length
        if prompts.context is not None and needed > prompts.context:
            most, _ = self.beyond_context.get(name, (0, 0))
            self.beyond_context[name] = (max(most, needed), prompts.context)
        return prompts


def _planned(point: Point, seed: int, prompts: _Prompts) -> PlannedTrial:
    config = point.config.model_copy(update={"seed": seed})
    reason = None
    steps = 0
    try:
        lengths = prompts.of(config).lengths
        steps = total_steps(config, len(lengths))
        check_lengths(config, lengths, prompts.path)
    except UserError as error:
        reason = str(error)
    return PlannedTrial(
        trial_id=trial_id(point.number, seed),
        number=point.number,
        seed=seed,
        label=point.label,
        params=dict(point.params),
        config_hash=point.config_hash,
        off_policy_depth=config.off_policy_depth,
        steps=steps,
        status="ready" if reason is None else "infeasible",
        reason=reason,
    )


def _warnings(
    sweep: SweepFile,
    trials: Sequence[PlannedTrial],
    invalid: Sequence[Excluded],
    prompts: _Prompts,
    *,
    learns: bool,
) -> tuple[str, ...]:
    warnings = []
    depths = Counter(trial.off_policy_depth for trial in trials)
    if len(depths) > 1:
        counts = ", ".join(str(depth) for depth in sorted(depths))
        warnings.append(
            f"the off-policy depth differs within the sweep: {counts} optimizer steps on one batch of "
            "rollouts; it follows from batch.batch_size and grpo.num_generations, and compares with them"
        )
    if infeasible := [trial for trial in trials if trial.status == "infeasible"]:
        what = "points drawn to stand for the search" if learns else "trials"
        first = infeasible[0]
        warnings.append(
            f"{len(infeasible)} of {len(trials)} {what} cannot train, first {first.label}: {first.reason}"
        )
    if invalid:
        warnings.append(f"{len(invalid)} points are invalid, and `sweep run` refuses the sweep for them")
    warnings += [
        f"the tokenizer of {name} is not here: whether prompts fit data.max_seq_length is not known"
        for name in prompts.without_tokenizer
    ]
    warnings += [
        f"prompt and completion can take {needed} tokens, and {name} holds {context}"
        for name, (needed, context) in prompts.beyond_context.items()
    ]
    if (workers := sweep.base_config().infra.workers) > 1:
        warnings.append(
            f"each trial has {workers} workers, and a step learns from batch.batch_size completions of each"
        )
    if sweep.search.learns and sweep.search.method not in SEES_CONSTRAINTS:
        warnings.append(
            f"{sweep.search.method} sees objectives alone: it is not told which points the sentinels find "
            f"infeasible, as {', '.join(SEES_CONSTRAINTS)} are"
        )
    if sweep.scheduler.type != "none":
        warnings.append(f"{sweep.scheduler.type} stops trials early: the cost is that of stopping none")
    return tuple(warnings)
