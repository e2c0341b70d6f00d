"""Bounded caches of embeddings, which the CLAP scorers of a process share."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import TYPE_CHECKING, Final, Generic, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Hashable

    from rewards.embeddings import Embedding
    from rewards.sound_checks import SoundMeasures

__all__ = ["SHARED_CACHES", "Clip", "EmbeddingCaches", "LruCache"]

_CLIP_BYTES: Final = 128 << 20
"""About 25,000 clips of LAION's 512 numbers."""
_TEXT_BYTES: Final = 32 << 20
"""About 6,500 vibes."""
_ENTRY_BYTES: Final = 1024
"""What Python needs around an entry (key, array and tuples, its place in the order), at most."""

Value = TypeVar("Value")


class LruCache(Generic[Value]):
    """At most `capacity_bytes` of values; what was not used for longest goes first."""

    def __init__(self, capacity_bytes: int) -> None:
        self.capacity_bytes = capacity_bytes
        self.num_bytes = 0
        """Bytes in use, as told to `put`."""
        self._values: OrderedDict[Hashable, tuple[Value, int]] = OrderedDict()
        self._lock = Lock()

    def get(self, key: Hashable) -> Value | None:
        """The value, now the most recently used one; None where it is not (or no longer) there."""
        with self._lock:
            known = self._values.get(key)
            if known is None:
                return None
            self._values.move_to_end(key)
            return known[0]

    def put(self, key: Hashable, value: Value, num_bytes: int) -> None:
        """Keep a value of so many bytes, at the cost of the least recently used ones.

        One that is larger than the whole cache is not kept.
        """
        with self._lock:
            if key in self._values:
                self.num_bytes -= self._values.pop(key)[1]
            self._values[key] = (value, num_bytes)
            self.num_bytes += num_bytes
            while self.num_bytes > self.capacity_bytes:
                _, (_, freed) = self._values.popitem(last=False)
                self.num_bytes -= freed

    def __len__(self) -> int:
        return len(self._values)


class Clip(NamedTuple):
    """What is kept of a config's sound."""

    embedding: Embedding
    sound: SoundMeasures


class EmbeddingCaches:
    """Embeddings of texts and clips by all that moves them, so that any scorers can share them."""

    def __init__(self, *, text_bytes: int = _TEXT_BYTES, clip_bytes: int = _CLIP_BYTES) -> None:
        self._texts: LruCache[Embedding] = LruCache(text_bytes)
        self._clips: LruCache[Clip] = LruCache(clip_bytes)
        self._identified: dict[int, object] = {}

    @property
    def num_bytes(self) -> int:
        """Bytes in use by both."""
        return self._texts.num_bytes + self._clips.num_bytes

    def text(self, settings: tuple[Hashable, ...], text: str) -> Embedding | None:
        """The embedding of a text under these settings, if it is known."""
        return self._texts.get((settings, text))

    def keep_text(self, settings: tuple[Hashable, ...], text: str, embedding: Embedding) -> None:
        """Remember the embedding of a text."""
        # A character takes up to 4 bytes.
        self._texts.put((settings, text), embedding, embedding.nbytes + 4 * len(text) + _ENTRY_BYTES)

    def clip(self, settings: tuple[Hashable, ...], config_hash: str) -> Clip | None:
        """What is known of a config's sound under these settings."""
        return self._clips.get((settings, config_hash))

    def keep_clip(self, settings: tuple[Hashable, ...], config_hash: str, clip: Clip) -> None:
        """Remember a config's sound."""
        self._clips.put((settings, config_hash), clip, clip.embedding.nbytes + _ENTRY_BYTES)

    def identity(self, thing: object) -> int:
        """A number for an object that no other one ever has, because the object is kept."""
        self._identified[id(thing)] = thing
        return id(thing)


SHARED_CACHES: Final = EmbeddingCaches()
"""Those of this process. They outlive their scorers: the next one of the same checkpoint begins warm."""
