"""Uniformly random valid music configs: the baseline that knows nothing, and the fuzzers' source."""

from __future__ import annotations

from typing import TYPE_CHECKING

from common.music_schema import CONFIG_LABELS, MusicConfig

if TYPE_CHECKING:
    import random

__all__ = ["random_config"]


def random_config(rng: random.Random) -> MusicConfig:
    """A config with every label drawn uniformly; the two octaves are put in order."""
    labels = {name: rng.choice(choices) for name, choices in CONFIG_LABELS.items()}
    low, high = sorted((labels["register_min_oct"], labels["register_max_oct"]))
    return MusicConfig.model_validate(labels | {"register_min_oct": low, "register_max_oct": high})
