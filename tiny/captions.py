"""Captions for a sound: vibes drawn from the posterior over vibes, given the config that was rendered."""

from __future__ import annotations

import random
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from common.music_schema import CONFIG_LABELS
from tiny.corpus import field_distribution, load_vibes, sample_vibe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from common.music_schema import Label, MusicConfig

__all__ = ["caption_pool", "draw_captions", "label_distribution", "one_hot_labels"]

_PAIRS: tuple[tuple[str, Label], ...] = tuple(
    (name, label) for name, labels in CONFIG_LABELS.items() for label in labels
)
_COLUMNS = {pair: column for column, pair in enumerate(_PAIRS)}


def caption_pool(num_synthetic: int, seed: int) -> list[str]:
    """Distinct training vibes to choose captions from: all that were written by hand, and synthetic ones."""
    rng = random.Random(f"captions|{seed}")
    synthetic = [sample_vibe(rng, "train") for _ in range(num_synthetic)]
    return list(dict.fromkeys([*load_vibes("train"), *synthetic]))


def label_distribution(vibes: Sequence[str]) -> np.ndarray:
    """[V, L] float32 probability of every label of every field, fields side by side."""
    return np.stack([_label_row(vibe) for vibe in vibes])


@cache
def _label_row(vibe: str) -> np.ndarray:
    fields = field_distribution(vibe)
    return np.array([fields[name][label] for name, label in _PAIRS], dtype=np.float32)


def one_hot_labels(configs: Sequence[MusicConfig]) -> np.ndarray:
    """[C, L] float32: 1 at each config's labels, in the same columns."""
    chosen = np.zeros((len(configs), len(_PAIRS)), dtype=np.float32)
    for row, config in enumerate(configs):
        chosen[row, [_COLUMNS[name, label] for name, label in config]] = 1.0
    return chosen


def draw_captions(
    configs: Sequence[MusicConfig], pool: Sequence[str], num_captions: int, seed: int
) -> list[list[str]]:
    """Draw captions for each config from p(vibe | config), without replacement.

    With a uniform prior over the pool, the posterior is the softmax of ln p(config | vibe); the best of it
    plus Gumbel noise are draws from it. A pair made this way has the same joint distribution as one made from
    a vibe, so one rendered clip gives many honest pairs.
    """
    scores = one_hot_labels(configs) @ np.log(label_distribution(pool)).T  # [C, V] nats
    scores += np.random.default_rng(seed).gumbel(size=scores.shape).astype(np.float32)
    best = np.argpartition(-scores, num_captions, axis=1)[:, :num_captions]
    return [[pool[column] for column in row] for row in best]
