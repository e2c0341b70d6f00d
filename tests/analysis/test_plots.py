"""Learning curves, and the plots' data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from analysis import compute_ranking, load_sweep
from analysis.curves import compute_learning_curves
from analysis.plots import plot_learning_curves, plot_ranking

if TYPE_CHECKING:
    from tests.analysis.conftest import NewSweep, SweepWriter


def test_a_learning_curve_has_the_objective_of_every_evaluation(small_sweep: SweepWriter) -> None:
    curves = compute_learning_curves(load_sweep(small_sweep.directory))
    [curve] = [c for c in curves if c.label == "lora.r=8, grpo.beta=0.02" and c.seed == 1]
    # (0.5 - 0.15 + 0.6) / 3, and 0.5 + 0.5 * (0.4 + 0.2 + 0.6) / 3.
    assert curve.steps == (0, 4)
    assert curve.objective == pytest.approx((0.95 / 3, 0.7))
    assert [c.label for c in curves if c.kind == "baseline"] == ["random valid configs", "untrained policy"]


def test_a_running_trial_has_a_curve(new_sweep: NewSweep) -> None:
    sweep = new_sweep()
    sweep.trial("a", {0: ["unscored", 0.2], 3: [0.4, 0.2]}, status=None)
    [curve] = compute_learning_curves(load_sweep(sweep.directory))
    assert curve.objective == pytest.approx((0.6, 0.65))


def test_the_ranking_plot_shows_every_row_best_on_top(small_sweep: SweepWriter) -> None:
    ranking = compute_ranking(load_sweep(small_sweep.directory))
    figure = plot_ranking(ranking)
    points = {name: x for trace in figure.data[::2] for name, x in zip(trace.y, trace.x, strict=True)}
    assert points["lora.r=8, beta=0.02"] == pytest.approx(0.7)
    assert len(points) == 4
    assert figure.layout.yaxis.categoryarray[-1] == "lora.r=8, beta=0.02"


def test_the_curves_plot_has_one_line_per_trial(small_sweep: SweepWriter) -> None:
    figure = plot_learning_curves(compute_learning_curves(load_sweep(small_sweep.directory)))
    assert [trace.showlegend for trace in figure.data] == [True, False, True, False]
