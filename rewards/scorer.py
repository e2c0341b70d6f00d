"""Completion texts in, reward components out: parsing and schema here, audio from a backend."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from rewards.components import Components, RemoteBackend
from rewards.schema import renderable_config, schema_score
from rewards.text import first_json_object

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from common.music_schema import MusicConfig
    from rewards.components import AudioBackend, AudioResult

__all__ = ["NO_AUDIO", "Scorer"]

_LOG = logging.getLogger(__name__)

NO_AUDIO = "none"
"""Scorer and renderer id where there is no audio component."""


class Scorer:
    """Scores completions for their vibes; only renderable configs travel to the audio backend."""

    def __init__(self, audio: AudioBackend | None, second: AudioBackend | None = None) -> None:
        """
        Args:
            audio: what scores the sound; None for format and schema alone.
            second: another checkpoint that hears what was scored, and changes no score.
        """
        self._audio = audio
        self._second = second
        self.scorer_id = audio.scorer_id if audio else NO_AUDIO
        self.renderer_id = audio.renderer_id if audio else NO_AUDIO
        self.second_id = second.scorer_id if second else None
        self.is_remote = isinstance(audio, RemoteBackend) and audio.is_remote

    def score(self, vibes: Sequence[str], completions: Sequence[str]) -> list[Components]:
        """Components of each completion.

        Args:
            vibes: [B] clean reference texts.
            completions: [B] texts as the policy wrote them.

        Returns:
            [B] components in the order of the completions; what the backend could not score is unscored
            with the backend's reason.

        Raises:
            ValueError: the two lengths differ.
        """
        if len(vibes) != len(completions):
            raise ValueError(
                f"vibes and completions must be equally many, got {len(vibes)} and {len(completions)}"
            )
        found = [first_json_object(text) for text in completions]
        configs = [renderable_config(payload) if self._audio else None for payload, _ in found]
        renderable = [index for index, config in enumerate(configs) if config]
        results: dict[int, AudioResult] = {}
        if self._audio and renderable:
            scored = self._audio.audio(
                [vibes[index] for index in renderable],
                [config for config in configs if config],
            )
            results = dict(zip(renderable, scored, strict=True))

        scored_configs = {
            index: config
            for index, config in enumerate(configs)
            if config and results[index].score is not None
        }
        again = self._heard_again(vibes, scored_configs)
        components = []
        for index, (payload, is_whole) in enumerate(found):
            result = results.get(index)
            if result is not None and result.score is None:
                components.append(Components.missing(result.reason or "the audio backend gave no reason"))
                continue
            components.append(
                Components(
                    format=float(is_whole),
                    schema=schema_score(payload),
                    audio=result.score if result else None,
                    renderable=configs[index] is not None if self._audio else None,
                    heard=result.heard if result else None,
                    heard_again=again.get(index),
                    config=configs[index],
                )
            )
        return components

    def _heard_again(self, vibes: Sequence[str], configs: Mapping[int, MusicConfig]) -> dict[int, float]:
        """Index to what the second checkpoint hears; what it cannot hear is missing, and told in the log."""
        if self._second is None or not configs:
            return {}
        results = self._second.audio([vibes[index] for index in configs], [*configs.values()])
        heard = {
            index: result.heard.similarity
            for index, result in zip(configs, results, strict=True)
            if result.heard is not None
        }
        if len(heard) < len(configs):
            reason = next(result.reason for result in results if result.heard is None)
            _LOG.warning(
                "%d of %d clips were not heard again: %s", len(configs) - len(heard), len(configs), reason
            )
        return heard
