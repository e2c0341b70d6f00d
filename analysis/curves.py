"""Learning curves: the held-out objective of each trial by optimizer step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from analysis.evaluations import EVALUATION_COLUMNS, cell_means, held_out_evaluations, objective_cells

if TYPE_CHECKING:
    from analysis.arms import RowGroup
    from analysis.sweep import Sweep

__all__ = ["LearningCurve", "compute_learning_curves"]


@dataclass(frozen=True)
class LearningCurve:
    """One trial's held-out objective; a baseline has one point."""

    label: str
    kind: RowGroup
    seed: int
    steps: tuple[int, ...]
    """Optimizer steps taken, rising."""
    objective: tuple[float, ...]
    """Mean over the vibes with a score, under the sweep's weights."""


def compute_learning_curves(sweep: Sweep) -> list[LearningCurve]:
    """The curve of every trial that has an evaluation, also of those that failed or still run."""
    evaluations = held_out_evaluations(sweep.rows(EVALUATION_COLUMNS, "held_out"))
    curves = []
    for trial in sweep.trials:
        record, points = trial.record, {}
        for key in evaluations.keys:
            if key.trial_id == record.trial_id:
                one = evaluations.select([key])
                if one.scored_vibes.any():
                    cells = cell_means(one, one.scored, one.scored_vibes)
                    points[key.step] = float(objective_cells(cells, sweep.objective).mean())
        if points:
            kind: RowGroup = "trial" if record.kind == "trial" else "baseline"
            curves.append(
                LearningCurve(record.label, kind, record.seed, tuple(points), tuple(points.values()))
            )
    return curves
