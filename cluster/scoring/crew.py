"""The pool's workers: started, fed from the book, replaced when lost, more of them under load."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Final

from cluster.scoring.worker import WorkerLostError, one_line
from common.errors import RewardError, UserError

if TYPE_CHECKING:
    from collections.abc import Callable

    from cluster.scoring.book import Batch, Book
    from cluster.scoring.worker import Worker

__all__ = ["Crew"]

_FIRST_PAUSE_S: Final = 0.5
_LONGEST_PAUSE_S: Final = 30.0
"""A lost worker is replaced at once; each further one that has scored nothing doubles the pause."""
_HANGS_AFTER: Final = 1 / 3
"""Share of the deadline after which a batch's worker counts as hung: three tries fit into it."""
_LOOK_EVERY_S: Final = 1.0
_GROW_AFTER_S: Final = 5.0
"""How long more waits than everyone's next two batches before a worker is added."""
_SHRINK_AFTER_S: Final = 60.0
"""How long a worker has nothing to do before it goes."""


class Crew:
    """Between `smallest` and `largest` workers, each in a slot, which its replacements inherit."""

    def __init__(
        self,
        book: Book,
        hire: Callable[[], Worker],
        smallest: int,
        largest: int,
        on_bug: Callable[[BaseException], None],
    ) -> None:
        """
        Args:
            book: where batches come from and go back to.
            hire: gives a new worker.
            smallest: workers at any time.
            largest: workers under load.
            on_bug: told of an exception that nothing here expects; the crew is not whole after it.
        """
        self._on_bug = on_bug
        self._book = book
        self._hire = hire
        self._smallest = smallest
        self._largest = largest
        self._changed = asyncio.Condition()
        self._keepers: dict[int, asyncio.Task[None]] = {}
        self._idle_since: dict[int, float] = {}
        self._in_hand: Counter[int] = Counter()
        self.live: dict[int, Worker] = {}
        """The workers that take batches, by slot."""
        self.num_lost = 0
        """Workers lost so far."""
        self.why_lost = ""
        """What the last of them was lost by."""
        self.num_stillborn = 0
        """Workers lost in a row, in any slot, with no batch scored between."""

    @property
    def size(self) -> int:
        """Slots, those whose worker is starting among them."""
        return len(self._keepers)

    def start(self) -> None:
        """Fill the first slots, and watch the load where there may be more."""
        for slot in range(self._smallest):
            self._open_slot(slot)
        if self._largest > self._smallest:
            self._scaling = asyncio.create_task(self._scale())
            self._scaling.add_done_callback(self._see_to)

    async def wake(self) -> None:
        """Let the idle workers look into the book."""
        async with self._changed:
            self._changed.notify_all()

    def _open_slot(self, slot: int) -> None:
        self._keepers[slot] = asyncio.create_task(self._keep(slot))
        self._keepers[slot].add_done_callback(self._see_to)

    def _see_to(self, ended: asyncio.Task[None]) -> None:
        if not ended.cancelled() and (error := ended.exception()):
            self._on_bug(error)

    async def _keep(self, slot: int) -> None:
        """Have a worker in a slot, whatever happens to it."""
        is_missed = False
        while True:
            worker = self._hire()
            try:
                await worker.start(is_missed=is_missed)
                is_missed = True
                self._idle_since[slot] = asyncio.get_running_loop().time()
                self.live[slot] = worker
                self._book.set_slots(self.live)
                await self.wake()
                await self._feed(slot, worker)
            except WorkerLostError as lost:
                self.num_lost += 1
                self.num_stillborn += 1
                self.why_lost = str(lost)
            finally:
                self.live.pop(slot, None)
                self._book.set_slots(self.live)
                worker.kill()
            await self.wake()
            if self.num_stillborn > 1:
                # Doubled 20 times at most, or a night without room in the cluster ends in an overflow.
                doubled = _FIRST_PAUSE_S * 2 ** min(20, self.num_stillborn - 2)
                await asyncio.sleep(min(_LONGEST_PAUSE_S, doubled))

    async def _feed(self, slot: int, worker: Worker) -> None:
        """Bring a worker its batches; while it has one in work a second waits there, if it is full anyway.

        Raises:
            WorkerLostError: it is lost.
        """
        pumps = [asyncio.create_task(self._pump(slot, worker, only_full=later)) for later in (False, True)]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            ends = await asyncio.gather(*pumps, return_exceptions=True)
        raise next(end for end in ends if isinstance(end, Exception))

    async def _pump(self, slot: int, worker: Worker, *, only_full: bool) -> None:
        """Take batches to a worker and their answers back, until it is lost."""
        hang_s = self._book.limits.deadline_s * _HANGS_AFTER
        while True:
            batch = await self._next_batch(slot, only_full)
            self._in_hand[slot] += 1
            try:
                await worker.load(batch.scorer)
                scored = await worker.score(
                    # The second batch may wait for the whole first one.
                    batch.scorer, *batch.pairs(), within_s=hang_s * (1 + only_full)
                )  # fmt: skip
            except (UserError, RewardError) as error:
                self._book.fail(batch, str(error))
            except BaseException as error:  # lost, or cancelled because the other pump has lost it
                self._book.lose(batch, one_line(error))
                raise
            else:
                self._book.finish(batch, *scored)
                self.num_stillborn = 0
            finally:
                self._in_hand[slot] -= 1
                self._idle_since[slot] = asyncio.get_running_loop().time()
            await self.wake()

    async def _next_batch(self, slot: int, only_full: bool) -> Batch:
        clock = asyncio.get_running_loop().time
        while True:
            async with self._changed:
                batch = self._book.take(slot, clock(), only_full=only_full)
                if batch:
                    return batch
                ripens_in = None if only_full else max(0.0, self._book.due(slot) - clock())
                try:
                    async with asyncio.timeout(ripens_in if ripens_in != float("inf") else None):
                        await self._changed.wait()
                except TimeoutError:
                    pass

    async def _scale(self) -> None:
        """Add a worker while the work is too much, let one go that has none."""
        clock = asyncio.get_running_loop().time
        enough_at = clock()
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            now = clock()
            if self._book.waiting <= 2 * self._book.limits.max_batch * max(1, len(self.live)):
                enough_at = now
            all_live = len(self.live) == self.size
            if now - enough_at >= _GROW_AFTER_S and all_live and self.size < self._largest:
                self._open_slot(max(self._keepers) + 1)
                enough_at = now
            elif all_live and self.size > self._smallest:
                last = max(self._keepers)
                if not self._in_hand[last] and now - self._idle_since[last] >= _SHRINK_AFTER_S:
                    self._keepers.pop(last).cancel()
