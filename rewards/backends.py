"""Where audio is scored: in this process (the pool of Ray actors is in `cluster`)."""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING, Literal

from common.errors import RewardError, UserError
from rewards.components import AudioResult, CachingScorer, HearingScorer
from rewards.plugins import load_callable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from common.music_schema import MusicConfig
    from common.reward_config import ClapScorerConfig, ScorerProtocol
    from rewards.components import AudioBackend, CacheCounts, Heard

__all__ = ["InProcessBackend", "audio_backend", "load_callable"]

_LOG = logging.getLogger(__name__)
_ATTEMPTS = 2
_MOST_FAILURES = 32
"""Failed calls after which the rest of a batch is given up. Finding one broken config among 128 takes 7 of
them; whoever has more than four has too many for its trial anyway."""


class InProcessBackend:
    """Calls a scorer in this process, and turns its failures into reasons."""

    def __init__(self, scorer: ScorerProtocol, scorer_id: str, renderer_id: str) -> None:
        self._scorer = scorer
        self.scorer_id = scorer_id
        self.renderer_id = renderer_id

    @property
    def cache_counts(self) -> CacheCounts | None:
        """What the scorer found in its caches so far; None for one that does not say."""
        return self._scorer.cache_counts if isinstance(self._scorer, CachingScorer) else None

    def audio(self, vibes: Sequence[str], configs: Sequence[MusicConfig]) -> list[AudioResult]:
        """Score [B] configs for their [B] vibes.

        A call that raises is made once more. If it raises again, its halves are scored by themselves, and so
        on: what one config breaks is unscored with the reason, and costs the others nothing. A score that is
        not finite is unscored at once: the same config would give it again.
        """
        results: list[AudioResult | None] = [None] * len(configs)
        failures = 0
        # (positions, failed calls that they took part in), the first ones on top
        pieces = [(range(len(configs)), 0)] if configs else []
        while pieces:
            places, tries = pieces.pop()
            try:
                scored = self._call([vibes[p] for p in places], [configs[p] for p in places])
            except Exception as error:
                failures, tries = failures + 1, tries + 1
                middle = len(places) // 2
                if tries < _ATTEMPTS:
                    _LOG.warning("scoring %d configs failed, trying again: %s", len(places), _one_line(error))
                    pieces.append((places, tries))
                    continue
                if middle and failures < _MOST_FAILURES and not isinstance(error, RewardError):
                    pieces += [(places[middle:], tries), (places[:middle], tries)]
                    continue
                _LOG.exception("scoring %d configs failed %d times", len(places), tries)
                reason = f"scorer {self.scorer_id} failed {tries} times: {_one_line(error)}"
                scored = [AudioResult(None, reason)] * len(places)
            for place, result in zip(places, scored, strict=True):
                results[place] = result
        return [result for result in results if result is not None]

    def _call(self, vibes: Sequence[str], configs: Sequence[MusicConfig]) -> list[AudioResult]:
        scores: list[tuple[float, Heard | None]]
        if isinstance(self._scorer, HearingScorer):
            scores = [*self._scorer.hear(vibes, configs)]
        else:
            scores = [(float(score), None) for score in self._scorer(vibes, configs)]
        if len(scores) != len(configs):
            raise RewardError(f"{len(scores)} scores came back for {len(configs)} configs")
        return [
            AudioResult(score, None, heard)
            if math.isfinite(score)
            else AudioResult(None, f"scorer {self.scorer_id} gave a score that is not finite: {score}")
            for score, heard in scores
        ]


def audio_backend(
    reward_type: Literal["clap", "schema_only", "custom"],
    clap: ClapScorerConfig,
    custom_scorer_path: str | None,
) -> AudioBackend | None:
    """The in-process backend of a reward type; None where the reward has no audio.

    Torch runs with the thread count of its process: whoever wants equal scores from two processes gives both
    the same one (Ray sets OMP_NUM_THREADS from num_cpus).

    Raises:
        UserError: the checkpoint, the renderer or the custom scorer cannot be loaded.
    """
    if reward_type == "schema_only":
        return None
    if reward_type == "custom":
        if custom_scorer_path is None:
            raise UserError("reward_type 'custom' must come with custom_scorer_path, got none; name a scorer")
        return InProcessBackend(load_callable(custom_scorer_path), f"custom:{custom_scorer_path}", "custom")
    from rewards.clap import ClapScorer  # noqa: PLC0415  (transformers, which the other types do not need)

    scorer = ClapScorer(clap)
    return InProcessBackend(scorer, scorer.scorer_id, scorer.renderer_id)


def _one_line(error: Exception) -> str:
    first = next(iter(str(error).splitlines()), "")
    return f"{type(error).__name__}: {first}"
