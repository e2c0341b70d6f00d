"""Points that are all known beforehand, in their order."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cluster.point_outcome import PointOutcome
    from search_spaces.points import Point

__all__ = ["ListedProposals"]


class ListedProposals:
    """Every point of a list, whose places are the points' numbers."""

    def __init__(self, points: Sequence[Point]) -> None:
        self._points = tuple(points)
        self._waiting = deque(range(len(self._points)))

    def propose(self) -> Point | None:
        """The next point; None when there is no more."""
        return self._points[self._waiting.popleft()] if self._waiting else None

    def notes(self, number: int) -> Mapping[str, int]:
        """Nothing: the list says it all."""
        return {}

    def restore(self, number: int, params: Mapping[str, Any], notes: Mapping[str, int]) -> None:
        """Skip a point that an earlier driver proposed."""
        if number >= len(self._points):
            return  # it ran when the sweep had more trials
        assert self._points[number].params == params, f"point {number} is not the list's"
        self._waiting.remove(number)

    def tell(self, number: int, outcome: PointOutcome) -> None:
        """Nothing to learn: the points are fixed."""
