"""Objective against cost, with the front of those that are worth their cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import plotly.graph_objects as go

from analysis.cost import compute_costs
from analysis.figures.figure import Figure
from analysis.figures.noise_band import noise_band
from analysis.figures.theme import COLORS, INK, error_bars, new_figure
from analysis.summary import short_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analysis.cost import ConfigurationCost
    from analysis.ranking import Ranking
    from analysis.sweep import Sweep

__all__ = ["COST", "plot_costs"]


def plot_costs(costs: Sequence[ConfigurationCost], ranking: Ranking) -> go.Figure:
    """A point for each configuration; those on the front are filled, and a line joins them."""
    figure = new_figure(
        height=420,
        xaxis={"title": f"{costs[0].device} seconds per trial", "rangemode": "tozero"},
        yaxis_title="held-out objective",
    )
    front = [cost for cost in costs if cost.is_on_front]
    behind = [cost for cost in costs if not cost.is_on_front]
    for members, name, color, symbol in (
        (behind, "dearer and no better", INK, "circle-open"),
        (front, "worth its cost", COLORS[0], "diamond"),
    ):
        if not members:
            continue
        intervals = [cost.row.objective for cost in members]
        figure.add_trace(
            go.Scatter(
                x=[cost.device_seconds for cost in members],
                y=[interval.mean for interval in intervals],
                error_y=error_bars(intervals, color),
                mode="lines+markers" if members is front else "markers",
                line={"color": color, "shape": "hv", "dash": "dot"},
                marker={"color": color, "symbol": symbol, "size": 11},
                name=name,
                customdata=[short_name(cost.row) for cost in members],
                hovertemplate="%{customdata}<br>%{x:.0f} s: %{y:.3f}",
            )
        )
    noise_band(figure, ranking, along="y")
    return figure


def _draw(sweep: Sweep, ranking: Ranking) -> go.Figure | None:
    costs = compute_costs(sweep, ranking)
    return plot_costs(costs, ranking) if len(costs) > 1 and any(c.device_seconds for c in costs) else None


COST = Figure(
    "cost",
    "Objective against cost",
    "Filled diamonds are configurations that no cheaper one beats; what differs by less than the shaded band "
    "cannot be told from the best, so a cheap one there may do as well.",
    _draw,
)
