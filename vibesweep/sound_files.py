"""Writing sound files whole or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from common.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    import torch

__all__ = ["write_sound"]


def write_sound(
    path: Path, blocks: Iterable[torch.Tensor], sample_rate: int, advance: Callable[[float], None]
) -> None:
    """Write a clip block by block into a hidden file, which takes its name when it is complete.

    Args:
        path: `.wav` or `.flac`, 16 bits a sample; what is there is replaced.
        blocks: float32 [2, n] parts of the clip, |x| <= 1, in their order. Only one is held at a time.
        sample_rate: Hz.
        advance: called with the seconds of every block once it is written.

    Raises:
        UserError: the folder is missing or not writable, or the disk is full.
    """
    import soundfile  # noqa: PLC0415 - only where sound is written

    unfinished = path.with_name(f".{path.stem}.part{path.suffix}")
    try:
        with soundfile.SoundFile(
            unfinished, "w", samplerate=sample_rate, channels=2, subtype="PCM_16"
        ) as file:
            for block in blocks:
                file.write(block.T.cpu().numpy())
                advance(block.shape[1] / sample_rate)
        unfinished.replace(path)
    except (OSError, soundfile.LibsndfileError) as error:
        raise UserError(f"OUTPUT must be writable, got {str(path)!r}: {error}") from error
    finally:
        unfinished.unlink(missing_ok=True)
