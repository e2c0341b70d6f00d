"""What may be asked of the renderer, and the one line that says what may not."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from common.music_schema import MusicConfig
from rewards.render.labels import LAYERS

if TYPE_CHECKING:
    from collections.abc import Sequence

SHORTEST_S = 0.25


def check_arguments(
    configs: Sequence[MusicConfig],
    seconds: float,
    sample_rate: int,
    seed: int,
    layers: Sequence[str] | None,
    *,
    longest: float,
) -> None:
    """Refuses what cannot be rendered.

    Raises:
        ValueError: no config, something else than a config, or an argument out of its range.
    """
    if not configs:
        raise ValueError("configs must hold >= 1 music config, got none; a batch of nothing has no sound")
    for index, config in enumerate(configs):
        if not isinstance(config, MusicConfig):
            raise ValueError(
                f"configs[{index}] must be a MusicConfig, got {type(config).__name__}; "
                "validate it with MusicConfig.model_validate"
            )
    if not (math.isfinite(seconds) and SHORTEST_S <= seconds <= longest):
        raise ValueError(
            f"seconds must be within {SHORTEST_S:g} to {longest:g}, got {seconds}; "
            "render up to 60 and stream up to 600"
        )
    if not (isinstance(sample_rate, int) and 8_000 <= sample_rate <= 96_000):
        raise ValueError(f"sample_rate must be 8000 to 96000 Hz, got {sample_rate}; CLAP wants 48000")
    if not (isinstance(seed, int) and seed >= 0):
        raise ValueError(f"seed must be an integer >= 0, got {seed}; use 0 unless you compare renderings")
    unknown = [name for name in layers or () if name not in LAYERS]
    if unknown or (layers is not None and not layers):
        raise ValueError(
            f"layers must name some of {', '.join(LAYERS)}, got {', '.join(map(str, unknown)) or 'none'}; "
            "leave layers out to hear all"
        )
