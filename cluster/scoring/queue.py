"""What waits in the pool: clips, each with those who asked for it, one client after the other."""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rewards import AudioResult

__all__ = ["Ask", "Call", "Clip", "FairQueue"]


class Call:
    """One request of a client, until its last answer."""

    def __init__(
        self,
        client: str,
        size: int,
        *,
        began: float,
        deadline: float,
        on_done: Callable[[list[AudioResult]], None],
    ) -> None:
        """
        Args:
            client: who asks; clients take turns.
            size: how many answers it waits for.
            began: when it came, in seconds of the pool's clock.
            deadline: when it is answered at the latest.
            on_done: gets the [size] answers, once.
        """
        self.client = client
        self.began = began
        self.deadline = deadline
        self._answers: list[AudioResult | None] = [None] * size
        self._open = size
        self._on_done = on_done

    def answer(self, place: int, result: AudioResult) -> None:
        """Give one answer. Each place gets exactly one."""
        assert self._answers[place] is None, f"place {place} has its answer"
        self._answers[place] = result
        self._open -= 1
        if not self._open:
            self._on_done([answer for answer in self._answers if answer is not None])


class Ask(NamedTuple):
    """One place of a call: how well does the clip fit this vibe?"""

    call: Call
    place: int
    vibe: str


class Clip:
    """A config that is rendered and heard once for all who ask for it at the same time."""

    def __init__(self, scorer: str, digest: str, config: str, client: str, since: float) -> None:
        """
        Args:
            scorer: the ScorerKey as JSON.
            digest: names the config.
            config: the config as canonical JSON.
            client: who asked first.
            since: when.
        """
        self.scorer = scorer
        self.digest = digest
        self.config = config
        self.client = client
        self.since = since
        self.tries = 0
        """Batches with this clip whose worker was lost."""
        self.asks: list[Ask] = []
        self.sent: Sequence[str] = ()
        """The vibes that the worker which has it compares it with."""

    @property
    def name(self) -> tuple[str, str]:
        """What makes two clips the same one."""
        return (self.scorer, self.digest)

    def vibes(self) -> list[str]:
        """The vibes to compare it with, each once, in the order of the asks."""
        return list(dict.fromkeys(ask.vibe for ask in self.asks))


class FairQueue:
    """Clips of one scorer; the clients take turns, each in its own order."""

    def __init__(self) -> None:
        self._clients: OrderedDict[str, deque[Clip]] = OrderedDict()
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[Clip]:
        for clips in self._clients.values():
            yield from clips

    @property
    def oldest(self) -> float:
        """Since when the longest waiting clip waits; infinite where none does."""
        return min((clips[0].since for clips in self._clients.values()), default=float("inf"))

    def put(self, clip: Clip) -> None:
        """Let a clip wait behind those of its client."""
        self._clients.setdefault(clip.client, deque()).append(clip)
        self._size += 1

    def take(self, count: int) -> Sequence[Clip]:
        """At most `count` clips, one client after the other."""
        taken: list[Clip] = []
        while self._clients and len(taken) < count:
            client, clips = self._clients.popitem(last=False)
            taken.append(clips.popleft())
            if clips:
                self._clients[client] = clips
        self._size -= len(taken)
        return taken

    def keep(self, wanted: Callable[[Clip], bool]) -> None:
        """Forget every clip that is not wanted any more."""
        for client, clips in list(self._clients.items()):
            left = deque(filter(wanted, clips))
            self._size -= len(clips) - len(left)
            if left:
                self._clients[client] = left
            else:
                del self._clients[client]
