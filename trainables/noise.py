"""Character errors in training prompts, as people type them. References stay clean."""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from common.training_config import NoiseConfig
    from trainables.data import VibeRow

__all__ = ["CHARACTERS_PER_ERROR", "add_noise", "corrupt"]

CHARACTERS_PER_ERROR = 12
"""One error in about every second word."""

_KEYBOARD = ("qwertyuiop", "asdfghjkl", "zxcvbnm")


def add_noise(rows: Sequence[VibeRow], noise: NoiseConfig, seed: int) -> list[VibeRow]:
    """The rows with character errors in the prompts of exactly the configured share of them.

    Every row has a draw of its own and the rows with the lowest draws are corrupted, so the share is
    exact, and the rows corrupted at a low rate are also corrupted, in the same way, at a higher one.

    Args:
        rows: clean rows.
        noise: the share, and whether at least one row is corrupted.
        seed: decides which rows and how.

    Returns:
        As many rows in the same order; only prompts differ.
    """
    count = math.floor(noise.error_rate * len(rows) + 0.5)
    if noise.force_augmentation and rows:
        count = max(count, 1)
    streams = [random.Random(f"noise {seed} {index}") for index in range(len(rows))]
    draws = [stream.random() for stream in streams]
    corrupted = set(sorted(range(len(rows)), key=draws.__getitem__)[:count])
    return [
        row._replace(prompt=corrupt(row.prompt, streams[index])) if index in corrupted else row
        for index, row in enumerate(rows)
    ]


def corrupt(text: str, rng: random.Random) -> str:
    """The text with one error per `CHARACTERS_PER_ERROR` characters, at least one; never the same text."""
    characters = list(text)
    for _ in range(max(1, len(text) // CHARACTERS_PER_ERROR)):
        _make_error(characters, rng)
    changed = "".join(characters)
    # A swap of equal letters, or a second error that undoes the first, leaves the text as it was.
    return changed if changed != text else _double(text, rng)


def _make_error(characters: list[str], rng: random.Random) -> None:
    """Swap two neighbours, drop a character, type it twice, or hit the key beside it."""
    at = rng.randrange(len(characters))
    kind = rng.choice(("swap", "drop", "double", "neighbour"))
    if kind == "swap" and at + 1 < len(characters):
        characters[at], characters[at + 1] = characters[at + 1], characters[at]
    elif kind == "drop" and len(characters) > 1:
        del characters[at]
    elif kind == "neighbour":
        characters[at] = _beside(characters[at], rng)
    else:
        characters.insert(at, characters[at])


def _beside(character: str, rng: random.Random) -> str:
    for row in _KEYBOARD:
        at = row.find(character.lower())
        if at >= 0:
            return rng.choice(row[max(0, at - 1) : at] + row[at + 1 : at + 2])
    return rng.choice(_KEYBOARD[1])


def _double(text: str, rng: random.Random) -> str:
    at = rng.randrange(len(text))
    return text[:at] + text[at] + text[at:]
