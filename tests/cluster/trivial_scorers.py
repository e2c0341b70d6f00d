"""Stand-ins for `rewards.audio_backend` that scoring actors import: they cost nothing, and fail on demand."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from rewards import AudioResult

if TYPE_CHECKING:
    from collections.abc import Sequence

    from common.music_schema import MusicConfig


class LengthBackend:
    """Scores a config by its vibe's length and its octave."""

    scorer_id = "length"
    renderer_id = "none"
    cache_counts = None

    def audio(self, vibes: Sequence[str], configs: Sequence[MusicConfig]) -> list[AudioResult]:
        if any("kill" in vibe for vibe in vibes):
            os._exit(1)
        return [
            AudioResult(None, "no sound of silence")
            if vibe == "silence"
            else AudioResult(length_score(vibe, config), None)
            for vibe, config in zip(vibes, configs, strict=True)
        ]


def length_score(vibe: str, config: MusicConfig) -> float:
    """What `LengthBackend` answers."""
    return len(vibe) + config.register_min_oct / 10


def length_backend(reward_type: str, clap: object, custom_scorer_path: str | None) -> LengthBackend:
    """A stand-in for `rewards.audio_backend`."""
    return LengthBackend()


class _SlowBackend(LengthBackend):
    """Takes its time for a batch, 3 s with the vibe `slow`; `hang FILE` hangs unless the file is there."""

    def __init__(self, batch_s: float) -> None:
        self._batch_s = batch_s

    def audio(self, vibes: Sequence[str], configs: Sequence[MusicConfig]) -> list[AudioResult]:
        time.sleep(3 if "slow" in vibes else self._batch_s)
        marks = [Path(vibe.removeprefix("hang ")) for vibe in vibes if vibe.startswith("hang ")]
        if any(not mark.exists() for mark in marks):
            for mark in marks:
                mark.touch()
            time.sleep(600)
        return super().audio(vibes, configs)


class _MuteBackend(LengthBackend):
    """Never has a score."""

    def audio(self, vibes: Sequence[str], configs: Sequence[MusicConfig]) -> list[AudioResult]:
        return [AudioResult(None, "it is mute")] * len(configs)


def slow_backend(reward_type: str, clap: object, custom_scorer_path: str | None) -> LengthBackend:
    """A stand-in for `rewards.audio_backend`."""
    return _SlowBackend(0.05)


def quick_backend(reward_type: str, clap: object, custom_scorer_path: str | None) -> LengthBackend:
    """A stand-in for `rewards.audio_backend`."""
    return _SlowBackend(0.002)


def mute_backend(reward_type: str, clap: object, custom_scorer_path: str | None) -> LengthBackend:
    """A stand-in for `rewards.audio_backend`."""
    return _MuteBackend()
