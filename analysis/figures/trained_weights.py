"""What was trained for against what came of it: each reward weight's share and the objective."""

from __future__ import annotations

from typing import TYPE_CHECKING

import plotly.graph_objects as go

from analysis.figures.figure import Figure
from analysis.figures.noise_band import noise_band
from analysis.figures.theme import error_bars, look, new_figure, pale
from analysis.mixture import trained_shares, weight_effects
from analysis.summary import short_name
from common.reward_config import COMPONENTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analysis.mixture import TrainedShares, WeightEffect
    from analysis.ranking import Ranking
    from analysis.sweep import Sweep

__all__ = ["TRAINED_WEIGHTS", "plot_trained_weights"]


def plot_trained_weights(
    trained: Sequence[TrainedShares], effects: Sequence[WeightEffect], ranking: Ranking
) -> go.Figure:
    """A point for each configuration and weight that varied; the legend has the weight's correlation."""
    figure = new_figure(
        height=440,
        xaxis={"title": "share of the weights in training", "tickformat": ".0%", "range": [-0.04, 1.04]},
        yaxis_title="held-out objective",
    )
    intervals = [one.row.objective for one in trained]
    for effect in effects:
        place = COMPONENTS.index(effect.component)
        marker = look(place)
        figure.add_trace(
            go.Scatter(
                x=[one.shares[place] for one in trained],
                y=[interval.mean for interval in intervals],
                # Pale: configurations with equal weights stand above each other.
                error_y=error_bars(intervals, pale(marker["color"], 0.4)) | {"thickness": 1},
                mode="markers",
                marker=marker,
                name=f"{effect.component}: correlation {effect.correlation:+.2f}, p {effect.p_value:.2g}",
                customdata=[short_name(one.row) for one in trained],
                hovertemplate=f"%{{customdata}}<br>%{{x:.0%}} {effect.component}: %{{y:.3f}}<extra></extra>",
            )
        )
    noise_band(figure, ranking, along="y")
    return figure


def _draw(sweep: Sweep, ranking: Ranking) -> go.Figure | None:
    effects = weight_effects(sweep, ranking)
    return plot_trained_weights(trained_shares(sweep, ranking), effects, ranking) if effects else None


TRAINED_WEIGHTS = Figure(
    "trained-weights",
    "Did it matter what was trained for?",
    "Each configuration stands at the share that a reward weight had in its training, with its objective "
    "under the sweep's weights; Spearman's correlation, and the p of one as strong by chance, say whether "
    "the two go together.",
    _draw,
)
