"""Where a trial keeps the clips of its last held-out evaluation, for those who listen to a sweep later."""

from __future__ import annotations

from typing import Final

__all__ = ["CLIPS_FOLDER", "CLIP_TYPE", "clip_name"]

CLIPS_FOLDER: Final = "clips"
"""In the trial's folder."""
CLIP_TYPE: Final = "audio/mpeg"
"""Media type of the files."""


def clip_name(prompt_id: str) -> str:
    """The file of a held-out vibe's first sample."""
    return f"{prompt_id}.mp3"
