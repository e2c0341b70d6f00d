"""The objective along each setting, one panel a setting."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from analysis.figures.figure import Figure
from analysis.figures.noise_band import noise_band
from analysis.figures.theme import TEMPLATE, dash, error_bars, look
from analysis.outcomes import compute_outcomes
from analysis.response import compute_responses
from analysis.summary import short_setting

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analysis.ranking import Ranking
    from analysis.response import ResponseCurve
    from analysis.sweep import Sweep

__all__ = ["RESPONSE", "log_ticks", "plot_responses"]


def plot_responses(curves: Sequence[ResponseCurve], ranking: Ranking) -> go.Figure:
    """One panel below the other, so that a phone shows each in full width; all share the objective's axis."""
    rows = len(curves)
    figure = make_subplots(rows=rows, cols=1, shared_yaxes="all", vertical_spacing=0.36 / rows)
    for row, curve in enumerate(curves, start=1):
        intervals = [level.objective for level in curve.levels]
        figure.add_trace(
            go.Scatter(
                x=[level.value if curve.is_number else level.label for level in curve.levels],
                y=[interval.mean for interval in intervals],
                error_y=error_bars(intervals, str(look(0)["color"])),
                mode="lines+markers" if curve.is_number else "markers",
                line=dash(0),
                marker=look(0),
                customdata=[
                    (level.label, level.objective.low, level.objective.high, level.num_configurations)
                    for level in curve.levels
                ],
                hovertemplate="%{customdata[0]}: %{y:.3f} (%{customdata[1]:.3f} to %{customdata[2]:.3f}), "
                "configurations: %{customdata[3]}<extra></extra>",
                showlegend=False,
            ),
            row=row,
            col=1,
        )
        # Everything else is equal, or others differ too.
        basis = "" if curve.basis == "matched" else ", averaged over the others"
        figure.update_xaxes(
            title={"text": f"{short_setting(curve.path)}{basis}", "standoff": 8}, row=row, col=1
        )
        if not curve.is_number:
            figure.update_xaxes(type="category", row=row, col=1)
            continue
        figure.update_xaxes(type="log" if curve.is_log else "linear", row=row, col=1)
        values = [level.value for level in curve.levels]
        if not curve.is_binned:
            texts = [level.label for level in curve.levels]
            figure.update_xaxes(tickvals=values, ticktext=texts, tickangle=0, row=row, col=1)
        else:
            ticks = log_ticks(min(values), max(values)) if curve.is_log else []
            figure.update_xaxes(
                nticks=6,
                tickvals=ticks if len(ticks) > 1 else None,
                tickformat="~g",
                tickangle=0,
                row=row,
                col=1,
            )
    noise_band(figure, ranking, along="y")
    figure.update_yaxes(title_text="objective")
    figure.update_layout(template=TEMPLATE, height=60 + 260 * rows)
    return figure


def log_ticks(low: float, high: float) -> list[float]:
    """Round numbers that divide a logarithmic axis; plotly would write digits without their power of ten.

    Args:
        low: > 0; where the axis begins.
        high: >= low.

    Returns:
        1, 2 and 5 times powers of ten between the two, or powers of ten alone where these are many.
    """
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    digits = (1, 2, 5) if last - first <= 2 else (1,)
    ticks = [float(f"{digit}e{power}") for power in range(first, last + 1) for digit in digits]
    return [tick for tick in ticks if low <= tick <= high]


def _draw(sweep: Sweep, ranking: Ranking) -> go.Figure | None:
    outcomes = compute_outcomes(sweep, ranking)
    curves = compute_responses(outcomes) if outcomes else []
    return plot_responses(curves, ranking) if curves else None


RESPONSE = Figure(
    "response",
    "How the objective answers to each setting",
    "Mean objective at each value with its 95 % interval, with everything else equal where the sweep has "
    "such configurations, else averaged over the others; the shaded band is closer to the best than "
    "the sweep can tell.",
    _draw,
)
