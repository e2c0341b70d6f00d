"""Plots of a sweep's outcome, as plotly figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import plotly.graph_objects as go
from plotly.colors import qualitative
from plotly.subplots import make_subplots

from analysis.summary import objective_formula, short_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analysis.curves import LearningCurve
    from analysis.intervals import Interval
    from analysis.mixture import MixturePoint
    from analysis.ranking import Ranking

__all__ = ["plot_learning_curves", "plot_ranking", "plot_weight_map"]

_TRIAL: Final = "#1f6feb"
_BASELINE: Final = "#8b949e"
_ROW_PX: Final = 34


def plot_ranking(ranking: Ranking) -> go.Figure:
    """Two panels, best on top: the objective, and the paired difference to the untrained policy."""
    figure = make_subplots(
        cols=2,
        shared_yaxes=True,
        horizontal_spacing=0.04,
        subplot_titles=("held-out objective", "difference to the untrained policy, corrected"),
    )
    for kind, color in (("trial", _TRIAL), ("baseline", _BASELINE)):
        rows = [row for row in ranking.rows if row.kind == kind]
        totals = [(short_name(row), row.difference.total) for row in rows if row.difference]
        objectives = [(short_name(row), row.objective) for row in rows]
        figure.add_trace(_intervals(objectives, color), row=1, col=1)
        figure.add_trace(_intervals(totals, color), row=1, col=2)
    figure.add_vline(x=0, line={"color": _BASELINE, "dash": "dot"}, row=1, col=2)
    figure.update_yaxes(
        categoryorder="array", categoryarray=[short_name(row) for row in reversed(ranking.rows)]
    )
    figure.update_layout(
        title=f"{ranking.sweep}: {objective_formula(ranking)}, with 95 % intervals",
        template="plotly_white",
        showlegend=False,
        height=160 + _ROW_PX * len(ranking.rows),
    )
    return figure


def _intervals(named: Sequence[tuple[str, Interval]], color: str) -> go.Scatter:
    return go.Scatter(
        x=[interval.mean for _, interval in named],
        y=[name for name, _ in named],
        error_x={"type": "data", "array": [interval.half_width for _, interval in named]},
        mode="markers",
        marker={"color": color, "size": 9},
    )


def plot_learning_curves(curves: Sequence[LearningCurve]) -> go.Figure:
    """One line per seed, one color per configuration; baselines as level lines."""
    figure = go.Figure()
    trained = [curve for curve in curves if curve.kind == "trial"]
    labels = list(dict.fromkeys(curve.label for curve in trained))
    for curve in trained:
        index = labels.index(curve.label)
        first = next(other for other in trained if other.label == curve.label)
        figure.add_trace(
            go.Scatter(
                x=curve.steps,
                y=curve.objective,
                name=curve.label,
                legendgroup=curve.label,
                showlegend=curve is first,
                mode="lines+markers",
                line={"color": qualitative.Plotly[index % len(qualitative.Plotly)]},
                hovertemplate=f"seed {curve.seed}, step %{{x}}: %{{y:.3f}}",
            )
        )
    for curve in curves:
        if curve.kind == "baseline":
            level, dash = curve.objective[-1], {"color": _BASELINE, "dash": "dot"}
            figure.add_hline(y=level, line=dash, annotation_text=curve.label)
    figure.update_layout(
        template="plotly_white",
        xaxis_title="optimizer steps",
        yaxis_title="held-out objective",
        legend_title="configuration",
    )
    return figure


def plot_weight_map(points: Sequence[MixturePoint]) -> go.Figure:
    """The triangle of all mixtures of weights, each point in the color of the configuration that wins."""
    figure = go.Figure()
    names = list(dict.fromkeys(short_name(point.best) for point in points))
    for index, name in enumerate(names):
        won = [point for point in points if short_name(point.best) == name]
        shares = zip(*(point.weights for point in won), strict=True)
        figure.add_trace(
            go.Scatterternary(
                **dict(zip("abc", (list(share) for share in shares), strict=True)),
                name=f"{name} ({len(won) / len(points):.0%})",
                mode="markers",
                # Shape as well as color, so that no one needs to tell colors apart.
                marker={
                    "color": qualitative.Plotly[index % len(qualitative.Plotly)],
                    "symbol": index % 10,
                    "size": 11,
                },
                customdata=[(point.objective, point.lead) for point in won],
                hovertemplate="format %{a:.2f}, schema %{b:.2f}, audio %{c:.2f}<br>objective "
                "%{customdata[0]:.3f}, ahead by %{customdata[1]:.3f}",
            )
        )
    figure.update_layout(
        template="plotly_white",
        title="which configuration wins under which weights",
        legend_title="configuration (share of the mixtures)",
        ternary={
            "sum": 1,
            "aaxis_title_text": "format",
            "baxis_title_text": "schema",
            "caxis_title_text": "audio",
        },
    )
    return figure
