"""Storage: can a sweep be written there, locked against a second driver, and seen by every node?"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from pathlib import Path
from typing import Final, NamedTuple

from cluster.bucket.url import is_url, shown
from cluster.doctor.finding import Finding, failed, passed, warned
from common.errors import UserError

__all__ = ["Storage", "check_storage", "file_system", "look_at_storage"]

_ON_ONE_MACHINE: Final = frozenset(
    {"apfs", "btrfs", "ext2", "ext3", "ext4", "f2fs", "overlay", "tmpfs", "vfat", "xfs", "zfs"}
)
_ON_A_SERVER: Final = frozenset(
    {"9p", "afs", "beegfs", "ceph", "cifs", "glusterfs", "gpfs", "lustre", "nfs", "nfs4", "smb3", "wekafs"}
)
_BUCKET: Final = "bucket"
_LITTLE_BYTES: Final = 2 * 2**30
"""A trial's adapter and checkpoints take up to some hundred MB with the large models."""


class Storage(NamedTuple):
    """What was found of a folder."""

    folder: str
    """Absolute, or the URL that was given instead of one, less what might be a secret in it."""
    file_system: str
    """Its type as the kernel names it, such as `ext4` or `nfs4`; `unknown` where it does not say. `bucket` at
    a URL."""
    free_bytes: int = 0
    problem: str = ""
    """Why nothing can be written."""
    has_locks: bool = True
    """Whether a lock on a file is granted."""


def look_at_storage(named: str) -> Storage:
    """Write, lock and remove a file in a folder, or, if it is not there yet, where it would be made."""
    if is_url(named) and not named.startswith("file://"):
        return _look_at_bucket(named)
    folder = Path(named.removeprefix("file://")).expanduser().absolute()
    there = next(parent for parent in (folder, *folder.parents) if parent.exists())
    kind = file_system(there.resolve(), _mounts())
    try:
        with tempfile.NamedTemporaryFile(dir=there, prefix=".vibesweep-doctor-") as file:
            file.write(b"written")
            file.flush()
            os.fsync(file.fileno())
            has_locks = _locks(file.fileno())
    except OSError as error:
        return Storage(str(folder), kind, problem=error.strerror or str(error))
    return Storage(str(folder), kind, shutil.disk_usage(there).free, has_locks=has_locks)


def _look_at_bucket(url: str) -> Storage:
    """Write, read and remove a file at a URL."""
    from cluster.bucket.remote import Remote  # noqa: PLC0415 - pyarrow, which may be what is broken here

    try:
        Remote.at(url).check_writable()
    except UserError as error:
        return Storage(shown(url), _BUCKET, problem=str(error))
    return Storage(shown(url), _BUCKET)


def check_storage(storage: Storage, nodes: int | None) -> Finding:
    """Whether a sweep of so many nodes can be kept there.

    Args:
        storage: from `look_at_storage`.
        nodes: of the cluster; None where they are not known, and counted as one.
    """
    named = f"{storage.folder} ({storage.file_system})"
    if storage.problem:
        return failed(
            "storage", f"{named} cannot be written: {storage.problem}", "give another with --storage"
        )
    if not storage.has_locks:
        return failed(
            "storage",
            f"{named} grants no locks, so two drivers could write one sweep",
            "mount it with locks (NFS 4, or NFS 3 without nolock), or give another with --storage",
        )
    if nodes is not None and nodes > 1 and storage.file_system not in _ON_A_SERVER | {_BUCKET}:
        cure = "give a folder that every node mounts (NFS, EFS, Filestore, Lustre) with --storage"
        if storage.file_system in _ON_ONE_MACHINE:
            return failed("storage", f"{named} is on this machine, and the cluster has {nodes} nodes", cure)
        return warned("storage", f"{named}: not known to be the same on all {nodes} nodes", cure)
    has_room = storage.file_system == _BUCKET
    if storage.free_bytes < _LITTLE_BYTES and not has_room:
        return warned(
            "storage", f"{named} has {storage.free_bytes / 2**30:.1f} GiB left", "free some, or give another"
        )
    room = "" if has_room else f", {storage.free_bytes / 2**30:.0f} GiB free"
    return passed("storage", f"{named} can be written{room}")


def file_system(path: Path, mounts: str) -> str:
    """The type of the file system that holds a path.

    Args:
        path: absolute, without links.
        mounts: in the form of /proc/mounts: device, mount point and type, then options, on each line.

    >>> file_system(Path("/data/runs"), "/dev/sda1 / ext4 rw 0 0\\nserver:/x /data nfs4 rw 0 0")
    'nfs4'
    """
    best, kind = -1, "unknown"
    for line in mounts.splitlines():
        _, point, named, *_ = line.split(" ", 3)
        # A blank in a mount point is written as \040.
        mounted = Path(point.replace("\\040", " "))
        if path.is_relative_to(mounted) and len(mounted.parts) >= best:  # the later one lies on top
            best, kind = len(mounted.parts), named
    return kind


def _mounts() -> str:
    try:
        return Path("/proc/mounts").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _locks(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
