"""Random streams that depend on their key only: counter-based Philox, no global generator.

Two kinds of key. The *composition* (which notes, which clicks) is keyed by root, mode, melody style and seed,
so that a config that differs only in, say, brightness plays the same notes and the two can be compared. The
*noise* (hiss, winds, tails) is keyed by the config's hash and the seed.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from common.music_schema import config_hash

if TYPE_CHECKING:
    from common.music_schema import MusicConfig


def stream(*key: object) -> np.random.Generator:
    """A generator whose every draw is a function of the key's text."""
    digest = hashlib.sha256("|".join(str(part) for part in key).encode()).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest[:16], "little")))


def composition_stream(config: MusicConfig, seed: int, part: str) -> np.random.Generator:
    """Draws for one part's notes, shared by configs of one root, mode and melody style."""
    return stream("composition", seed, config.root, config.mode, config.melody, part)


def noise_key(config: MusicConfig, seed: int) -> int:
    """A 64-bit number that places the config in the noise bank."""
    digest = hashlib.sha256(f"noise|{seed}|{config_hash(config)}".encode()).digest()
    return int.from_bytes(digest[:8], "little")
