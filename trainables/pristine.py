"""What a process read last, kept as it was read: whoever wants it copies it, nobody changes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable
    from pathlib import Path

__all__ = ["pristine", "stamps"]

T = TypeVar("T")

_last: tuple[Hashable, object] | None = None


def pristine(key: Hashable, read: Callable[[], T]) -> T:
    """What `read` returns, read again only where the last key was another.

    One thing is kept, so a process never holds more than one model that it does not use.

    Args:
        key: of everything that decides what is read, and its type.
        read: called without the last thing in memory.
    """
    global _last  # noqa: PLW0603 - one per process is the point
    if _last is None or _last[0] != key:
        _last = None
        _last = (key, read())
    kept: T = _last[1]  # type: ignore[assignment]  # the key stands for the type
    return kept


def stamps(folder: Path) -> tuple[tuple[str, int, int, int, int], ...]:
    """Name, size, times and inode of every file below a folder: they differ once any file was written."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    found = [(file.relative_to(folder).as_posix(), file.stat()) for file in files]
    return tuple((name, s.st_size, s.st_mtime_ns, s.st_ctime_ns, s.st_ino) for name, s in found)
