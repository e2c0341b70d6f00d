"""Files that a power cut cannot tear: what stands under a name is whole, and on the disk.

A rename alone orders nothing: after a power cut the new name may stand for a file without its content.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["replace_durably", "sync"]


def sync(path: Path) -> None:
    """Wait until a file's content, or the names in a folder, are on the disk."""
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    except OSError as error:
        # Some network file systems keep folders on a server, and refuse.
        if not (path.is_dir() and error.errno == errno.EINVAL):
            raise
    finally:
        os.close(opened)


def replace_durably(unfinished: Path, path: Path) -> None:
    """Give a written file, or a folder whose files are on the disk, its final name; both for good.

    Args:
        unfinished: in the same folder as `path`.
        path: a file that stands there is replaced; a folder must not be there.
    """
    sync(unfinished)
    unfinished.replace(path)
    sync(path.parent)
