"""What the pool says of itself: depth, batches, waiting times, hits."""

from __future__ import annotations

import statistics
from collections import deque
from typing import TYPE_CHECKING, Final

from common.model import FrozenModel

if TYPE_CHECKING:
    from cluster.scoring.queue import Call

__all__ = ["Meter", "PoolReport"]

_KEPT: Final = 2048
"""Answers that the quantiles are taken over."""


class PoolReport(FrozenModel):
    """The pool at one moment. Counts are since the dispatcher started."""

    scorers: int
    """Scorers that take batches."""
    wanted_scorers: int
    """These, and those that start or wait for room in the cluster."""
    lost_scorers: int
    """Scorers that died or hung, and were replaced."""
    unanswered: int
    """Completions in the pool."""
    waiting: int
    """Distinct clips of these that no scorer has yet."""
    answered: int
    unscored: int
    """Of the answered, those with a reason instead of a score."""
    joined: int
    """Completions that shared their clip with another that was there already."""
    refused: int
    """Times that a completion had to wait outside for room."""
    retried: int
    """Clips handed out again because their scorer was lost."""
    mean_batch: float | None
    """Clips per batch; None before the first."""
    latency_p50_s: float | None
    """Median time from admission to answer over the last 2,048 answers, in seconds."""
    latency_p95_s: float | None
    answers_per_s: float
    """Over the last seconds, 0 while nothing is asked."""
    hit_rate: float | None
    """Share of clips whose embedding was cached; None before the first, and where the scorer has no cache."""


class Meter:
    """Keeps the last answers' times."""

    def __init__(self) -> None:
        self._took: deque[float] = deque(maxlen=_KEPT)
        self._at: deque[float] = deque(maxlen=_KEPT)

    def answered(self, call: Call, now: float) -> None:
        """An answer of a call went out."""
        self._took.append(now - call.began)
        self._at.append(now)

    def latency(self, percent: int) -> float | None:
        """A percentile of the last answers' times in seconds; None before the first."""
        if len(self._took) < 2:
            return next(iter(self._took), None)
        return statistics.quantiles(self._took, n=100, method="inclusive")[percent - 1]

    def rate(self, now: float, window_s: float = 10.0) -> float:
        """Answers per second over the last window, or over as much of it as the last answers reach back."""
        recent = [at for at in self._at if now - at <= window_s]
        reach = now - recent[0] if len(recent) == _KEPT else window_s
        return len(recent) / max(reach, 1e-3)
