"""The components of one completion's reward, and what any audio scorer must offer to fill its slot."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

import numpy as np

from rewards.embeddings import cosine

if TYPE_CHECKING:
    from collections.abc import Sequence

    from common.music_schema import MusicConfig
    from rewards.embeddings import Embedding

__all__ = [
    "AudioBackend",
    "AudioResult",
    "CacheCounts",
    "CachingScorer",
    "Components",
    "Heard",
    "HearingScorer",
    "RemoteBackend",
]


class Heard(NamedTuple):
    """What a scorer heard of one clip, beside its score; sentinels are computed from it."""

    clip: Embedding
    """Of the sound."""
    vibe: Embedding
    """Of the text that it was scored for."""
    level_db: float
    """RMS in dB of full scale."""
    clipped: float
    """Share of samples at full scale."""
    flatness: float
    """Spectral flatness, 0 to 1."""

    @property
    def similarity(self) -> float:
        """Cosine of the sound and the text that it was scored for."""
        return cosine(self.clip, self.vibe)

    def __eq__(self, other: object) -> bool:
        """Whether every number is the same; a tuple's own comparison fails on arrays."""
        return (
            isinstance(other, Heard)
            and np.array_equal(self.clip, other.clip)
            and np.array_equal(self.vibe, other.vibe)
            and self[2:] == other[2:]
        )

    def __ne__(self, other: object) -> bool:
        """The opposite of `==`, which a tuple does not derive from it."""
        return not self == other

    def __hash__(self) -> int:
        """Of the plain numbers; arrays have no hash."""
        return hash(self[2:])


@dataclass(frozen=True, slots=True)
class Components:
    """Raw components of one completion, before any weight or floor.

    Four cases: *scored* (all three are numbers), *not renderable* (audio None, renderable False: whoever
    weights puts the floor there), *without audio* (a schema_only scorer: audio and renderable None) and
    *unscored* (all None beside the reason; our failure, never a zero).
    """

    format: float | None
    """1 if the whole text is one JSON object, else 0."""
    schema: float | None
    """Share of the contract's leaf rules that hold, 0 to 1."""
    audio: float | None
    """How well the sound fits the vibe; -3 to 1 where CLAP scored it."""
    renderable: bool | None
    """Whether the config part is a valid `MusicConfig`; None where no audio was asked for."""
    unscored: str | None = None
    """Why nothing could be scored."""
    heard: Heard | None = field(default=None, compare=False, repr=False)
    """What the scorer heard; None where nothing was rendered or the scorer does not say."""
    heard_again: float | None = field(default=None, compare=False)
    """Cosine of sound and vibe as a second checkpoint hears them; None where none listens or could."""
    config: MusicConfig | None = field(default=None, compare=False, repr=False)
    """The config that was rendered, or would have been."""

    @classmethod
    def missing(cls, reason: str) -> Components:
        """An unscored completion."""
        return cls(format=None, schema=None, audio=None, renderable=None, unscored=reason)


class AudioResult(NamedTuple):
    """One audio score, or why there is none; exactly one of the two is None."""

    score: float | None
    reason: str | None
    heard: Heard | None = None
    """What was heard, where the scorer says it."""


class CacheCounts(NamedTuple):
    """How often a scorer was spared its work, since it was made."""

    hits: int = 0
    """Configs whose sound was known, a second mention in one call among them."""
    misses: int = 0
    """Configs that were rendered and heard."""
    text_hits: int = 0
    """Vibes whose embedding was known."""
    text_misses: int = 0
    """Texts that were embedded, bad sounds among them."""

    def plus(self, other: CacheCounts) -> CacheCounts:
        """The sum of both."""
        return CacheCounts(*map(sum, zip(self, other, strict=True)))


@runtime_checkable
class CachingScorer(Protocol):
    """A scorer that keeps what it heard."""

    @property
    def cache_counts(self) -> CacheCounts:
        """What it found in its caches so far."""
        ...


@runtime_checkable
class HearingScorer(Protocol):
    """A scorer that also says what it heard."""

    def hear(self, vibes: Sequence[str], configs: Sequence[MusicConfig]) -> list[tuple[float, Heard]]:
        """Score [B] configs for their [B] vibes."""
        ...


class AudioBackend(Protocol):
    """Fills the audio slot: in process, or from a pool of actors.

    A backend answers every config, retries what is worth retrying, and raises nothing that one config
    could cause: what could not be scored comes back with its reason.
    """

    @property
    def scorer_id(self) -> str:
        """Names the scoring model and its settings; equal ids, equal scores."""
        ...

    @property
    def renderer_id(self) -> str:
        """Names the renderer and its settings; equal ids, equal sound."""
        ...

    @property
    def cache_counts(self) -> CacheCounts | None:
        """What the scorer found in its caches so far; None where it has none in this process."""
        ...

    def audio(self, vibes: Sequence[str], configs: Sequence[MusicConfig]) -> list[AudioResult]:
        """Score [B] configs for their [B] vibes."""
        ...


@runtime_checkable
class RemoteBackend(Protocol):
    """A backend that may do its work in other processes."""

    @property
    def is_remote(self) -> bool:
        """Whether the caller's cores are free while it waits for an answer."""
        ...
