"""Measurements of this machine, kept in the user's cache folder from one command to the next."""

from __future__ import annotations

import os
from pathlib import Path

from common.errors import UserError
from common.records import write_text_atomically

__all__ = ["user_cache_file", "write_user_cache"]


def user_cache_file(name: str) -> Path:
    """`vibesweep/<name>` in the user's cache folder: $XDG_CACHE_HOME, or ~/.cache."""
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(cache) / "vibesweep" / name


def write_user_cache(path: Path, text: str, *, what: str) -> None:
    """Write one of its files atomically.

    Args:
        path: from `user_cache_file`.
        text: the file's new content.
        what: it is, in the plural.

    Raises:
        UserError: the folder cannot be written.
    """
    try:
        write_text_atomically(path, text)
    except OSError as error:
        raise UserError(
            f"{what} must be stored in a folder that can be written, got {path.parent} "
            f"({error.strerror}); set XDG_CACHE_HOME"
        ) from error
