"""A folder on a disk or in a bucket."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import pyarrow as pa
from pyarrow.fs import FileSelector, FileSystem, FileType, LocalFileSystem

from common.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Folder"]


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
            UserError: a URL of no kind that pyarrow knows.
        """
        if "://" not in str(place):
            return cls(LocalFileSystem(), str(place).rstrip("/") or "/")
        try:
            filesystem, path = FileSystem.from_uri(str(place))
        except (pa.ArrowInvalid, OSError) as error:
            raise UserError(
                f"a sweep's URL must start with file://, s3://, gs:// or hdfs://, got {place} ({error}); "
                "give a path or such a URL"
            ) from error
        return cls(filesystem, path.rstrip("/"))

    def __truediv__(self, name: str) -> Folder:
        """A folder inside this one."""
        return Folder(self.filesystem, f"{self.path}/{name}")

    def read_bytes(self, name: str) -> bytes | None:
        """A file's content; None where there is no such file."""
        path = f"{self.path}/{name}"
        if self.filesystem.get_file_info(path).type != FileType.File:
            return None
        with self.filesystem.open_input_stream(path) as file:
            return bytes(file.read())

    def folders(self) -> list[str]:
        """Names of the folders inside, in order; none where there is no such folder."""
        return self._names(FileType.Directory)

    def files(self) -> list[str]:
        """Names of the files inside, in order; none where there is no such folder."""
        return self._names(FileType.File)

    def _names(self, kind: FileType) -> list[str]:
        found = self.filesystem.get_file_info(FileSelector(self.path, allow_not_found=True))
        return sorted(entry.base_name for entry in found if entry.type == kind)
