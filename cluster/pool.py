"""The scoring pool: actors made by the driver, shared by all trials, gone with the driver.

Placement is why the driver makes them: an actor made inside a trial lives in the trial's placement
group and dies with the trial that made it.
"""

from __future__ import annotations

import math
import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import ray
from ray.exceptions import GetTimeoutError, RayActorError, RayError, RayTaskError

from cluster.scoring_actor import ScorerIds, ScorerKey, ScoringActor
from common.errors import ClusterError, UserError
from common.music_schema import canonical_json, config_hash
from common.random_configs import random_config
from rewards import AudioResult

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ray.actor import ActorHandle

    from common.music_schema import MusicConfig
    from search_spaces.sweep_file import Resources

__all__ = ["PoolBackend", "ScoringPool"]

_MAX_RESTARTS: Final = 100
"""Deaths that one actor survives."""
_TASK_RETRIES: Final = 2
"""Times Ray sends a request again after its actor died. A request that kills its actor is given up then."""
_REQUEST_DEADLINE_S: Final = 300.0
"""Longest wait for the answers of one call; includes an actor's restart and the other trials' requests."""
_START_DEADLINE_S: Final = 600.0
"""Longest wait for an actor to start and load its models."""

_PROBE: Final = random_config(random.Random(0))
"""What a health check scores: a request that goes all the way through renderer and CLAP."""


class ScoringPool:
    """The driver's side: makes the actors, checks them, ends them."""

    def __init__(self, resources: Resources, backend_factory: str) -> None:
        """Start the actors; they load their models while the driver goes on.

        Args:
            resources: how many actors, and the CPUs and GPUs of each.
            backend_factory: `module:callable` with the signature of `rewards.audio_backend`.
        """
        threads = max(1, math.ceil(resources.cpus_per_scorer))
        actor = ray.remote(ScoringActor).options(
            num_cpus=resources.cpus_per_scorer,
            num_gpus=resources.gpus_per_scorer,
            max_restarts=_MAX_RESTARTS,
            max_task_retries=_TASK_RETRIES,
        )
        self.actors: tuple[ActorHandle[ScoringActor], ...] = tuple(
            actor.remote(backend_factory, threads) for _ in range(resources.scorers)
        )

    def check(self, keys: Sequence[ScorerKey]) -> None:
        """Wait until every actor has scored one config with every scorer.

        Raises:
            UserError: a scorer's model, renderer or callable cannot be loaded.
            ClusterError: an actor does not start, or scores nothing.
        """
        probe = [canonical_json(_PROBE)]
        for key in keys:
            text = key.model_dump_json()
            pending = [actor.audio.remote(text, ["health check"], probe) for actor in self.actors]
            try:
                answers = ray.get(pending, timeout=_START_DEADLINE_S)
            except RayTaskError as error:
                if isinstance(error.cause, UserError):
                    raise UserError(str(error.cause)) from error
                raise ClusterError(f"a scorer cannot score: {_one_line(error.cause)}") from error
            except (GetTimeoutError, RayActorError) as error:
                raise ClusterError(
                    f"{len(self.actors)} scorers must start within {_START_DEADLINE_S:g} s, got "
                    f"{_one_line(error)}; check resources.scorers against the cluster"
                ) from error
            for (answer,) in answers:
                if answer.score is None:
                    raise ClusterError(f"a scorer cannot score a valid config: {answer.reason}")

    def shutdown(self) -> None:
        """End the actors."""
        for actor in self.actors:
            ray.kill(actor)


@dataclass(frozen=True)
class PoolBackend:
    """The trial's side of the pool: an AudioBackend that travels to the trials.

    A config always goes to the same actor, which has its audio embedding cached when it comes again.
    """

    actors: tuple[ActorHandle[ScoringActor], ...]
    key: ScorerKey
    ids: ScorerIds

    @classmethod
    def connect(cls, actors: tuple[ActorHandle[ScoringActor], ...], key: ScorerKey) -> PoolBackend:
        """Ask the pool for a scorer, which loads it where it is new.

        Raises:
            ClusterError: no actor answers.
        """
        try:
            ids = ray.get(actors[0].describe.remote(key.model_dump_json()), timeout=_START_DEADLINE_S)
        except RayError as error:
            raise ClusterError(f"the scoring pool does not answer: {_one_line(error)}") from error
        return cls(actors, key, ids)

    @property
    def scorer_id(self) -> str:
        """The scorer's id in the ledger."""
        return self.ids.scorer_id

    @property
    def renderer_id(self) -> str:
        """The renderer's id in the ledger."""
        return self.ids.renderer_id

    def audio(self, vibes: Sequence[str], configs: Sequence[MusicConfig]) -> list[AudioResult]:
        """Score [B] configs for their [B] vibes, in their order.

        What cannot be scored within the deadline, or fails on every try, has a reason instead of a score.
        """
        key = self.key.model_dump_json()
        requests: list[tuple[list[int], Any]] = []
        for number, places in self._routed(configs):
            vibe_batch = [vibes[place] for place in places]
            config_batch = [canonical_json(configs[place]) for place in places]
            requests.append((places, self.actors[number].audio.remote(key, vibe_batch, config_batch)))

        results: list[AudioResult | None] = [None] * len(configs)
        deadline = time.monotonic() + _REQUEST_DEADLINE_S
        for places, pending in requests:
            for place, result in zip(places, _answers(pending, deadline, len(places)), strict=True):
                results[place] = result
        return [result for result in results if result is not None]

    def _routed(self, configs: Sequence[MusicConfig]) -> list[tuple[int, list[int]]]:
        """(actor number, positions of at most one microbatch) for each request."""
        by_actor: dict[int, list[int]] = {}
        for place, config in enumerate(configs):
            by_actor.setdefault(int(config_hash(config)[:8], 16) % len(self.actors), []).append(place)
        size = self.key.clap.microbatch
        return [
            (number, places[start : start + size])
            for number, places in by_actor.items()
            for start in range(0, len(places), size)
        ]


def _answers(pending: Any, deadline: float, count: int) -> Sequence[AudioResult]:
    """The answers of one request, or `count` times the reason why there are none."""
    try:
        answers: Sequence[AudioResult] = ray.get(pending, timeout=max(0.0, deadline - time.monotonic()))
    except GetTimeoutError:
        ray.cancel(pending)
        return [AudioResult(None, f"no answer from the scorer within {_REQUEST_DEADLINE_S:g} s")] * count
    except RayTaskError as error:
        return [AudioResult(None, f"the scorer failed: {_one_line(error.cause)}")] * count
    except RayError as error:
        reason = f"the scorer died {_TASK_RETRIES + 1} times: {_one_line(error)}"
        return [AudioResult(None, reason)] * count
    assert len(answers) == count, f"{len(answers)} answers to {count} configs"
    return answers


def _one_line(error: BaseException) -> str:
    """Kind and first line of an error."""
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0]}" if text else type(error).__name__
