"""Learning curves: each configuration over its seeds, with 95 % bands, and the untrained level."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import plotly.graph_objects as go

from analysis.curves import compute_curve_bands
from analysis.figures.figure import Figure
from analysis.figures.noise_band import noise_band
from analysis.figures.theme import COLORS, INK, dash, look, new_figure, pale, wrapped
from analysis.summary import short_label, short_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analysis.curves import CurveBand
    from analysis.ranking import RankedRow, Ranking
    from analysis.sweep import Sweep

__all__ = ["LEARNING_CURVES", "plot_learning_curves"]

_MAX_BANDS: Final = 4
"""More bands than that lie on each other; the others are lines."""
_MAX_LINES: Final = 6


def plot_learning_curves(bands: Sequence[CurveBand], ranking: Ranking) -> go.Figure:
    """One line for each configuration, the best ranked ones with their bands; baselines as level lines.

    Args:
        bands: of the sweep's configurations.
        ranking: tells which are drawn, best first, and the baselines' levels.
    """
    order = {row.label: row.rank for row in ranking.configurations}
    shown = sorted(bands, key=lambda band: order.get(band.label, len(order) + 1))[:_MAX_LINES]
    figure = new_figure(
        height=400 + 20 * len(shown), xaxis_title="optimizer steps", yaxis_title="held-out objective"
    )
    for index, band in enumerate(shown):
        means = [interval.mean for interval in band.objective]
        if index < _MAX_BANDS:
            figure.add_trace(_band(band, COLORS[index % len(COLORS)]))
        figure.add_trace(
            go.Scatter(
                x=band.steps,
                y=means,
                name=wrapped(short_label(band.label), 44),
                mode="lines+markers",
                line=dash(index),
                marker=look(index),
                customdata=[(interval.low, interval.high) for interval in band.objective],
                hovertemplate="step %{x}: %{y:.3f} (%{customdata[0]:.3f} to %{customdata[1]:.3f})",
            )
        )
    noise_band(figure, ranking, along="y")
    if shown:
        _level_lines(figure, [row for row in ranking.rows if row.kind == "baseline"], shown)
    return figure


def _level_lines(figure: go.Figure, baselines: Sequence[RankedRow], shown: Sequence[CurveBand]) -> None:
    """A grey line for each baseline, named in the legend: beside the line, names would lie on the curves."""
    steps = [step for band in shown for step in band.steps]
    for index, row in enumerate(baselines):
        level = row.objective.mean
        figure.add_trace(
            go.Scatter(
                x=[min(steps), max(steps)],
                y=[level, level],
                name=f"{short_name(row)} {level:.3f}",
                mode="lines",
                line={"color": INK, "dash": dash(index + 1)["dash"], "width": 1.5},
                hovertemplate="%{y:.3f}",
            )
        )


def _band(band: CurveBand, color: str) -> go.Scatter:
    """The area between the ends of the intervals."""
    return go.Scatter(
        x=[*band.steps, *reversed(band.steps)],
        y=[*(i.high for i in band.objective), *(i.low for i in reversed(band.objective))],
        mode="lines",
        fill="toself",
        fillcolor=pale(color, 0.09),
        line={"width": 0},
        hoverinfo="skip",
        showlegend=False,
    )


def _draw(sweep: Sweep, ranking: Ranking) -> go.Figure | None:
    bands = compute_curve_bands(sweep, ranking.objective)
    if not any(len(band.steps) > 1 for band in bands):
        return None
    return plot_learning_curves(bands, ranking)


LEARNING_CURVES = Figure(
    "learning-curves",
    "How it was learned",
    "The six best configurations: each line is the mean over seeds, the band its 95 % interval (of the best "
    "four); grey lines are the baselines.",
    _draw,
)
