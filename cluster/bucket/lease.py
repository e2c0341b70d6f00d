"""One driver at a time for a sweep in a bucket, which has no locks.

On one machine a lock of its own disk tells. Between machines a driver writes its record, and reads again
after a while: of two that come at once the last to write stays. Then it beats, as `cluster/driver_lease.py`
does.
"""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cluster.bucket.places import node_name, sweep_cache
from cluster.driver_lease import BEAT_EVERY_S, SILENT_AFTER_S, Beats, DriverRecord, beating, listen, taken

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cluster.bucket.remote import Remote

__all__ = ["bucket_lease", "is_driven_there"]

_SETTLE_S: Final = 1.0
"""Between writing the record and reading it again: longer than a write takes."""


class _BucketBoard:
    """A bucket as a board."""

    def __init__(self, remote: Remote) -> None:
        self._remote = remote
        self._written = DriverRecord()

    def __str__(self) -> str:
        return str(self._remote)

    def read(self) -> DriverRecord:
        content = self._remote.read(DriverRecord.FILE)
        # One that was removed is no other driver's: the next beat brings it back.
        return DriverRecord.model_validate_json(content) if content else self._written

    def write(self, record: DriverRecord) -> None:
        self._written = record
        self._remote.write(DriverRecord.FILE, record.model_dump_json(indent=2).encode())

    def remove(self) -> None:
        self._remote.delete(DriverRecord.FILE)


@contextmanager
def bucket_lease(
    remote: Remote, *, every_s: float = BEAT_EVERY_S, silent_after_s: float = SILENT_AFTER_S
) -> Iterator[Beats]:
    """Be the one driver of the sweep in a bucket.

    Args:
        remote: the sweep's place.
        every_s: between two beats.
        silent_after_s: how long the beats of another node's driver must not be heard.

    Raises:
        UserError: another driver is at work.
        ClusterError: the bucket does not answer.
        OSError: this machine's cache cannot be written.
    """
    board, here = _BucketBoard(remote), node_name()
    folder = sweep_cache(remote.url)
    folder.mkdir(parents=True, exist_ok=True)
    lock = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise taken(board, board.read()) from error
        left = board.read()
        # The lock hangs on how the URL is spelled, so a living process of this node is listened to as well.
        if left.host not in ("", here) or (left.pid != os.getpid() and Path("/proc", str(left.pid)).exists()):
            listen(board, silent_after_s)
        own = DriverRecord(host=here, pid=os.getpid(), since=time.time())
        board.write(own)
        time.sleep(_SETTLE_S)
        if not (now := board.read()).is_same_driver(own):
            raise taken(board, now)
        with beating(own, board, every_s) as beats:
            yield beats
    finally:
        os.close(lock)


def is_driven_there(remote: Remote) -> bool:
    """Whether the sweep's driver has been heard lately; by the bucket's clock against this machine's."""
    at = remote.changed_at(DriverRecord.FILE)
    return at is not None and time.time() - at < SILENT_AFTER_S
