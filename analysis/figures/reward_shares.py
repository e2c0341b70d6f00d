"""What each configuration's reward said it counts, and what it really learned from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import plotly.graph_objects as go

from analysis.figures.figure import Figure
from analysis.figures.theme import COLORS, INK, REFERENCE, new_figure, wrapped
from analysis.reward_shares import compute_reward_mixtures
from analysis.summary import short_label
from common.reward_config import COMPONENTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analysis.ranking import Ranking
    from analysis.reward_shares import RewardMixture
    from analysis.sweep import Sweep

__all__ = ["REWARD_MIXTURE", "plot_reward_mixtures"]

_PATTERNS: Final = ("", "/", ".")
_MAX_SHOWN: Final = 12


def plot_reward_mixtures(mixtures: Sequence[RewardMixture]) -> go.Figure:
    """A bar for each configuration and component; a diamond marks the component's nominal share."""
    names = [wrapped(short_label(mixture.label), 24) for mixture in mixtures]
    figure = new_figure(barmode="group", height=190 + 66 * len(mixtures))
    for index, component in enumerate(COMPONENTS):
        shares = [
            (name, share)
            for name, mixture in zip(names, mixtures, strict=True)
            for share in mixture.shares
            if share.component == component
        ]
        if not shares:
            continue
        figure.add_trace(
            go.Bar(
                x=[share.effective for _, share in shares],
                y=[name for name, _ in shares],
                orientation="h",
                name=component,
                offsetgroup=component,
                marker={
                    "color": COLORS[index],
                    "pattern": {"shape": _PATTERNS[index], "fillmode": "overlay"},
                },
                error_x={
                    "type": "data",
                    "symmetric": False,
                    "array": [max(share.by_seed) - share.effective for _, share in shares],
                    "arrayminus": [share.effective - min(share.by_seed) for _, share in shares],
                    "color": INK,
                },
                hovertemplate="%{x:.0%} of what is learned",
            )
        )
        figure.add_trace(
            go.Scatter(
                x=[share.nominal for _, share in shares],
                y=[name for name, _ in shares],
                offsetgroup=component,
                orientation="h",
                mode="markers",
                marker=REFERENCE,
                name="share of the weights",
                legendgroup="nominal",
                legendrank=2000,
                showlegend=index == 0,
                hovertemplate="%{x:.0%} of the weights",
            )
        )
    figure.update_layout(scattermode="group", xaxis={"tickformat": ".0%", "title": "share of the reward"})
    figure.update_yaxes(
        categoryorder="array", categoryarray=names[::-1], range=[-0.5, len(names) - 0.5], showgrid=False
    )
    return figure


def _draw(sweep: Sweep, ranking: Ranking) -> go.Figure | None:
    order = {(row.label, row.config_hash): row.rank for row in ranking.configurations}
    told = [mixture for mixture in compute_reward_mixtures(sweep) if mixture.shares]
    told.sort(key=lambda mixture: order.get((mixture.label, mixture.config_hash), len(order) + 1))
    return plot_reward_mixtures(told[:_MAX_SHOWN]) if told else None


REWARD_MIXTURE = Figure(
    "reward-mixture",
    "What the reward really taught",
    "Bars: each component's share in the variance of the reward among completions of one prompt, which is "
    "what GRPO learns from (lines: range over seeds); diamonds: its share of the weights.",
    _draw,
)
