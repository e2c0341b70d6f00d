"""The triangle of reward weights: which configuration wins under which."""

from __future__ import annotations

from typing import TYPE_CHECKING

import plotly.graph_objects as go

from analysis.figures.figure import Figure
from analysis.figures.theme import look, new_figure, wrapped
from analysis.mixture import weight_map
from analysis.summary import short_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analysis.mixture import MixturePoint
    from analysis.ranking import Ranking
    from analysis.sweep import Sweep

__all__ = ["WEIGHT_MAP", "plot_weight_map"]


def plot_weight_map(points: Sequence[MixturePoint]) -> go.Figure:
    """The triangle of all mixtures of weights, each point in color and symbol of the winner."""
    figure = new_figure(height=520)
    names = list(dict.fromkeys(short_name(point.best) for point in points))
    for index, name in enumerate(names):
        won = [point for point in points if short_name(point.best) == name]
        shares = zip(*(point.weights for point in won), strict=True)
        figure.add_trace(
            go.Scatterternary(
                **dict(zip("abc", (list(share) for share in shares), strict=True)),
                name=wrapped(f"{name} ({_share(len(won) / len(points))})", 40),
                mode="markers",
                marker=look(index) | {"size": 7},
                # Those on the edges, where a component does not count, would be cut in half.
                cliponaxis=False,
                customdata=[(point.objective, point.lead) for point in won],
                hovertemplate="format %{a:.2f}, schema %{b:.2f}, audio %{c:.2f}<br>objective "
                "%{customdata[0]:.3f}, ahead by %{customdata[1]:.3f}",
            )
        )
    figure.update_layout(
        margin={"l": 62, "r": 62, "t": 40, "b": 56},
        legend={"y": 1.12},
        ternary={
            "sum": 1,
            "aaxis_title_text": "format",
            "baxis_title_text": "schema",
            "caxis_title_text": "audio",
        },
    )
    return figure


def _share(share: float) -> str:
    return "under 1%" if share < 0.01 else f"{share:.0%}"


def _draw(sweep: Sweep, ranking: Ranking) -> go.Figure | None:
    points = weight_map(ranking)
    return plot_weight_map(points) if len(ranking.configurations) > 1 else None


WEIGHT_MAP = Figure(
    "weight-map",
    "Which configuration wins under which weights",
    "Each point is one mixture of the three evaluation weights, in the color and symbol of the configuration "
    "with the highest objective there; pointing at it tells how far that one is ahead.",
    _draw,
)
