"""How much each setting matters, beside what chance gives."""

from __future__ import annotations

from typing import TYPE_CHECKING

import plotly.graph_objects as go

from analysis.figures.figure import Figure
from analysis.figures.theme import COLORS, INK, REFERENCE, new_figure, wrapped
from analysis.importance import compute_importances, why_no_importances
from analysis.interactions import compute_interactions
from analysis.outcomes import compute_outcomes
from analysis.summary import short_setting

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analysis.importance import Importances, Share
    from analysis.interactions import Interactions
    from analysis.ranking import Ranking
    from analysis.sweep import Sweep

__all__ = ["IMPORTANCE", "INTERACTIONS", "plot_importances", "plot_interactions"]


def plot_importances(importances: Importances) -> go.Figure:
    """A bar for each setting and evaluator with its interval; a diamond says what chance reaches."""
    figure = new_figure(barmode="group")
    settings = importances.settings[::-1]
    kinds = [("PED-ANOVA: being among the best", COLORS[1], "/", "ped_anova")]
    kinds.append(("fANOVA: variance of the objective", COLORS[0], "", "fanova"))
    for name, color, pattern, field in kinds:
        shares = [(one.path, share) for one in settings if (share := getattr(one, field))]
        if shares:
            names = [wrapped(short_setting(path)) for path, _ in shares]
            is_last = field == "fanova"
            _bars(
                figure,
                names,
                [share for _, share in shares],
                name,
                color=color,
                pattern=pattern,
                is_last=is_last,
            )
    line = {"color": INK, "dash": "dash", "width": 2}
    figure.add_vline(x=importances.noise_share, line=line)
    # A shape has no entry in the legend of its own.
    figure.add_trace(go.Scatter(x=[None], y=[None], mode="lines", line=line, name="noise floor"))
    return _finished(figure, len(settings) * 2)


def plot_interactions(interactions: Interactions) -> go.Figure:
    """A bar for each pair of settings with its interval; a diamond says what chance reaches."""
    figure = new_figure()
    pairs = interactions.pairs[::-1]
    names = [wrapped(f"{short_setting(one.first)} and {short_setting(one.second)}") for one in pairs]
    _bars(figure, names, [one.share for one in pairs], "only as a pair", color=COLORS[2])
    return _finished(figure, len(pairs))


def _bars(
    figure: go.Figure,
    names: Sequence[str],
    shares: Sequence[Share],
    name: str,
    *,
    color: str,
    pattern: str = "",
    is_last: bool = True,
) -> None:
    figure.add_trace(
        go.Bar(
            x=[share.value for share in shares],
            y=names,
            orientation="h",
            offsetgroup=name,
            name=name,
            marker={
                "color": color,
                "pattern": {"shape": pattern, "fillmode": "overlay"},
                # What chance explains as well is pale.
                "opacity": [1.0 if share.is_told else 0.35 for share in shares],
            },
            error_x={
                "type": "data",
                "symmetric": False,
                "array": [max(0.0, share.high - share.value) for share in shares],
                "arrayminus": [max(0.0, share.value - share.low) for share in shares],
                "color": INK,
            },
            customdata=[
                (share.low, share.high, share.by_chance, "told" if share.is_told else "not told from chance")
                for share in shares
            ],
            hovertemplate="%{x:.0%} (%{customdata[0]:.0%} to %{customdata[1]:.0%}); chance gives "
            "%{customdata[2]:.0%}: %{customdata[3]}",
        )
    )
    figure.add_trace(
        go.Scatter(
            x=[share.by_chance for share in shares],
            y=names,
            orientation="h",
            offsetgroup=name,
            mode="markers",
            marker=REFERENCE,
            name="what chance reaches",
            legendgroup="chance",
            showlegend=is_last,
            hovertemplate="chance: %{x:.0%}<extra></extra>",
        )
    )


def _finished(figure: go.Figure, num_bars: int) -> go.Figure:
    figure.update_layout(
        height=200 + 30 * num_bars, scattermode="group", xaxis={"tickformat": ".0%", "rangemode": "tozero"}
    )
    figure.update_yaxes(showgrid=False)
    return figure


def _draw_importances(sweep: Sweep, ranking: Ranking) -> go.Figure | None:
    outcomes = compute_outcomes(sweep, ranking)
    found = compute_importances(outcomes) if outcomes else None
    return plot_importances(found) if found and found.settings else None


def _draw_interactions(sweep: Sweep, ranking: Ranking) -> go.Figure | None:
    outcomes = compute_outcomes(sweep, ranking)
    found = compute_interactions(outcomes) if outcomes else None
    return plot_interactions(found) if found and found.pairs else None


def _importances_answer(sweep: Sweep, ranking: Ranking) -> str | None:
    outcomes = compute_outcomes(sweep, ranking)
    reason = why_no_importances(outcomes) if outcomes else None
    return f"This cannot be told: {reason}." if reason else None


IMPORTANCE = Figure(
    "importance",
    "Which settings matter",
    "Share of the objective's variance that each setting explains by itself (fANOVA), and how much it "
    "decides about being among the best (PED-ANOVA), with 95 % intervals; pale bars do not pass "
    "what chance reaches (diamonds), and noise alone makes up the variance left of the dashed line.",
    _draw_importances,
    _importances_answer,
)
INTERACTIONS = Figure(
    "interactions",
    "Which settings matter together",
    "Share of the objective's variance that two settings explain only as a pair; pale bars do not pass what "
    "chance reaches (diamonds).",
    _draw_interactions,
)
