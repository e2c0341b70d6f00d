"""What a whole sweep costs on a machine, or why that is not known."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cluster.calibrations import calibration_for, calibration_key
from cluster.cost import Split, TrialCost, best_split, places, splits, trial_cost
from cluster.plan import baselines
from common.ledger import WITHOUT_POLICY
from trainables.steps import num_evaluations

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cluster.calibrations import Calibration, CalibrationKey
    from cluster.machine import Machine
    from common.training_config import TrainingConfig
    from search_spaces.sweep_file import SweepFile

__all__ = ["SweepCost", "does_not_fit", "sweep_cost"]


@dataclass(frozen=True, slots=True)
class SweepCost:
    """What a sweep takes, every trial run to its end."""

    unknown: str | None
    """Why the cost is not known; None where it is."""
    trial: TrialCost | None = None
    """The first trial's parts."""
    own: Split | None = None
    """With the sweep's own number of scorers."""
    best: Split | None = None
    splits: tuple[Split, ...] = ()
    money: float | None = None
    """In the currency of `budget.price_per_gpu_hour`; None without a price."""
    warnings: tuple[str, ...] = ()
    """What makes it less sure."""


def sweep_cost(
    sweep: SweepFile,
    machine: Machine,
    calibrations: Sequence[Calibration],
    runs: Sequence[tuple[TrainingConfig, int]],
    *,
    num_runs: int,
    num_held_out: int,
) -> SweepCost:
    """The cost of a sweep's baselines and trials.

    Args:
        sweep: what would run.
        machine: what it would run on.
        calibrations: measured seconds.
        runs: configuration and optimizer steps of every trial that can train, in their order; of a learning
            search those that stand for its trials.
        num_runs: trials in all; where there are fewer `runs`, these are taken in turn.
        num_held_out: rows of the held-out file.
    """
    misfit = does_not_fit(sweep, machine)
    if misfit is not None:
        return SweepCost(unknown=misfit)
    if not runs:
        return SweepCost(unknown="no trial can train")
    objective = sweep.objective
    per_vibe = objective.samples * (1 + objective.constrained) + objective.greedy
    evaluated = (objective.num_vibes or num_held_out) * per_vibe
    records = [(record, record.config) for record in baselines(sweep)]
    measured: dict[CalibrationKey, Calibration | None] = {}

    def calibrated(config: TrainingConfig) -> Calibration | None:
        key = calibration_key(config, objective, sweep.resources, machine)
        if key not in measured:
            measured[key] = calibration_for(key, calibrations)
        return measured[key]

    costs: list[TrialCost] = []
    for record, config in records:
        if (calibration := calibrated(config)) is None:
            continue
        cost = trial_cost(config, calibration, steps=0, evaluations=1, num_evaluated=evaluated)
        if record.kind in WITHOUT_POLICY:  # only scored
            cost = replace(cost, start_s=0.0, evaluation_generation_s=0.0)
        costs.append(cost)
    trials: list[TrialCost] = []
    for config, steps in runs:
        if (calibration := calibrated(config)) is None:
            continue
        evaluations = num_evaluations(steps, sweep.scheduler.eval_steps or config.logging.eval_steps)
        trials.append(
            trial_cost(config, calibration, steps=steps, evaluations=evaluations, num_evaluated=evaluated)
        )
    missing = dict.fromkeys(key.base_model for key, found in measured.items() if found is None)
    if missing:
        return SweepCost(
            unknown=f"{', '.join(missing)} was not measured here with these lengths, scorers and threads; "
            "`vibesweep sweep plan FILE --calibrate` finds it out"
        )
    all_trials = [trials[place % len(trials)] for place in range(num_runs)]
    found = splits(
        [*costs, *all_trials],
        sweep.resources,
        sweep.base_config().infra,
        machine,
        scorer_start_s=max(one.scorer_start_s for one in measured.values() if one is not None),
    )
    [own] = [one for one in found if one.scorers == sweep.resources.scorers]
    price = sweep.budget.price_per_gpu_hour
    return SweepCost(
        unknown=None,
        trial=trials[0],
        own=own,
        best=best_split(found),
        splits=tuple(found),
        money=None if price is None else price * own.gpu_hours,
        warnings=_scaled(measured),
    )


def _scaled(measured: Mapping[CalibrationKey, Calibration | None]) -> tuple[str, ...]:
    """Where the cost rests on measurements of other completion lengths."""
    lengths = {
        wanted.base_model: (found.key.max_completion_length, wanted.max_completion_length)
        for wanted, found in measured.items()
        if found is not None and found.key.max_completion_length != wanted.max_completion_length
    }
    return tuple(
        f"{name} was measured with completions of up to {there} tokens; its cost is scaled to {here}"
        for name, (there, here) in lengths.items()
    )


def does_not_fit(sweep: SweepFile, machine: Machine) -> str | None:
    """What the scorers and one trial need that the machine lacks; None where they fit."""
    infra, resources = sweep.base_config().infra, sweep.resources
    scorers = resources.scorers
    if places(resources, infra, machine, scorers) >= 1:
        return None
    cpus = scorers * resources.cpus_per_scorer + infra.cpus_per_trial
    gpus = scorers * resources.gpus_per_scorer + infra.gpus_per_trial
    return (
        f"{scorers} scorers and one trial need {cpus:g} CPUs and {gpus:g} GPUs, got {machine.cpus:g} and "
        f"{machine.gpus:g} here; plan on a machine that has them, or name a cluster's with --cpus and --gpus"
    )
