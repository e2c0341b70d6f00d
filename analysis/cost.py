"""What each configuration cost beside what it was worth, and which are worth their cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from analysis.ranking import RankedRow, Ranking
    from analysis.sweep import StoredTrial, Sweep

__all__ = ["ConfigurationCost", "compute_costs"]


@dataclass(frozen=True)
class ConfigurationCost:
    """One ranked configuration; seconds are per trial, the mean over its finished seeds."""

    row: RankedRow
    seconds: float
    """Wall-clock, all attempts together; scoring in the sweep's pool is waited for, and not its own cost."""
    device_seconds: float
    """Seconds times the GPUs or CPUs that the trial held."""
    device: Literal["GPU", "CPU"]
    """What is counted: GPUs where any configuration holds some, else CPUs."""
    is_on_front: bool
    """Whether no feasible configuration is better without costing more."""


def compute_costs(sweep: Sweep, ranking: Ranking) -> list[ConfigurationCost]:
    """The cost of each ranked configuration, the cheapest first."""
    by_row = {
        (row.label, row.config_hash): (row, [t for t in sweep.trials if _is_of(t, row)])
        for row in ranking.configurations
    }
    has_gpu = any(t.record.config.infra.gpus_per_trial for _, trials in by_row.values() for t in trials)
    device: Literal["GPU", "CPU"] = "GPU" if has_gpu else "CPU"
    costs = []
    for row, trials in by_row.values():
        seconds = [trial.seconds for trial in trials]
        held = [
            t.record.config.infra.gpus_per_trial if has_gpu else t.record.config.infra.cpus_per_trial
            for t in trials
        ]
        costs.append((row, float(np.mean(seconds)), float(np.mean(np.multiply(seconds, held)))))
    return [
        ConfigurationCost(
            row,
            wall,
            spent,
            device,
            is_on_front=not row.infeasible
            and not any(
                not other.infeasible
                and (theirs, -other.objective.mean) != (spent, -row.objective.mean)
                and theirs <= spent
                and other.objective.mean >= row.objective.mean
                for other, _, theirs in costs
            ),
        )
        for row, wall, spent in sorted(costs, key=lambda cost: (cost[2], -cost[0].objective.mean))
    ]


def _is_of(trial: StoredTrial, row: RankedRow) -> bool:
    record, result = trial.record, trial.result
    return (
        (record.kind, record.label, record.config_hash) == ("trial", row.label, row.config_hash)
        and record.seed in row.seeds
        and result is not None
        and result.status == "finished"
    )
