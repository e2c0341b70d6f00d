"""A folder on a disk or in a bucket."""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import shorten
from typing import TYPE_CHECKING, Final, Self

import pyarrow as pa
from pyarrow.fs import FileSelector, FileSystem, FileType, LocalFileSystem

from common.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Folder"]

_KINDS: Final = ("file", "s3", "gs", "hdfs")
"""Of URLs."""


@dataclass(frozen=True)
class Folder:
    """Where files lie, and how they are reached."""

    filesystem: FileSystem
    path: str
    """Without a slash at its end."""

    @classmethod
    def at(cls, place: Path | str) -> Self:
        """The folder at a path, or at a URL such as `s3://bucket/runs/quickstart`.

        Raises:
            UserError: no path, a URL of no kind that pyarrow knows, or one that leads nowhere.
        """
        text = str(place)
        if not text:
            raise UserError("a sweep's folder must be named, got ''; give one such as runs/quickstart")
        if "://" not in text:
            return cls(LocalFileSystem(), text.rstrip("/") or "/")
        if text.partition("://")[0] not in _KINDS:
            raise UserError(
                f"a sweep's URL must start with {', '.join(f'{kind}://' for kind in _KINDS[:-1])} or "
                f"{_KINDS[-1]}://, got {text!r}; give a path or such a URL"
            )
        try:
            filesystem, path = FileSystem.from_uri(text)
        except (pa.ArrowInvalid, OSError) as error:
            raise UserError(
                f"a sweep's URL must name a folder of its kind, got {text!r} ({_reason(error)}); check its "
                "spelling, the network and the credentials"
            ) from error
        return cls(filesystem, path.rstrip("/"))

    def __truediv__(self, name: str) -> Folder:
        """A folder inside this one."""
        return Folder(self.filesystem, f"{self.path}/{name}")

    def read_bytes(self, name: str) -> bytes | None:
        """A file's content; None where there is no such file.

        Raises:
            UserError: it cannot be asked for, or read.
        """
        path = f"{self.path}/{name}"
        try:
            if self.filesystem.get_file_info(path).type != FileType.File:
                return None
            with self.filesystem.open_input_stream(path) as file:
                return bytes(file.read())
        except OSError as error:
            raise _unreadable(path, error) from error

    def folders(self) -> list[str]:
        """Names of the folders inside, in order; none where there is no such folder."""
        return self._names(FileType.Directory)

    def files(self) -> list[str]:
        """Names of the files inside, in order; none where there is no such folder."""
        return self._names(FileType.File)

    def _names(self, kind: FileType) -> list[str]:
        try:
            found = self.filesystem.get_file_info(FileSelector(self.path, allow_not_found=True))
        except OSError as error:
            raise _unreadable(self.path, error) from error
        return sorted(entry.base_name for entry in found if entry.type == kind)


def _unreadable(path: str, error: OSError) -> UserError:
    return UserError(
        f"{path} must be readable, got an error ({_reason(error)}); check the network, the credentials and "
        "who may read it"
    )


def _reason(error: Exception) -> str:
    """An error of pyarrow in one line; hdfs names dozens of places where it looked for Java."""
    return shorten(str(error), 200, placeholder=" …")
