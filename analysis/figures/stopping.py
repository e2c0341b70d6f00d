"""What the scheduler stopped, beside how the finished trials stood at the same steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import plotly.graph_objects as go

from analysis.curves import compute_learning_curves
from analysis.figures.figure import Figure
from analysis.figures.noise_band import noise_band
from analysis.figures.theme import COLORS, INK, new_figure
from analysis.stopping import compute_stopping_audit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analysis.curves import LearningCurve
    from analysis.ranking import Ranking
    from analysis.stopping import StoppingAudit
    from analysis.sweep import Sweep

__all__ = ["STOPPING", "plot_stopping"]


def plot_stopping(audit: StoppingAudit, curves: Sequence[LearningCurve], ranking: Ranking) -> go.Figure:
    """Finished trials as lines; stopped ones as crosses at their ends, larger where likelier to have won."""
    stopped = {one.trial_id for one in audit.stopped}
    figure = new_figure(height=420, xaxis_title="optimizer steps", yaxis_title="held-out objective")
    going_on = [curve for curve in curves if curve.kind == "trial" and curve.trial_id not in stopped]
    cut = [curve for curve in curves if curve.trial_id in stopped]
    for name, members, style in (
        ("finished", going_on, {"color": COLORS[0], "width": 1.5}),
        ("until stopped", cut, {"color": COLORS[1], "width": 1, "dash": "dot"}),
    ):
        # One trace with gaps: a sweep can have hundreds of trials.
        figure.add_trace(
            go.Scatter(
                x=[x for curve in members for x in (*curve.steps, None)],
                y=[y for curve in members for y in (*curve.objective, None)],
                mode="lines",
                line=style,
                opacity=0.6,
                name=name,
                hoverinfo="skip",
            )
        )
    figure.add_trace(
        go.Scatter(
            x=[one.step for one in audit.stopped],
            y=[one.objective for one in audit.stopped],
            mode="markers",
            marker={
                "symbol": "x",
                "color": COLORS[1],
                "size": [8 + 10 * (one.share_won or 0.0) for one in audit.stopped],
            },
            name="stopped; larger: likelier to have won",
            customdata=[
                (
                    f"{one.label}, seed {one.seed}",
                    "cannot be told"
                    if one.share_won is None
                    else f"would have won with the gains of {one.share_won:.0%} of {one.num_finished} others",
                )
                for one in audit.stopped
            ],
            hovertemplate="%{customdata[0]}<br>step %{x}: %{y:.3f}<br>%{customdata[1]}<extra></extra>",
        )
    )
    if audit.best is not None:
        figure.add_hline(
            y=audit.best,
            line={"color": INK, "dash": "dash"},
            annotation={"text": "best configuration", "x": 1, "xanchor": "right", "yanchor": "bottom"},
        )
    noise_band(figure, ranking, along="y")
    return figure


def _draw(sweep: Sweep, ranking: Ranking) -> go.Figure | None:
    audit = compute_stopping_audit(sweep, ranking)
    if audit is None:
        return None
    return plot_stopping(audit, compute_learning_curves(sweep, ranking.objective), ranking)


def _answer(sweep: Sweep, ranking: Ranking) -> str | None:
    audit = compute_stopping_audit(sweep, ranking)
    return audit.says if audit else None


STOPPING = Figure(
    "stopping",
    "Would the stopped ones have won?",
    "Crosses are trials that the scheduler stopped, larger the more finished trials gained enough from the "
    "same step on to have brought them past the best.",
    _draw,
    _answer,
)
