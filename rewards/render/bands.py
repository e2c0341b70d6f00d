"""The two sampling rates of pitched tones, and the tiles in which they are made.

Most partials of most notes lie below 4.8 kHz: they are made at a quarter of the sample rate, for a quarter of
the work, and brought up by two filters per clip. Both bands are cut into tiles of the same duration at the
same places in every clip, so that any stretch of a piece can be rendered without the rest.
"""

from __future__ import annotations

from typing import NamedTuple

from rewards.render.resample import HALF_TO_FULL, QUARTER_TO_HALF

TILE = 4096
"""Samples of a tile at the full rate."""
KNOTS = 16
"""Straight segments of a partial's amplitude within a tile: one per 256 samples, 5.3 ms at 48 kHz."""
DIVISOR = 4
"""Full rate over low rate."""
LATE = 2 * HALF_TO_FULL.reach
"""Full-rate samples by which all tones come late, 0.3 ms at 48 kHz: the delay of the last filter."""
SPLIT = 0.1
"""Partials below this share of the full sample rate belong to the low band."""
LIMIT = 0.45
"""Partials above this share of the sample rate are left out: nothing aliases."""


class Band(NamedTuple):
    """One of the two rates."""

    divisor: int
    """Full rate over this band's rate."""
    ahead: int
    """Samples of its own rate by which it runs ahead; behind where negative."""

    @property
    def tile(self) -> int:
        """Samples of a tile at this band's rate."""
        return TILE // self.divisor

    @property
    def step(self) -> int:
        """Samples from knot to knot at this band's rate."""
        return self.tile // KNOTS


LOW = Band(DIVISOR, QUARTER_TO_HALF.reach)
HIGH = Band(1, -LATE)
