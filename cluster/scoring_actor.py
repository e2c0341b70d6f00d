"""One scoring actor: renders and embeds for every trial, each scorer loaded once."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING

from common.model import FrozenModel
from common.music_schema import MusicConfig
from common.reward_config import ClapScorerConfig, RewardConfig
from rewards import AudioResult, load_callable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from common.objective import ObjectiveConfig
    from rewards import AudioBackend

__all__ = ["ScorerIds", "ScorerKey", "ScoringActor"]


class ScorerKey(FrozenModel):
    """Which scorer a request is for; equal keys share one loaded model."""

    clap: ClapScorerConfig
    custom_scorer_path: str | None = None
    """`module:callable` that fills the audio slot instead of CLAP."""

    @classmethod
    def of_evaluation(cls, objective: ObjectiveConfig) -> tuple[ScorerKey, ...]:
        """The sweep's frozen scorer, and behind it that of the second checkpoint where there is one."""
        settings = (objective.scorer, objective.eval_clap_scorer)
        return tuple(cls(clap=clap) for clap in settings if clap is not None)

    @classmethod
    def of_reward(cls, reward: RewardConfig) -> ScorerKey | None:
        """The scorer that a trained reward needs; None where it has no audio."""
        if reward.reward_type == "schema_only":
            return None
        return cls(clap=reward.clap, custom_scorer_path=reward.custom_scorer_path)


class ScorerIds(FrozenModel):
    """How a scorer names itself in the ledger."""

    scorer_id: str
    renderer_id: str


class ScoringActor:
    """Serves several scorers in one process, one request at a time.

    A request is a microbatch, so requests of different trials take turns.
    """

    def __init__(self, backend_factory: str, num_threads: int) -> None:
        """
        Args:
            backend_factory: `module:callable` with the signature of `rewards.audio_backend`.
            num_threads: threads of torch; fixed, because a score depends on it.
        """
        # Not inherited from the machine: the same sweep scores the same with 2 cores and with 64.
        os.environ["OMP_NUM_THREADS"] = str(num_threads)
        import torch  # noqa: PLC0415  (after its number of threads is set)

        torch.set_num_threads(num_threads)
        # Loaded with the first request: what fails there reaches the caller, what fails here kills the actor.
        self._factory = backend_factory
        self._backends: dict[str, AudioBackend] = {}

    def pid(self) -> int:
        """The process that answers."""
        return os.getpid()

    def describe(self, key: str) -> ScorerIds:
        """Load a scorer if it is not loaded, and say its ids.

        Args:
            key: a ScorerKey as JSON.

        Raises:
            UserError: its model, renderer or callable cannot be loaded.
        """
        backend = self._backend(key)
        return ScorerIds(scorer_id=backend.scorer_id, renderer_id=backend.renderer_id)

    def audio(self, key: str, vibes: Sequence[str], configs: Sequence[str]) -> list[AudioResult]:
        """Score [B] configs, as JSON, for their [B] vibes."""
        parsed = [MusicConfig.model_validate_json(config) for config in configs]
        results = self._backend(key).audio(vibes, parsed)
        assert all(r.score is None or math.isfinite(r.score) for r in results), "backends answer no NaN"
        return results

    def _backend(self, key: str) -> AudioBackend:
        if key not in self._backends:
            wanted = ScorerKey.model_validate_json(key)
            kind = "clap" if wanted.custom_scorer_path is None else "custom"
            make = load_callable(self._factory)
            self._backends[key] = make(kind, wanted.clap, wanted.custom_scorer_path)
        return self._backends[key]
