"""How all figures look: readable on light and on dark pages, on a phone, and without telling colors apart.

The page shows through; text and lines are a grey with a contrast of at least 4:1 to white and to near black.
The colors are those of Okabe & Ito (2008, "Color Universal Design"), less the yellow that is lost on white
and the black that is lost on black; symbol and dash change with the color, so that none is needed.
"""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING, Any, Final

import plotly.graph_objects as go

if TYPE_CHECKING:
    from analysis.intervals import Interval

__all__ = [
    "COLORS",
    "FAINT",
    "INK",
    "REFERENCE",
    "TEMPLATE",
    "dash",
    "error_bars",
    "look",
    "new_figure",
    "pale",
    "wrapped",
]

INK: Final = "#7b7f85"
"""Text, axes and reference lines."""
FAINT: Final = "rgba(123, 127, 133, 0.22)"
"""Grids, and bands behind the data."""
COLORS: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")
REFERENCE: Final = {"symbol": "diamond", "size": 10, "color": "white", "line": {"width": 2, "color": INK}}
"""A value to compare a bar with; it is seen on the bar and beside it."""
_SYMBOLS: Final = ("circle", "square", "diamond", "triangle-up", "cross", "x", "star")
_DASHES: Final = ("solid", "dash", "dot", "dashdot", "longdash")
_CLEAR: Final = "rgba(0, 0, 0, 0)"

_AXIS: Final = {
    "gridcolor": FAINT,
    "linecolor": INK,
    "zerolinecolor": INK,
    "automargin": True,
    "title": {"standoff": 10},
}

TEMPLATE: Final = go.layout.Template(
    layout={
        "font": {"color": INK, "family": "system-ui, sans-serif", "size": 13},
        "paper_bgcolor": _CLEAR,
        "plot_bgcolor": _CLEAR,
        "colorway": list(COLORS),
        "margin": {"l": 8, "r": 12, "t": 12, "b": 8},
        "xaxis": _AXIS,
        "yaxis": _AXIS,
        # Above the plot: beside it, a phone would have no room for the plot; below, the distance would grow
        # with the height.
        "legend": {"orientation": "h", "y": 1.01, "yanchor": "bottom", "x": 0, "xanchor": "left"},
        "ternary": {
            "bgcolor": _CLEAR,
            **{axis: {"gridcolor": FAINT, "linecolor": INK} for axis in ("aaxis", "baxis", "caxis")},
        },
        "annotationdefaults": {"font": {"color": INK, "size": 12}},
        "hoverlabel": {"font": {"size": 12}},
    }
)


def new_figure(**layout: Any) -> go.Figure:
    """An empty figure in the shared look, with this layout."""
    return go.Figure(layout={"template": TEMPLATE, **layout})


def look(index: int) -> dict[str, Any]:
    """Color and symbol of the index-th thing; of two things, the pair never is the same within 42."""
    return {"color": COLORS[index % len(COLORS)], "symbol": _SYMBOLS[index % len(_SYMBOLS)], "size": 9}


def dash(index: int) -> dict[str, Any]:
    """Color and dash of the index-th line; the pair is the same again after 30."""
    return {"color": COLORS[index % len(COLORS)], "dash": _DASHES[index % len(_DASHES)], "width": 2}


def pale(color: str, opacity: float) -> str:
    """A color of COLORS that lets show through what lies below it.

    Args:
        color: such as `#0072b2`.
        opacity: 0 to 1.
    """
    red, green, blue = (int(color[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red}, {green}, {blue}, {opacity:g})"


def error_bars(intervals: list[Interval], color: str) -> dict[str, Any]:
    """Bars from the low to the high ends of intervals."""
    return {
        "type": "data",
        "symmetric": False,
        "array": [interval.high - interval.mean for interval in intervals],
        "arrayminus": [interval.mean - interval.low for interval in intervals],
        "color": color,
        "thickness": 1.8,
    }


def wrapped(name: str, width: int = 22) -> str:
    """A name over several short lines, so that it leaves a phone room for the plot."""
    return "<br>".join(wrap(name, width, break_long_words=False, break_on_hyphens=False))
