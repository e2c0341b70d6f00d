"""The pool's one point of call: an async actor that admits, batches, and watches over the scorers."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from typing import TYPE_CHECKING, Final

from cluster.scoring.book import MAX_TRIES, Book
from cluster.scoring.crew import Crew
from cluster.scoring.metrics import RayMetrics
from cluster.scoring.report import Meter, PoolReport
from cluster.scoring.worker import LOAD_DEADLINE_S, RayWorker, WorkerLostError
from common.errors import ClusterError, RewardError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cluster.scoring.book import Question
    from cluster.scoring.keys import ScorerIds
    from cluster.scoring.worker import Worker
    from rewards import AudioResult
    from search_spaces.resources import Resources

__all__ = ["ScoringDispatcher"]

_LOG: Final = logging.getLogger(__name__)
_EXPIRE_EVERY_S: Final = 0.5
_PUBLISH_EVERY_S: Final = 5.0
_GIVES_UP_AFTER: Final = 5
"""Scorers that may be lost in a row before the first has scored, at the check."""


class ScoringDispatcher:
    """Runs in one event loop, in an actor of its own that needs no CPU to speak of.

    It makes the scorers, so they end with it, and it ends with the driver that made it. Restarted by Ray, it
    begins with an empty book and new scorers; its callers send again what they have no answer for.
    """

    def __init__(self, resources: Resources, backend_factory: str, sweep: str) -> None:
        """
        Args:
            resources: how many scorers of which size, and the pool's limits.
            backend_factory: `module:callable` with the signature of `rewards.audio_backend`.
            sweep: whose pool it is, for the metrics.
        """
        self._metrics = RayMetrics(sweep)
        self._meter = Meter()
        self._book = Book(resources.pool, lambda call: self._meter.answered(call, _now()))
        self._crew = Crew(
            self._book,
            lambda: RayWorker(resources, backend_factory),
            resources.scorers,
            resources.most_scorers,
            on_bug=_die_of,
        )
        self._rounds: list[asyncio.Task[None]] = []
        """What is done again and again, from the first call on."""

    def pid(self) -> int:
        """The process that answers."""
        return os.getpid()

    async def submit(
        self, client: str, scorer: str, questions: Sequence[Question], within_s: float
    ) -> list[AudioResult]:
        """Answer as many of some questions as there is room for, from the first on.

        Args:
            client: who asks; clients take turns and share the room evenly.
            scorer: the ScorerKey as JSON.
            questions: configs and their vibes.
            within_s: after so many seconds, what has no score is answered with the reason.

        Returns:
            The answers; fewer than questions where the rest found no room and is to be sent again.
        """
        self._open()
        done: asyncio.Future[list[AudioResult]] = asyncio.get_running_loop().create_future()
        now = _now()
        admitted = self._book.admit(
            client,
            scorer,
            questions,
            now=now,
            deadline=now + within_s,
            on_done=done.set_result,
        )
        if not admitted:
            return []
        await self._crew.wake()
        return await done

    async def describe(self, scorer: str) -> ScorerIds:
        """Load a scorer in one worker where it is new, and say its ids.

        Raises:
            UserError: its model, renderer or callable cannot be loaded.
            ClusterError: no worker comes to life.
        """
        self._open()
        for _ in range(MAX_TRIES):
            try:
                return await (await self._first(1))[0].load(scorer)
            except WorkerLostError as error:
                _LOG.warning("a scorer was lost while it loaded: %s", error)
        raise ClusterError(f"{MAX_TRIES} scorers were lost while they loaded: {self._crew.why_lost}")

    async def check(self, scorer: str, probe: Question) -> None:
        """Wait until every worker has scored one config.

        Raises:
            UserError: the scorer's model, renderer or callable cannot be loaded.
            ClusterError: a worker does not start, or scores nothing.
        """
        self._open()
        workers = await self._first(self._crew.size)
        try:
            await asyncio.gather(*(worker.load(scorer) for worker in workers))
            probed = await asyncio.gather(
                *(worker.score(scorer, [probe.vibe], [probe.config], LOAD_DEADLINE_S) for worker in workers)
            )
        except (RewardError, WorkerLostError) as error:
            raise ClusterError(f"a scorer cannot score: {error}") from error
        for scored in probed:
            if scored.results[0].score is None:
                raise ClusterError(f"a scorer cannot score a valid config: {scored.results[0].reason}")

    async def report(self) -> PoolReport:
        """How the pool is doing."""
        tally = self._book.tally
        return PoolReport(
            at=time.time(),
            scorers=len(self._crew.live),
            wanted_scorers=self._crew.size,
            lost_scorers=self._crew.num_lost,
            unanswered=self._book.unanswered,
            waiting=self._book.waiting,
            answered=tally.answered,
            unscored=tally.unscored,
            joined=tally.joined,
            refused=tally.refused,
            retried=tally.retried,
            mean_batch=tally.clips / tally.batches if tally.batches else None,
            latency_p50_s=self._meter.latency(50),
            latency_p95_s=self._meter.latency(95),
            answers_per_s=self._meter.rate(_now()),
            hit_rate=tally.hits / (tally.hits + tally.misses) if tally.hits + tally.misses else None,
        )

    def _open(self) -> None:
        """Begin to work, in the loop of the first call."""
        if not self._rounds:
            self._crew.start()
            self._rounds = [asyncio.create_task(self._expire()), asyncio.create_task(self._publish())]
            for task in self._rounds:
                task.add_done_callback(_die_if_failed)

    async def _first(self, count: int) -> list[Worker]:
        """That many living workers, as soon as there are as many.

        Raises:
            ClusterError: they do not come to life.
        """
        deadline = _now() + LOAD_DEADLINE_S
        while len(self._crew.live) < count:
            if self._crew.num_stillborn >= _GIVES_UP_AFTER or _now() > deadline:
                raise ClusterError(
                    f"{count} scorers must start within {LOAD_DEADLINE_S:g} s, got {len(self._crew.live)}, "
                    f"and {self._crew.num_lost} lost ({self._crew.why_lost or 'the cluster has no room'}); "
                    "check resources.scorers against the cluster"
                )
            await asyncio.sleep(0.05)
        return list(self._crew.live.values())[:count]

    async def _expire(self) -> None:
        while True:
            await asyncio.sleep(_EXPIRE_EVERY_S)
            self._book.expire(_now())

    async def _publish(self) -> None:
        while True:
            self._metrics.show(await self.report())
            await asyncio.sleep(_PUBLISH_EVERY_S)


def _die_if_failed(ended: asyncio.Task[None]) -> None:
    if not ended.cancelled() and (error := ended.exception()):
        _die_of(error)


def _now() -> float:
    return time.monotonic()


def _die_of(error: BaseException) -> None:
    """End the process, which Ray starts anew: a pool that is not whole would let its callers wait."""
    _LOG.critical("the scoring pool ends by a bug", exc_info=error)
    os._exit(1)
