"""The trial's side of the pool: an AudioBackend that travels to the trials."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import ray
from ray.exceptions import RayError, RayTaskError

from cluster.scoring.book import Question
from cluster.scoring.worker import LOAD_DEADLINE_S, one_line
from common.errors import ClusterError, UserError
from common.music_schema import canonical_json, config_hash
from rewards import AudioResult

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ray.actor import ActorHandle

    from cluster.scoring.dispatcher import ScoringDispatcher
    from cluster.scoring.keys import ScorerIds, ScorerKey
    from common.music_schema import MusicConfig

__all__ = ["PoolAddress", "PoolBackend"]

_CHUNK: Final = 64
"""Completions in one message."""
_FIRST_PAUSE_S: Final = 0.05
_LONGEST_PAUSE_S: Final = 1.0
_GRACE_S: Final = 5.0
"""How much later than the pool's own deadline the client stops waiting: then the dispatcher hangs."""


@dataclass(frozen=True, slots=True)
class PoolAddress:
    """Where a sweep's pool is found; it travels to the trials."""

    dispatcher: ActorHandle[ScoringDispatcher]
    deadline_s: float
    """Longest wait for the answers of one call, in seconds."""

    def connect(self, key: ScorerKey, client: str) -> PoolBackend:
        """Ask the pool for a scorer, which loads it where it is new.

        Args:
            key: which scorer.
            client: who asks; the pool's clients take turns.

        Raises:
            UserError: the scorer's model, renderer or callable cannot be loaded.
            ClusterError: the pool does not answer.
        """
        text = key.model_dump_json()
        try:
            ids = ray.get(self.dispatcher.describe.remote(text), timeout=2 * LOAD_DEADLINE_S)
        except RayTaskError as error:
            if isinstance(error.cause, UserError):
                raise UserError(str(error.cause)) from error
            raise ClusterError(f"the scoring pool does not answer: {one_line(error.cause)}") from error
        except RayError as error:
            raise ClusterError(f"the scoring pool does not answer: {one_line(error)}") from error
        return PoolBackend(self, text, ids, client)


@dataclass(frozen=True, slots=True)
class PoolBackend:
    """Asks the pool, again where it had no room or was starting anew, until the deadline."""

    address: PoolAddress
    key: str
    """The ScorerKey as JSON."""
    ids: ScorerIds
    client: str

    @property
    def scorer_id(self) -> str:
        """The scorer's id in the ledger."""
        return self.ids.scorer_id

    @property
    def renderer_id(self) -> str:
        """The renderer's id in the ledger."""
        return self.ids.renderer_id

    @property
    def cache_counts(self) -> None:
        """None: the caches are the scorers', and the pool's report tells of them."""
        return

    @property
    def is_remote(self) -> bool:
        """True: the scorers are actors."""
        return True

    def audio(self, vibes: Sequence[str], configs: Sequence[MusicConfig]) -> list[AudioResult]:
        """Score [B] configs for their [B] vibes, in their order.

        What cannot be scored within the deadline, or fails on every try, has a reason instead of a score.
        """
        questions = [
            Question(vibe, config_hash(config), canonical_json(config))
            for vibe, config in zip(vibes, configs, strict=True)
        ]
        results: list[AudioResult | None] = [None] * len(questions)
        deadline = time.monotonic() + self.address.deadline_s
        pause_s, reason = _FIRST_PAUSE_S, ""
        while left := [place for place, result in enumerate(results) if result is None]:
            if reason:
                # Not all at the same moment, or the same ones would find it full each time.
                time.sleep(pause_s * random.uniform(0.5, 1.0))
            if time.monotonic() >= deadline:
                limit = f"resources.pool.deadline_s = {self.address.deadline_s:g} s"
                late = f"no answer from the scorers within {limit}: {reason}"
                return [result or AudioResult(None, late) for result in results]
            reason = self._ask(questions, left, results, deadline) or "there was no room"
            got_some = any(results[place] is not None for place in left)
            pause_s = _FIRST_PAUSE_S if got_some else min(_LONGEST_PAUSE_S, 2 * pause_s)
        return [result for result in results if result is not None]

    def _ask(
        self,
        questions: Sequence[Question],
        places: Sequence[int],
        results: list[AudioResult | None],
        deadline: float,
    ) -> str:
        """Fill in what the pool answers at some places; "" or why a message of them got no answer at all."""
        chunks = [places[start : start + _CHUNK] for start in range(0, len(places), _CHUNK)]
        pending = [
            self.address.dispatcher.submit.remote(
                self.client, self.key, [questions[place] for place in chunk], deadline - time.monotonic()
            )
            for chunk in chunks
        ]
        reason = ""
        for chunk, answer in zip(chunks, pending, strict=True):
            try:
                answers = ray.get(answer, timeout=max(0.0, deadline - time.monotonic()) + _GRACE_S)
            except RayTaskError as error:  # nothing that it does when it is asked can raise
                failed = AudioResult(None, f"the scoring pool failed: {one_line(error.cause)}")
                answers = [failed] * len(chunk)
            except RayError as error:  # it died and starts anew, with no memory of what it was asked
                reason, answers = f"the dispatcher gave no answer: {one_line(error)}", []
            for place, result in zip(chunk, answers, strict=False):  # the rest found no room
                results[place] = result
        return reason
