"""What a figure is: a name, what it shows, and how it is drawn from a ranked sweep."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    import plotly.graph_objects as go

    from analysis.ranking import Ranking
    from analysis.sweep import Sweep

__all__ = ["Figure"]


@dataclass(frozen=True)
class Figure:
    """One way to look at an outcome; the numbers come from a function of their own."""

    name: str
    """Short and unique, such as `learning-curves`: for anchors and file names."""
    title: str
    says: str
    """What it shows and how to read it, in one sentence."""
    draw: Callable[[Sweep, Ranking], go.Figure | None]
    """None where the sweep has nothing to show of it."""
    answer: Callable[[Sweep, Ranking], str | None] = lambda sweep, ranking: None
    """What it comes to in this sweep, or why nothing is drawn; None where nothing needs saying."""
