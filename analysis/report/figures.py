"""The figures of the page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from analysis.curves import compute_learning_curves
from analysis.mixture import weight_map
from analysis.plots import plot_learning_curves, plot_ranking, plot_weight_map

if TYPE_CHECKING:
    from collections.abc import Callable

    import plotly.graph_objects as go

    from analysis.ranking import Ranking
    from analysis.sweep import Sweep

__all__ = ["FIGURES", "Figure"]


@dataclass(frozen=True)
class Figure:
    """One way to look at an outcome."""

    name: str
    """Short and unique, such as `learning-curves`."""
    title: str
    says: str
    """What it shows and how to read it, in one sentence."""
    draw: Callable[[Sweep, Ranking], go.Figure | None]
    """None where the sweep has nothing to show of it."""


def _ranking(sweep: Sweep, ranking: Ranking) -> go.Figure | None:
    return plot_ranking(ranking) if ranking.rows else None


def _learning_curves(sweep: Sweep, ranking: Ranking) -> go.Figure | None:
    curves = compute_learning_curves(sweep)
    return plot_learning_curves(curves) if curves else None


def _weight_map(sweep: Sweep, ranking: Ranking) -> go.Figure | None:
    points = weight_map(ranking)
    return plot_weight_map(points) if points else None


FIGURES: Final = (
    Figure(
        "ranking",
        "Objective and gain",
        "Each configuration's held-out objective, and its paired difference to the untrained policy, with "
        "95 % intervals.",
        _ranking,
    ),
    Figure(
        "learning-curves",
        "Learning curves",
        "The held-out objective by optimizer step, a line for each seed; the level lines are the baselines.",
        _learning_curves,
    ),
    Figure(
        "weight-map",
        "Who wins under which weights",
        "Every mixture of the three evaluation weights, with the configuration that has the highest mean "
        "there.",
        _weight_map,
    ),
)
