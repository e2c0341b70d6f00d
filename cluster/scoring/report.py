"""What the pool says of itself: depth, batches, waiting times, hits."""

from __future__ import annotations

import statistics
from collections import deque
from typing import TYPE_CHECKING, ClassVar, Final

from common.records import StateRecord

if TYPE_CHECKING:
    from cluster.scoring.queue import Call

__all__ = ["Meter", "PoolReport"]

_KEPT: Final = 2048
"""Answers that the quantiles are taken over."""


class PoolReport(StateRecord):
    """The pool at one moment. Counts are since its dispatcher started."""

    FILE: ClassVar[str] = "scorers.json"

    at: float = 0.0
    """When, in seconds since 1970; 0 where the pool has said nothing yet."""
    scorers: int = 0
    """Scorers that take batches."""
    wanted_scorers: int = 0
    """These, and those that start or wait for room in the cluster."""
    lost_scorers: int = 0
    """Scorers that died or hung, and were replaced."""
    unanswered: int = 0
    """Completions in the pool."""
    waiting: int = 0
    """Distinct clips of these that no scorer has yet."""
    answered: int = 0
    """Completions that had their answer."""
    unscored: int = 0
    """Of the answered, those with a reason instead of a score."""
    joined: int = 0
    """Completions that shared their clip with another that was there already."""
    refused: int = 0
    """Times that a completion had to wait outside for room."""
    retried: int = 0
    """Clips handed out again because their scorer was lost."""
    mean_batch: float | None = None
    """Clips per batch; None before the first."""
    latency_p50_s: float | None = None
    """Median time from admission to answer over the last 2,048 answers, in seconds."""
    latency_p95_s: float | None = None
    """95th percentile of the same."""
    answers_per_s: float = 0.0
    """Over the last ten seconds."""
    hit_rate: float | None = None
    """Share of clips whose embedding was cached; None before the first, and where the scorer has no cache."""

    def numbers(self) -> dict[str, float]:
        """What there is to plot, by the name of its field."""
        return {name: float(value) for name, value in self if value is not None and name != "at"}


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
