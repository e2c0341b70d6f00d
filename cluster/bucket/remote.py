"""Files in a bucket: listed, read, written and removed, again where the network fails for a moment."""

from __future__ import annotations

import os
import secrets
import shutil
import time
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar
from urllib.parse import urlsplit, urlunsplit

import pyarrow as pa
from pyarrow.fs import AzureFileSystem, FileSelector, FileSystem, FileType, GcsFileSystem, S3FileSystem

from cluster.bucket.url import checked_url, shown
from common.errors import ClusterError, UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

__all__ = ["Remote"]

_T = TypeVar("_T")

_WAITS_S: Final = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
"""Before each further attempt; pyarrow and the cloud's own client try a few times before each."""

_HOPELESS: Final = (
    "ACCESS_DENIED", "NO_SUCH_BUCKET", "INVALID_ACCESS_KEY_ID", "SIGNATURE_DOES_NOT_MATCH",
    "UNRECOGNIZED_CLIENT", "PERMISSION_DENIED", "Permission denied",
)  # fmt: skip
"""What another attempt does not change."""

_CHUNK_BYTES: Final = 8 * 2**20


class Remote:
    """What lies below a URL. A file appears whole, or not at all."""

    def __init__(
        self, filesystem: FileSystem, root: str, url: str, *, waits_s: tuple[float, ...] = _WAITS_S
    ) -> None:
        """
        Args:
            filesystem: pyarrow's.
            root: path on it.
            url: the same for people and other processes.
            waits_s: seconds before each further attempt at what has failed.
        """
        self.url = url
        self._filesystem = filesystem
        self._root = root.rstrip("/")
        self._waits_s = waits_s
        # Objects appear when they are written whole. Files of other systems are renamed; objects cannot be.
        self._has_objects = isinstance(filesystem, S3FileSystem | GcsFileSystem | AzureFileSystem)

    @classmethod
    def at(cls, url: str) -> Remote:
        """What lies at a URL.

        Raises:
            UserError: no URL that pyarrow can open.
        """
        url = checked_url(url)
        try:
            filesystem, root = FileSystem.from_uri(_in_one_request(url))
        except (pa.ArrowException, OSError, ValueError) as error:
            raise UserError(
                f"storage must be a URL that pyarrow can open, got {shown(url)!r} ({_reason(error)}); "
                "correct it"
            ) from error
        return cls(filesystem, root, url)

    def __str__(self) -> str:
        return shown(self.url)

    def check_writable(self) -> None:
        """Write, read and remove a file.

        Raises:
            UserError: that does not work.
        """
        name, text = f".seen-{secrets.token_hex(8)}", b"written"
        try:
            self._write(name, text)
            found = self._read(name)
            self._delete(name)
        except (OSError, pa.ArrowException) as error:
            raise UserError(
                f"storage must be a bucket that can be written, got {str(self)!r} ({_reason(error)}); see "
                "whether it is there, and which credentials the environment has, or give another --storage"
            ) from error
        if found != text:
            raise UserError(f"storage must give back what is written, got {found!r} from {str(self)!r}")

    def files(self, under: str = "") -> list[str]:
        """All files below a folder, by name; none where there is no such folder."""
        selector = FileSelector(self._path(under), recursive=True, allow_not_found=True)
        found = self._again(lambda: self._filesystem.get_file_info(selector), f"listing {under or 'it'}")
        start = len(self._root) + 1
        return sorted(entry.path[start:] for entry in found if entry.type == FileType.File)

    def changed_at(self, name: str) -> float | None:
        """When a file was written, in seconds since 1970 by the bucket's clock; None where there is none."""
        entry = self._again(lambda: self._filesystem.get_file_info(self._path(name)), f"asking for {name}")
        return None if entry.type != FileType.File else (entry.mtime_ns or 0) / 1e9

    def read(self, name: str) -> bytes | None:
        """A file's content; None where there is none."""
        return self._again(lambda: self._read(name), f"reading {name}")

    def write(self, name: str, content: bytes) -> None:
        """Write a small file."""
        self._again(lambda: self._write(name, content), f"writing {name}")

    def upload(self, file: Path, name: str) -> None:
        """Copy a file of this machine into the bucket."""
        self._again(lambda: self._upload(file, name), f"writing {name}")

    def download(self, name: str, file: Path) -> bool:
        """Copy a file of the bucket to this machine, where it appears whole; False where it is gone."""
        return self._again(lambda: self._download(name, file), f"reading {name}")

    def delete(self, name: str) -> None:
        """Remove a file; one that is gone already is no matter."""
        self._again(lambda: self._delete(name), f"removing {name}")

    def clear(self, *, but: frozenset[str]) -> None:
        """Remove everything, folders with what marks them, but some files."""
        selector = FileSelector(self._root, allow_not_found=True)
        for entry in self._again(lambda: self._filesystem.get_file_info(selector), "listing it"):
            if entry.type == FileType.Directory:
                self._again(partial(self._filesystem.delete_dir, entry.path), f"removing {entry.base_name}")
            elif entry.base_name not in but:
                self.delete(entry.base_name)

    def _again(self, attempt: Callable[[], _T], doing: str) -> _T:
        """Try until it works.

        Raises:
            ClusterError: it does not.
        """
        for wait_s in (*self._waits_s, None):
            try:
                return attempt()
            except (OSError, pa.ArrowException) as error:
                if wait_s is None or any(word in str(error) for word in _HOPELESS):
                    raise ClusterError(
                        f"{self} must be reached for as long as its sweep runs, got: {doing} failed "
                        f"({_reason(error)}); what is there is kept, and the same command goes on with it"
                    ) from error
                time.sleep(wait_s)
        raise AssertionError

    def _read(self, name: str) -> bytes | None:
        try:
            with self._filesystem.open_input_stream(self._path(name)) as content:
                return bytes(content.read())
        except FileNotFoundError:
            return None

    def _write(self, name: str, content: bytes) -> None:
        self._put(name, (content,))

    def _upload(self, file: Path, name: str) -> None:
        with file.open("rb") as content:
            self._put(name, iter(lambda: content.read(_CHUNK_BYTES), b""))

    def _put(self, name: str, chunks: Iterable[bytes]) -> None:
        path = target = self._path(name)
        if not self._has_objects:
            folder, _, last = path.rpartition("/")
            self._filesystem.create_dir(folder, recursive=True)
            target = f"{folder}/.{last}.{secrets.token_hex(4)}"
        with self._filesystem.open_output_stream(target) as stream:
            for chunk in chunks:
                stream.write(chunk)
        if target != path:
            self._filesystem.move(target, path)

    def _download(self, name: str, file: Path) -> bool:
        file.parent.mkdir(parents=True, exist_ok=True)
        unfinished = file.with_name(f".{file.name}.{os.getpid()}")
        try:
            with (
                self._filesystem.open_input_stream(self._path(name)) as content,
                unfinished.open("wb") as copy,
            ):
                shutil.copyfileobj(content, copy, _CHUNK_BYTES)
        except FileNotFoundError:
            unfinished.unlink(missing_ok=True)
            return False
        unfinished.replace(file)
        return True

    def _delete(self, name: str) -> None:
        try:
            self._filesystem.delete_file(self._path(name))
        except FileNotFoundError:
            return

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}" if name else self._root


def _in_one_request(url: str) -> str:
    """The URL by which pyarrow writes a small object of S3 with one request, and not with three."""
    parts = urlsplit(url)
    if parts.scheme != "s3" or "allow_delayed_open" in parts.query:
        return url
    return urlunsplit(parts._replace(query="&".join(filter(None, [parts.query, "allow_delayed_open=true"]))))


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
