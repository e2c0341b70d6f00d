"""A folder of this machine and what it copies of a bucket: pulled whole, pushed as far as it has changed.

The order of a push makes that a process killed in the middle of one leaves what a killed process leaves in a
folder: what makes data count comes after the data (a checkpoint's checksums, a trial's result), and nothing
is removed before what replaces it is there.
"""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from pathlib import PurePosixPath
from stat import S_ISREG
from typing import TYPE_CHECKING, Final, NamedTuple

from cluster.driver_lease import BOOKKEEPING
from common.records import RESULT_FILE
from trainables.checksums import CHECKSUMS_FILE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from cluster.bucket.remote import Remote

__all__ = ["BEST_FILE", "WorkingCopy", "is_kept"]

_AT_ONCE: Final = 8
_TUNE: Final = "tune"
"""What Tune writes for itself, and nobody reads."""
BEST_FILE: Final = "best.json"
"""Says which evaluation the adapter beside it is from. Its module loads torch, which no driver needs."""
_UNFINISHED: Final = "unfinished"
"""Where checkpoints are written before they count."""


class _Signature(NamedTuple):
    """By which a changed file is told: one that is replaced has another inode."""

    changed_ns: int
    size: int
    inode: int


def is_kept(name: str) -> bool:
    """Whether a file belongs in a bucket: not what is half-written, nor what says who drives the sweep."""
    parts = PurePosixPath(name).parts
    if parts[0] == _TUNE or name in BOOKKEEPING:
        return False
    return not any(part.startswith(".") or part == _UNFINISHED or ".tmp" in part for part in parts)


class WorkingCopy:
    """One process's copy of a sweep directory, or of parts of it."""

    def __init__(self, remote: Remote, folder: Path) -> None:
        """
        Args:
            remote: the sweep's place in the bucket.
            folder: where its copy is; what lies there and was not pulled counts as new.
        """
        self._remote = remote
        self.folder = folder
        self._known: dict[str, _Signature] = {}
        """Files that are the same here and there."""
        self._guard = threading.Lock()

    def pull(self, under: str = "", takes: Callable[[str], bool] = lambda _: True) -> None:
        """Bring what the bucket has below a folder, and remove what it has no more.

        A file that was changed here and not pushed stays: it is newer.

        Args:
            under: path below the sweep's; all of it where not given.
            takes: which of its files are wanted; the others are left as they are, here and there.

        Raises:
            ClusterError: the bucket does not answer.
        """
        with self._guard:
            there = [name for name in self._remote.files(under) if is_kept(name) and takes(name)]
            wanted = [name for name in there if self._signature(name) == self._known.get(name)]
            with ThreadPoolExecutor(_AT_ONCE) as pool:
                got = pool.map(lambda name: self._remote.download(name, self.folder / name), wanted)
                gone = {name for name, is_there in zip(wanted, got, strict=True) if not is_there}
            for name in wanted:
                if name not in gone and (signature := self._signature(name)):
                    self._known[name] = signature
            for name in gone.union(filter(takes, self._below(under))) - (set(there) - gone):
                if name in self._known and self._signature(name) == self._known.pop(name):
                    (self.folder / name).unlink()

    def push(self, under: str = "", *, deep: bool = True) -> None:
        """Bring to the bucket what is new, changed or gone here below a folder since it was last the same.

        Args:
            under: path below the sweep's; all of it where not given.
            deep: whether the folders in it count too.

        Raises:
            ClusterError: the bucket does not take it; what has been written stays.
        """
        with self._guard:
            here = {name: signature for name, signature in self._here(under, deep=deep) if is_kept(name)}
            changed = [name for name, signature in here.items() if signature != self._known.get(name)]
            with ThreadPoolExecutor(_AT_ONCE) as pool:
                for _, names in groupby(sorted(changed, key=_turn), key=_turn):
                    for name in pool.map(self._uploaded, names):
                        self._known[name] = here[name]
            gone = [
                name
                for name in self._below(under)
                if name not in here and (deep or "/" not in name[len(under) :].lstrip("/"))
            ]
            # What counts goes first, so that no half-removed checkpoint passes for a whole one.
            for name in sorted(gone, key=_turn, reverse=True):
                self._remote.delete(name)
                del self._known[name]

    def has_new(self, under: str, name: str) -> bool:
        """Whether a push would bring a file of this name."""
        return any(
            PurePosixPath(file).name == name and is_kept(file) and signature != self._known.get(file)
            for file, signature in self._here(under, deep=True)
        )

    def _uploaded(self, name: str) -> str:
        self._remote.upload(self.folder / name, name)
        return name

    def _below(self, under: str) -> list[str]:
        """The known files below a folder."""
        return [name for name in self._known if not under or name.startswith(f"{under}/")]

    def _here(self, under: str, *, deep: bool) -> Iterator[tuple[str, _Signature]]:
        for folder, folders, files in os.walk(self.folder / under):
            if not deep:
                folders.clear()
            for file in files:
                name = os.path.relpath(os.path.join(folder, file), self.folder)
                if signature := self._signature(name):
                    yield name, signature

    def _signature(self, name: str) -> _Signature | None:
        """Of a file here; None where there is none, or a link."""
        try:
            found = (self.folder / name).lstat()
        except FileNotFoundError:
            return None
        if not S_ISREG(found.st_mode):
            return None
        return _Signature(found.st_mtime_ns, found.st_size, found.st_ino)


def _turn(name: str) -> int:
    """When a file is written in a push, by its place in a trial: what rests on others comes after them."""
    path = PurePosixPath(name)
    if path.name == RESULT_FILE:
        return 4
    if len(path.parts) <= 3 and path.suffix == ".json":  # a record of the sweep or a trial
        return 3
    if path.name == CHECKSUMS_FILE:
        return 2
    return 1 if path.name == BEST_FILE else 0
