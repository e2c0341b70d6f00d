"""The pool's book: who asked what, what waits where, which worker has what. Knows no Ray and no clock."""

from __future__ import annotations

import zlib
from collections import Counter, deque
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Final, NamedTuple

from cluster.scoring.queue import Ask, Call, Clip, FairQueue
from rewards import AudioResult

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from search_spaces.resources import PoolLimits

__all__ = ["MAX_TRIES", "STEAL_AFTER_S", "Batch", "Book", "Question", "Tally"]

MAX_TRIES: Final = 3
"""Workers that may be lost with a clip in their hands before it is given up."""
STEAL_AFTER_S: Final = 0.05
"""How much longer than `max_wait_s` a clip waits for its home before any idle worker takes it."""


class Question(NamedTuple):
    """A config, and the vibe that it is to fit."""

    vibe: str
    digest: str
    """Names the config."""
    config: str
    """The config as canonical JSON."""


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """What one worker scores in one go: clips of one scorer."""

    slot: int
    clips: Sequence[Clip]

    @property
    def scorer(self) -> str:
        """The ScorerKey as JSON."""
        return self.clips[0].scorer

    def pairs(self) -> tuple[list[str], list[str]]:
        """[N] vibes and the [N] configs they are compared with; each clip as often as it has vibes."""
        flat = [(vibe, clip.config) for clip in self.clips for vibe in clip.sent]
        return [vibe for vibe, _ in flat], [config for _, config in flat]


@dataclass
class Tally:
    """What the book has counted since it was opened."""

    answered: int = 0
    """Questions answered, the unscored ones too."""
    unscored: int = 0
    joined: int = 0
    """Questions that found their clip waiting or in work already."""
    refused: int = 0
    """Questions that did not fit in, each time they came."""
    retried: int = 0
    """Clips handed out again because their worker was lost."""
    batches: int = 0
    clips: int = 0
    """Clips in those batches."""
    hits: int = 0
    """Configs in finished batches whose embedding was cached."""
    misses: int = 0
    """Configs in finished batches that were rendered."""


class Book:
    """Admits questions up to a bound, hands out batches, takes in answers. Times are its caller's, in s.

    A clip waits at its home, the worker that its digest points to, so that it meets its cached embedding
    when it comes again; what waits there too long goes to any idle worker. A clip in work is handed out to
    nobody else: who asks for it with another vibe waits until it is back.
    """

    def __init__(self, limits: PoolLimits, on_answer: Callable[[Call], None] = lambda call: None) -> None:
        """
        Args:
            limits: batch size, waiting time, bound.
            on_answer: told of each answer.
        """
        self.limits = limits
        self.tally = Tally()
        self._on_answer = on_answer
        self._open: Counter[str] = Counter()
        """Unanswered questions of each client that has any."""
        self._slots: tuple[int, ...] = ()
        self._queues: dict[tuple[int, str], FairQueue] = {}
        """By home and scorer."""
        self._again: deque[Clip] = deque()
        """Clips that lost a worker; they travel alone, so that none pays for another that kills."""
        self._waiting: dict[tuple[str, str], Clip] = {}
        self._in_work: dict[tuple[str, str], Clip] = {}
        self._behind: dict[tuple[str, str], Clip] = {}
        """What is asked with further vibes of a clip that is in work."""

    @property
    def unanswered(self) -> int:
        """Questions admitted and not answered yet; never more than the bound."""
        return self._open.total()

    @property
    def waiting(self) -> int:
        """Clips that no worker has."""
        return len(self._waiting) + len(self._behind)

    def admit(
        self,
        client: str,
        scorer: str,
        questions: Sequence[Question],
        *,
        now: float,
        deadline: float,
        on_done: Callable[[list[AudioResult]], None],
    ) -> int:
        """Take in the first of some questions, as many as there is room for.

        The bound is shared evenly by the clients that have questions here.

        Args:
            client: who asks.
            scorer: the ScorerKey as JSON.
            questions: what is asked.
            now: the time.
            deadline: when `expire` answers what has no answer yet.
            on_done: gets the answers of those taken in, once; not called where none is.

        Returns:
            How many were taken in.
        """
        share = self.limits.queue // len({*self._open, client})
        free = min(self.limits.queue - self.unanswered, share - self._open.get(client, 0))
        admitted = questions[: max(0, free)]
        self.tally.refused += len(questions) - len(admitted)
        call = Call(client, len(admitted), began=now, deadline=deadline, on_done=on_done)
        for place, question in enumerate(admitted):
            self._open[client] += 1
            self._enter(Ask(call, place, question.vibe), scorer, question, now)
        return len(admitted)

    def set_slots(self, slots: Collection[int]) -> None:
        """Say which workers there are; what waits moves to its new home."""
        self._slots = tuple(sorted(slots))
        clips = list(chain.from_iterable(self._queues.values()))
        self._queues.clear()
        for clip in clips:
            self._put(clip, self._home(clip.digest))

    def take(self, slot: int, now: float, *, only_full: bool = False) -> Batch | None:
        """The next batch of a worker; None where nothing is ripe.

        Its own clips are ripe when they fill a batch or the oldest has waited for `max_wait_s`; those of
        others a moment later.

        Args:
            slot: the worker.
            now: the time.
            only_full: whether to leave what fills no batch.
        """
        if self._again and not only_full:
            return self._hand_out(slot, [self._again.popleft()])
        size = self.limits.max_batch
        for is_own in (True, False):
            queues = [queue for (home, _), queue in self._queues.items() if (home == slot) is is_own]
            ripe = [queue for queue in queues if is_own and len(queue) >= size]
            if not only_full:
                ripe += [queue for queue in queues if now >= self._ripe_at(queue, is_own)]
            if ripe:
                return self._hand_out(slot, min(ripe, key=lambda queue: queue.oldest).take(size))
        return None

    def due(self, slot: int) -> float:
        """When `take` will have something for a worker even if nothing new comes; infinite where never."""
        return min(
            (self._ripe_at(queue, home == slot) for (home, _), queue in self._queues.items()),
            default=float("inf"),
        )

    def finish(self, batch: Batch, results: Sequence[AudioResult], hits: int = 0, misses: int = 0) -> None:
        """Take in a worker's [N] answers to the [N] pairs of its batch, and what its cache knew of them."""
        self.tally.hits += hits
        self.tally.misses += misses
        rest = iter(results)
        for clip in batch.clips:
            answers = {vibe: next(rest) for vibe in clip.sent}
            self._answer(clip, answers.__getitem__)
            self._release(clip, batch.slot)

    def fail(self, batch: Batch, reason: str) -> None:
        """Answer a batch that a living worker could not score."""
        for clip in batch.clips:
            self._answer(clip, lambda _: AudioResult(None, reason))
            self._release(clip, batch.slot)

    def lose(self, batch: Batch, reason: str) -> None:
        """Take back a batch whose worker is lost: its clips go out again, one by one, or are given up."""
        for clip in batch.clips:
            del self._in_work[clip.name]
            behind = self._behind.pop(clip.name, None)
            clip.asks += behind.asks if behind else []
            clip.tries += 1
            if clip.tries < MAX_TRIES and clip.asks:
                self._waiting[clip.name] = clip
                self._again.append(clip)
                self.tally.retried += 1
            else:
                self._answer(clip, lambda _: AudioResult(None, f"{MAX_TRIES} scorers were lost: {reason}"))

    def expire(self, now: float) -> None:
        """Answer every question whose deadline has passed."""
        limit = f"resources.pool.deadline_s = {self.limits.deadline_s:g} s"
        late = AudioResult(None, f"no answer from the scorers within {limit}")
        for clip in [*self._waiting.values(), *self._behind.values(), *self._in_work.values()]:
            if any(ask.call.deadline <= now for ask in clip.asks):
                self._answer(clip, lambda _: late, lambda ask: ask.call.deadline <= now)
        for clips in (self._waiting, self._behind):
            for name in [name for name, clip in clips.items() if not clip.asks]:
                del clips[name]
        for queue in self._queues.values():
            queue.keep(lambda clip: bool(clip.asks))
        self._again = deque(clip for clip in self._again if clip.asks)

    def _enter(self, ask: Ask, scorer: str, question: Question, now: float) -> None:
        name = (scorer, question.digest)
        in_work = self._in_work.get(name)
        known = in_work if in_work and ask.vibe in in_work.sent else self._behind.get(name)
        known = known or (self._waiting.get(name) if in_work is None else None)
        if known or in_work:
            self.tally.joined += 1
        if known is None:
            known = Clip(scorer, question.digest, question.config, ask.call.client, now)
            if in_work:
                self._behind[name] = known
            else:
                self._waiting[name] = known
                self._put(known, self._home(question.digest))
        known.asks.append(ask)

    def _hand_out(self, slot: int, clips: Sequence[Clip]) -> Batch:
        for clip in clips:
            clip.sent = clip.vibes()
            self._in_work[clip.name] = self._waiting.pop(clip.name)
        self.tally.batches += 1
        self.tally.clips += len(clips)
        return Batch(slot, clips)

    def _release(self, clip: Clip, slot: int) -> None:
        """A clip is back; what was asked of it meanwhile waits where it is cached now."""
        del self._in_work[clip.name]
        behind = self._behind.pop(clip.name, None)
        if behind:
            self._waiting[behind.name] = behind
            self._put(behind, slot)

    def _answer(
        self,
        clip: Clip,
        result_of: Callable[[str], AudioResult],
        which: Callable[[Ask], bool] = lambda _: True,
    ) -> None:
        for ask in filter(which, clip.asks):
            result = result_of(ask.vibe)
            self.tally.answered += 1
            self.tally.unscored += result.score is None
            self._open[ask.call.client] -= 1
            if not self._open[ask.call.client]:
                del self._open[ask.call.client]
            self._on_answer(ask.call)
            ask.call.answer(ask.place, result)
        clip.asks = [ask for ask in clip.asks if not which(ask)]

    def _put(self, clip: Clip, home: int) -> None:
        self._queues.setdefault((home, clip.scorer), FairQueue()).put(clip)

    def _home(self, digest: str) -> int:
        """The worker with the highest hash beside the digest's; others keep theirs when one comes or goes."""
        return max(self._slots, key=lambda slot: zlib.crc32(f"{slot}:{digest}".encode()), default=-1)

    def _ripe_at(self, queue: FairQueue, is_own: bool) -> float:
        return queue.oldest + self.limits.max_wait_s + (0.0 if is_own else STEAL_AFTER_S)
