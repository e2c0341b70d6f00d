"""The dispatcher's handle of one scoring actor: what it answers, and how it is lost."""

from __future__ import annotations

import asyncio
import logging
import math
from typing import TYPE_CHECKING, Any, Final, Protocol

import ray
from ray.exceptions import RayError, RayTaskError

from cluster.scoring.actor import ScoringActor
from common.errors import RewardError, UserError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

    from ray.actor import ActorHandle

    from cluster.scoring.actor import Scored
    from cluster.scoring.keys import ScorerIds
    from search_spaces.resources import Resources

__all__ = ["LOAD_DEADLINE_S", "RayWorker", "Worker", "WorkerLostError", "one_line"]

LOAD_DEADLINE_S: Final = 600.0
"""Longest that a scorer may take to load its models, a download among it."""
_ROOMLESS_AFTER: Final = 1 / 6
"""Share of the deadline after which a lost scorer's successor that got no CPUs starts without: those who
wait for its scores may be the ones who have them."""

_LOG: Final = logging.getLogger(__name__)


class WorkerLostError(Exception):
    """A worker died, hangs or cannot be reached; another takes its place."""


class Worker(Protocol):
    """What scores batches, one after the other."""

    async def start(self, *, is_missed: bool) -> None:
        """Wait until it is there.

        Args:
            is_missed: whether it takes the place of one that was lost, for which others may wait.

        Raises:
            WorkerLostError: it died instead.
        """
        ...

    async def load(self, scorer: str) -> ScorerIds:
        """Load a scorer where it is new.

        Raises:
            UserError: its model, renderer or callable cannot be loaded.
            RewardError: it fails otherwise.
            WorkerLostError: the worker is lost.
        """
        ...

    async def score(
        self, scorer: str, vibes: Sequence[str], configs: Sequence[str], within_s: float
    ) -> Scored:
        """Score [B] configs, as JSON, for their [B] vibes.

        Raises:
            RewardError: the scorer fails.
            WorkerLostError: the worker is lost, or has not answered within that time.
        """
        ...

    def kill(self) -> None:
        """End it, whatever it does."""
        ...


class RayWorker:
    """A Worker that is an actor of the cluster."""

    def __init__(self, resources: Resources, backend_factory: str) -> None:
        """Ask Ray for the actor; it starts while the caller goes on.

        Args:
            resources: CPUs and GPUs of a scorer.
            backend_factory: `module:callable` with the signature of `rewards.audio_backend`.
        """
        self._ids: dict[str, ScorerIds] = {}
        self._resources = resources
        self._backend_factory = backend_factory
        self._actor = self._new(resources.cpus_per_scorer)

    def _new(self, num_cpus: float) -> ActorHandle[ScoringActor]:
        resources = self._resources
        return (
            ray.remote(ScoringActor)
            .options(num_cpus=num_cpus, num_gpus=resources.gpus_per_scorer, max_restarts=0)
            .remote(self._backend_factory, max(1, math.ceil(resources.cpus_per_scorer)))
        )

    async def start(self, *, is_missed: bool) -> None:
        """See Worker. It waits for as long as the cluster has no room.

        Not so where it is missed and needs no GPU: trials that were lost together with a scorer ask for room
        at the same time, and wait for scores once they have it. It then shares the CPUs of others.
        """
        can_share = is_missed and self._resources.cpus_per_scorer and not self._resources.gpus_per_scorer
        patience_s = self._resources.pool.deadline_s * _ROOMLESS_AFTER if can_share else None
        try:
            async with asyncio.timeout(patience_s):
                await _answer(self._actor.pid.remote(), math.inf)
        except TimeoutError:
            _LOG.warning("no room for a scorer within %g s; it starts beside others", patience_s)
            self.kill()
            self._actor = self._new(0)
            await _answer(self._actor.pid.remote(), math.inf)

    async def load(self, scorer: str) -> ScorerIds:
        """See Worker."""
        if scorer not in self._ids:
            self._ids[scorer] = await _answer(self._actor.load.remote(scorer), LOAD_DEADLINE_S)
        return self._ids[scorer]

    async def score(
        self, scorer: str, vibes: Sequence[str], configs: Sequence[str], within_s: float
    ) -> Scored:
        """See Worker."""
        scored: Scored = await _answer(self._actor.audio.remote(scorer, vibes, configs), within_s)
        return scored

    def kill(self) -> None:
        """See Worker."""
        ray.kill(self._actor)


async def _answer(pending: Awaitable[Any], within_s: float) -> Any:
    try:
        async with asyncio.timeout(within_s if within_s < math.inf else None):
            return await pending
    except RayTaskError as error:
        if isinstance(error.cause, UserError):
            raise UserError(str(error.cause)) from error
        raise RewardError(f"the scorer failed: {one_line(error.cause or error)}") from error
    except RayError as error:
        raise WorkerLostError(one_line(error)) from error
    except TimeoutError as error:
        raise WorkerLostError(f"no answer within {within_s:g} s") from error


def one_line(error: BaseException) -> str:
    """Kind and first line of an error."""
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0]}" if text else type(error).__name__
