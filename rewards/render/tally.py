"""Shares that come true in every clip, however short: counted, not drawn."""

from __future__ import annotations


class Tally:
    """Spreads a share or a rate as evenly as whole events allow.

    >>> quarter = Tally(0.5)
    >>> [quarter.due(0.25) for _ in range(8)]
    [0, 1, 0, 0, 0, 1, 0, 0]
    """

    def __init__(self, owed: float = 0.5) -> None:
        self._owed = owed

    def due(self, amount: float) -> int:
        """Adds an amount >= 0 to what is owed, and takes the whole events of it."""
        self._owed += amount
        whole = int(self._owed + 1e-9)
        self._owed -= whole
        return whole
