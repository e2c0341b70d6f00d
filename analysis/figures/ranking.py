"""The ranking: every configuration and baseline with its interval, and its difference to untrained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import plotly.graph_objects as go

from analysis.figures.figure import Figure
from analysis.figures.noise_band import noise_band
from analysis.figures.theme import COLORS, INK, error_bars, new_figure, wrapped
from analysis.summary import short_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analysis.intervals import Interval
    from analysis.ranking import RankedRow, Ranking
    from analysis.sweep import Sweep

__all__ = ["DIFFERENCES", "RANKING", "plot_differences", "plot_ranking"]

_LINE_PX: Final = 19
_MAX_CONFIGURATIONS: Final = 30
_MARKS: Final = {
    "trial": (COLORS[0], "circle"),
    "infeasible": (COLORS[1], "x"),
    "baseline": (INK, "diamond-open"),
}


def plot_ranking(ranking: Ranking) -> go.Figure:
    """Every row's objective with its 95 % interval, best on top; baselines are open diamonds."""
    rows = _shown(ranking.rows)
    figure = _rows(rows, [row.objective for row in rows])
    figure.update_xaxes(title_text="objective")
    noise_band(figure, ranking, along="x")
    return figure


def plot_differences(ranking: Ranking) -> go.Figure:
    """Every configuration's paired difference to its untrained policy, with intervals that hold at once."""
    pairs = [(row, row.difference.total) for row in _shown(ranking.rows) if row.difference]
    figure = _rows([row for row, _ in pairs], [total for _, total in pairs])
    figure.add_vline(x=0, line={"color": INK, "dash": "dot"})
    figure.update_xaxes(title_text="gain")
    return figure


def _shown(rows: Sequence[RankedRow]) -> list[RankedRow]:
    """The best configurations, and every baseline."""
    best = [row for row in rows if row.kind == "trial"][:_MAX_CONFIGURATIONS]
    return [row for row in rows if row.kind == "baseline" or row in best]


def _rows(rows: Sequence[RankedRow], intervals: Sequence[Interval]) -> go.Figure:
    names = [wrapped(f"{row.rank}.\u00a0{short_name(row)}", 26) for row in rows]
    num_lines = sum(1 + name.count("<br>") for name in names)
    figure = new_figure(showlegend=False, height=110 + _LINE_PX * num_lines + 10 * len(names))
    for kind, (color, symbol) in _MARKS.items():
        shown = [
            (name, interval)
            for name, row, interval in zip(names, rows, intervals, strict=True)
            if _kind(row) == kind
        ]
        if not shown:
            continue
        figure.add_trace(
            go.Scatter(
                x=[interval.mean for _, interval in shown],
                y=[name for name, _ in shown],
                error_x=error_bars([interval for _, interval in shown], color),
                mode="markers",
                showlegend=False,
                marker={"color": color, "symbol": symbol, "size": 10},
                customdata=[(interval.low, interval.high) for _, interval in shown],
                hovertemplate="%{x:.3f} (%{customdata[0]:.3f} to %{customdata[1]:.3f})<extra></extra>",
            )
        )
    figure.update_xaxes(nticks=5, tickangle=0)
    figure.update_yaxes(
        categoryorder="array", categoryarray=names[::-1], range=[-0.6, len(names) - 0.4], showgrid=False
    )
    return figure


def _kind(row: RankedRow) -> str:
    return "infeasible" if row.infeasible else row.kind


def _draw_ranking(sweep: Sweep, ranking: Ranking) -> go.Figure | None:
    return plot_ranking(ranking) if ranking.rows else None


def _draw_differences(sweep: Sweep, ranking: Ranking) -> go.Figure | None:
    return plot_differences(ranking) if ranking.num_compared else None


RANKING = Figure(
    "ranking",
    "Held-out objective",
    "Each configuration (filled; a cross where it is infeasible) and baseline (open) with its 95 % interval; "
    "what lies in the shaded band is closer to the best than this sweep can tell.",
    _draw_ranking,
)
DIFFERENCES = Figure(
    "differences",
    "Gain over the untrained policy",
    "Paired by vibe; an interval that leaves out zero is more than noise, also for the one that was picked.",
    _draw_differences,
)
