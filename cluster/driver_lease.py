"""One driver at a time for a sweep directory, also where a file system's locks do not reach other machines.

The operating system's lock ends with its process, however that ends. On some network file systems it holds on
one machine only; so the driver also writes a beat into a file. Who is granted the lock and finds another
machine's beats listens for a while: if they go on, that driver lives; if not, its place is taken.
"""

from __future__ import annotations

import _thread
import fcntl
import logging
import os
import shutil
import socket
import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, ClassVar, Final

from common.errors import UserError
from common.records import StateRecord

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["BOOKKEEPING", "DriverRecord", "driver_lease", "is_driven"]

_LOG: Final = logging.getLogger(__name__)
_LOCK_FILE: Final = ".lock"
_BEAT_EVERY_S: Final = 10.0
_SILENT_AFTER_S: Final = 3 * _BEAT_EVERY_S
"""How long a driver of another machine has not been heard when it counts as gone."""


class DriverRecord(StateRecord):
    """Who drives the sweep; the file is gone when a driver ends in order."""

    FILE: ClassVar[str] = "driver.json"

    host: str = ""
    pid: int = 0
    since: float = 0.0
    """Seconds since 1970, by its own clock; only shown."""
    beat: int = 0
    """Counts up while it lives."""

    def __str__(self) -> str:
        if not self.host:
            return "one that has left no name"
        return f"process {self.pid} on {self.host}"

    def is_same_driver(self, other: DriverRecord) -> bool:
        """Whether both were written by one process."""
        return (self.host, self.pid, self.since) == (other.host, other.pid, other.since)


BOOKKEEPING: Final = frozenset({_LOCK_FILE, DriverRecord.FILE})
"""Files of a sweep directory that say who drives it, and nothing of the sweep."""


@contextmanager
def driver_lease(
    directory: Path, *, every_s: float = _BEAT_EVERY_S, silent_after_s: float = _SILENT_AFTER_S
) -> Iterator[None]:
    """Be the directory's one driver. What holds nothing in the end is removed.

    Args:
        directory: the sweep's; it is there.
        every_s: between two beats.
        silent_after_s: how long another machine's beats must not be heard.

    Raises:
        UserError: another driver is at work.
        OSError: the directory cannot be written.
    """
    lock = os.open(directory / _LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise _taken(directory, DriverRecord.read(directory)) from error
        _listen(directory, silent_after_s)
        own = DriverRecord(host=socket.gethostname(), pid=os.getpid(), since=time.time())
        own.write(directory)
        try:
            with _beating(own, directory, every_s):
                yield
        finally:
            if {entry.name for entry in directory.iterdir()} <= BOOKKEEPING:
                shutil.rmtree(directory)
    finally:
        os.close(lock)


def is_driven(directory: Path) -> bool:
    """Whether a driver is at work on a sweep directory, on this machine or where its locks reach."""
    try:
        lock = os.open(directory / _LOCK_FILE, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    last = DriverRecord.read(directory)
    if not _is_elsewhere(last):
        return False
    # Its clock and this one may differ by seconds; nothing but what is shown depends on it.
    return time.time() - (directory / DriverRecord.FILE).stat().st_mtime < _SILENT_AFTER_S


def _is_elsewhere(record: DriverRecord) -> bool:
    """Whether another machine wrote it. On this one the lock is proof enough."""
    return record.host not in ("", socket.gethostname())


def _listen(directory: Path, silent_after_s: float) -> None:
    """Raise UserError if another machine's driver goes on beating; return when it is silent for long."""
    last = DriverRecord.read(directory)
    if not _is_elsewhere(last):
        return
    print(
        f"{directory} was left by {last}; taking over if it is not heard for {silent_after_s:.0f} s",
        file=sys.stderr,
    )
    until = time.monotonic() + silent_after_s
    while time.monotonic() < until:
        time.sleep(min(1.0, silent_after_s / 10))
        now = DriverRecord.read(directory)
        if now == DriverRecord():
            return  # it has ended in order
        if now != last:
            raise _taken(directory, now)


def _taken(directory: Path, by: DriverRecord) -> UserError:
    return UserError(
        f"{directory} must have one driver, got a second one beside {by}; wait for the first, or give "
        "another --storage"
    )


class _Beats(threading.Thread):
    """Writes a beat every few seconds, until the end or until another driver has taken over."""

    def __init__(self, own: DriverRecord, directory: Path, every_s: float) -> None:
        super().__init__(daemon=True)
        self._own = own
        self._directory = directory
        self._every_s = every_s
        self._over = threading.Event()
        self.was_replaced = False

    def run(self) -> None:
        beat = 0
        while not self._over.wait(self._every_s):
            try:
                if not DriverRecord.read(self._directory).is_same_driver(self._own):
                    # This process was asleep for long, and another one took its place, as it should.
                    self.was_replaced = True
                    _thread.interrupt_main()
                    return
                beat += 1
                self._own.model_copy(update={"beat": beat}).write(self._directory)
            except OSError as error:  # a file server that is away for a moment
                _LOG.warning("the driver's beat was not written: %s", error)

    def stop(self) -> None:
        self._over.set()
        self.join()
        if not self.was_replaced:
            (self._directory / DriverRecord.FILE).unlink(missing_ok=True)


@contextmanager
def _beating(own: DriverRecord, directory: Path, every_s: float) -> Iterator[None]:
    beats = _Beats(own, directory, every_s)
    beats.start()
    try:
        yield
    except KeyboardInterrupt as error:
        if beats.was_replaced:
            raise _taken(directory, DriverRecord.read(directory)) from error
        raise
    finally:
        beats.stop()
