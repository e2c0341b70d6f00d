"""Long clips in blocks. A placeholder with the real one's interface: see `stream`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rewards.render.renderer import MAX_SECONDS, render

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import torch

    from common.music_schema import MusicConfig


def stream(
    config: MusicConfig,
    *,
    seconds: float,
    sample_rate: int = 48_000,
    device: str | torch.device = "cpu",
    seed: int = 0,
    layers: Sequence[str] | None = None,
    block_s: float = 10.0,
) -> Iterator[torch.Tensor]:
    """Yields a clip as float32 [2, n] blocks of `block_s`.

    Placeholder: renders at once, and what is beyond `MAX_SECONDS` as further pieces with a seam between.
    """
    left = round(seconds * sample_rate)
    size = round(block_s * sample_rate)
    while left:
        length = min(left, round(MAX_SECONDS * sample_rate))
        [clip] = render(
            [config],
            seconds=max(0.25, length / sample_rate),
            sample_rate=sample_rate,
            device=device,
            seed=seed,
            layers=layers,
        )
        yield from clip[:, :length].split(size, dim=1)
        left -= length
