"""Completion texts in, reward components out: parsing and schema here, audio from a backend."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rewards.components import Components
from rewards.schema import renderable_config, schema_score
from rewards.text import first_json_object

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rewards.components import AudioBackend

__all__ = ["NO_AUDIO", "Scorer"]

NO_AUDIO = "none"
"""Scorer and renderer id where there is no audio component."""


class Scorer:
    """Scores completions for their vibes; only renderable configs travel to the audio backend."""

    def __init__(self, audio: AudioBackend | None) -> None:
        """
        Args:
            audio: what scores the sound; None for format and schema alone.
        """
        self._audio = audio
        self.scorer_id = audio.scorer_id if audio else NO_AUDIO
        self.renderer_id = audio.renderer_id if audio else NO_AUDIO

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
        results = {}
        if self._audio and renderable:
            scored = self._audio.audio(
                [vibes[index] for index in renderable],
                [config for config in configs if config],
            )
            results = dict(zip(renderable, scored, strict=True))

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
                    config=configs[index],
                )
            )
        return components
