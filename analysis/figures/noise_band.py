"""The noise floor in a figure: what lies too close to the best for the sweep to tell the two apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

import plotly.graph_objects as go

from analysis.figures.theme import FAINT

if TYPE_CHECKING:
    from analysis.ranking import Ranking

__all__ = ["noise_band"]


def noise_band(figure: go.Figure, ranking: Ranking, *, along: str) -> None:
    """Shade the objectives closer to the best configuration's than the sweep finds 4 times in 5.

    Nothing is shaded where the noise is not known, or no configuration is ranked.

    Args:
        figure: changed in place.
        ranking: says where the best configuration lies, and what the sweep finds.
        along: the axis of the objective, `x` or `y`.
    """
    best = next(iter(ranking.configurations), None)
    if best is None or ranking.detection is None:
        return
    top, bottom = best.objective.mean, best.objective.mean - ranking.detection.difference
    style = {"fillcolor": FAINT, "line_width": 0, "layer": "below"}
    if along == "x":
        figure.add_vrect(bottom, top, **style)
    else:
        figure.add_hrect(bottom, top, **style)
    # A shape has no entry in the legend of its own.
    figure.add_trace(
        go.Scatter(
            x=[None],
            y=[None],
            mode="markers",
            marker={"symbol": "square", "size": 14, "color": FAINT},
            name="too close to the best to tell",
            showlegend=True,
        )
    )
    figure.update_layout(showlegend=True)
