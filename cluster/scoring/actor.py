"""One scoring actor: renders and embeds for every trial, each scorer loaded once."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, NamedTuple

from cluster.scoring.keys import ScorerIds, ScorerKey
from common.music_schema import MusicConfig
from rewards import AudioResult, CacheCounts, load_callable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rewards import AudioBackend

__all__ = ["Scored", "ScoringActor"]


class Scored(NamedTuple):
    """What came of one batch."""

    results: list[AudioResult]
    """[B], in the order of the configs."""
    hits: int
    """Configs whose embedding was cached."""
    misses: int
    """Configs that were rendered; both are 0 for a scorer without a cache."""


class ScoringActor:
    """Serves several scorers in one process, one batch at a time."""

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

    def load(self, key: str) -> ScorerIds:
        """Load a scorer if it is not loaded, and say its ids.

        Args:
            key: a ScorerKey as JSON.

        Raises:
            UserError: its model, renderer or callable cannot be loaded.
        """
        backend = self._backend(key)
        return ScorerIds(scorer_id=backend.scorer_id, renderer_id=backend.renderer_id)

    def audio(self, key: str, vibes: Sequence[str], configs: Sequence[str]) -> Scored:
        """Score [B] configs, as JSON, for their [B] vibes."""
        backend = self._backend(key)
        parsed = [MusicConfig.model_validate_json(config) for config in configs]
        before = backend.cache_counts or CacheCounts()
        results = backend.audio(vibes, parsed)
        after = backend.cache_counts or CacheCounts()
        assert len(results) == len(configs), f"{len(results)} answers to {len(configs)} configs"
        assert all(r.score is None or math.isfinite(r.score) for r in results), "backends answer no NaN"
        return Scored(results, after.hits - before.hits, after.misses - before.misses)

    def _backend(self, key: str) -> AudioBackend:
        if key not in self._backends:
            wanted = ScorerKey.model_validate_json(key)
            kind = "clap" if wanted.custom_scorer_path is None else "custom"
            make = load_callable(self._factory)
            self._backends[key] = make(kind, wanted.clap, wanted.custom_scorer_path)
        return self._backends[key]
