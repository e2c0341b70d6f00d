"""Learning curves: the held-out objective of each trial by optimizer step, and of each configuration."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from analysis.evaluations import EVALUATION_COLUMNS, cell_means, held_out_evaluations, objective_cells
from analysis.intervals import CONFIDENCE, mean_intervals

if TYPE_CHECKING:
    from analysis.arms import RowGroup
    from analysis.evaluations import EvaluationKey, Evaluations
    from analysis.intervals import Interval, Scores
    from analysis.sweep import Sweep
    from common.objective import ObjectiveConfig

__all__ = [
    "CurveBand",
    "LearningCurve",
    "compute_curve_bands",
    "compute_learning_curves",
]


@dataclass(frozen=True)
class LearningCurve:
    """One trial's held-out objective; a baseline has one point."""

    trial_id: str
    label: str
    kind: RowGroup
    seed: int
    steps: tuple[int, ...]
    """Optimizer steps taken, rising."""
    objective: tuple[float, ...]
    """Mean over the vibes with a score."""

    def at(self, step: int) -> float | None:
        """The objective at a step; None where it was not evaluated there."""
        return dict(zip(self.steps, self.objective, strict=True)).get(step)


@dataclass(frozen=True)
class CurveBand:
    """One configuration over its seeds."""

    label: str
    num_seeds: int
    steps: tuple[int, ...]
    """Steps at which every seed that got so far was evaluated, rising."""
    objective: tuple[Interval, ...]
    """Mean and 95 % interval at each step, over seeds and vibes."""


def compute_learning_curves(sweep: Sweep, objective: ObjectiveConfig | None = None) -> list[LearningCurve]:
    """The curve of every trial that has an evaluation, also of those that failed or still run.

    Args:
        sweep: a stored sweep.
        objective: weights and floor; the sweep's own where not given.
    """
    objective = objective or sweep.objective
    evaluations = held_out_evaluations(sweep.rows(EVALUATION_COLUMNS, "held_out"))
    keys = _by_trial(evaluations)
    curves = []
    for trial in sweep.trials:
        record, points = trial.record, {}
        for key in keys[record.trial_id]:
            one = evaluations.select([key])
            if one.scored_vibes.any():
                points[key.step] = float(_cells(one, objective).mean())
        if points:
            kind: RowGroup = "trial" if record.kind == "trial" else "baseline"
            curves.append(
                LearningCurve(
                    record.trial_id, record.label, kind, record.seed, tuple(points), tuple(points.values())
                )
            )
    return curves


def compute_curve_bands(sweep: Sweep, objective: ObjectiveConfig | None = None) -> list[CurveBand]:
    """Each configuration's curve over its seeds, with 95 % intervals; baselines are left out.

    At a step all configurations tell together how far their seeds lie apart, as in the ranking. Trials that
    failed are left out. A configuration of which some seeds were stopped goes on with the others, which were
    picked, and its curve ends where the first one was stopped.

    Args:
        sweep: a stored sweep.
        objective: weights and floor; the sweep's own where not given.
    """
    objective = objective or sweep.objective
    evaluations = held_out_evaluations(sweep.rows(EVALUATION_COLUMNS, "held_out"))
    keys = _by_trial(evaluations)
    seeds: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    labels: dict[tuple[str, str, str], str] = {}
    for trial in sweep.trials:
        record = trial.record
        failed = trial.result is not None and trial.result.status == "failed"
        if record.kind == "trial" and not failed and keys[record.trial_id]:
            own = record.trial_id if trial.lineage.changes else ""
            configuration = (trial.sweep, record.config_hash, own)
            seeds[configuration].append(record.trial_id)
            labels[configuration] = record.label
    by_step: dict[int, dict[tuple[str, str, str], Scores]] = defaultdict(dict)
    for configuration, trial_ids in seeds.items():
        steps = [{key.step: key for key in keys[trial_id]} for trial_id in trial_ids]
        for step in sorted(set.intersection(*map(set, steps))):
            arm = evaluations.select([by_trial[step] for by_trial in steps])
            if arm.scored_vibes.sum() >= 2:
                by_step[step][configuration] = _cells(arm, objective)
    points: dict[tuple[str, str, str], dict[int, Interval]] = defaultdict(dict)
    for step, arms in sorted(by_step.items()):
        intervals = mean_intervals(list(arms.values()), confidence=CONFIDENCE)
        for configuration, interval in zip(arms, intervals, strict=True):
            points[configuration][step] = interval
    return [
        CurveBand(labels[name], len(seeds[name]), tuple(curve), tuple(curve.values()))
        for name, curve in points.items()
    ]


def _by_trial(evaluations: Evaluations) -> dict[str, list[EvaluationKey]]:
    """Each trial's evaluations, in the order of their steps."""
    keys: dict[str, list[EvaluationKey]] = defaultdict(list)
    for key in evaluations.keys:
        keys[key.trial_id].append(key)
    return keys


def _cells(evaluations: Evaluations, objective: ObjectiveConfig) -> Scores:
    """[S, V] objective on the vibes that are scored in all of the evaluations."""
    cells = cell_means(evaluations, evaluations.scored, evaluations.scored_vibes)
    return np.asarray(objective_cells(cells, objective))
