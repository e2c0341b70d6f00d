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
from typing import TYPE_CHECKING, ClassVar, Final, Protocol

from common.errors import ClusterError, UserError
from common.records import StateRecord

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = [
    "BEAT_EVERY_S",
    "BOOKKEEPING",
    "SILENT_AFTER_S",
    "Beats",
    "Board",
    "DriverRecord",
    "beating",
    "driver_lease",
    "is_driven",
    "listen",
    "taken",
]

_LOG: Final = logging.getLogger(__name__)
_LOCK_FILE: Final = ".lock"
BEAT_EVERY_S: Final = 10.0
SILENT_AFTER_S: Final = 3 * BEAT_EVERY_S
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


class Board(Protocol):
    """Where the record of a sweep's driver hangs; as text, where that is."""

    def read(self) -> DriverRecord:
        """The record; an empty one where there is none."""

    def write(self, record: DriverRecord) -> None:
        """Hang up another."""

    def remove(self) -> None:
        """Take it down."""


class _Folder:
    """A sweep directory as a board."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def __str__(self) -> str:
        return str(self._directory)

    def read(self) -> DriverRecord:
        return DriverRecord.read(self._directory)

    def write(self, record: DriverRecord) -> None:
        record.write(self._directory)

    def remove(self) -> None:
        (self._directory / DriverRecord.FILE).unlink(missing_ok=True)


@contextmanager
def driver_lease(
    directory: Path, *, every_s: float = BEAT_EVERY_S, silent_after_s: float = SILENT_AFTER_S
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
    board = _Folder(directory)
    lock = os.open(directory / _LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise taken(board, board.read()) from error
        if _is_elsewhere(board.read()):
            listen(board, silent_after_s)
        own = DriverRecord(host=socket.gethostname(), pid=os.getpid(), since=time.time())
        board.write(own)
        try:
            with beating(own, board, every_s):
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
    return time.time() - (directory / DriverRecord.FILE).stat().st_mtime < SILENT_AFTER_S


def _is_elsewhere(record: DriverRecord) -> bool:
    """Whether another machine wrote it. On this one the lock is proof enough."""
    return record.host not in ("", socket.gethostname())


def listen(board: Board, silent_after_s: float) -> None:
    """Return when the driver that has left its record there is silent for long.

    Raises:
        UserError: it goes on beating, or another has come.
    """
    last = board.read()
    if last == DriverRecord():
        return
    print(
        f"{board} was left by {last}; taking over if it is not heard for {silent_after_s:.0f} s",
        file=sys.stderr,
    )
    until = time.monotonic() + silent_after_s
    while time.monotonic() < until:
        time.sleep(min(1.0, silent_after_s / 10))
        now = board.read()
        if now == DriverRecord():
            return  # it has ended in order
        if now != last:
            raise taken(board, now)


def taken(board: Board, by: DriverRecord) -> UserError:
    """What a second driver is told."""
    return UserError(
        f"{board} must have one driver, got a second one beside {by}; wait for the first, or give "
        "another --storage"
    )


class Beats(threading.Thread):
    """Writes a beat every few seconds, until the end or until another driver has taken over."""

    def __init__(self, own: DriverRecord, board: Board, every_s: float) -> None:
        super().__init__(daemon=True)
        self._own = own
        self._board = board
        self._every_s = every_s
        self._over = threading.Event()
        self.was_replaced = False

    def run(self) -> None:
        beat = 0
        while not self._over.wait(self._every_s):
            try:
                if not self._board.read().is_same_driver(self._own):
                    # This process was asleep for long, and another one took its place, as it should.
                    self.was_replaced = True
                    _thread.interrupt_main()
                    return
                beat += 1
                self._board.write(self._own.model_copy(update={"beat": beat}))
            except (OSError, ClusterError) as error:  # a file server that is away for a moment
                _LOG.warning("the driver's beat was not written: %s", error)

    def stop(self) -> None:
        """Beat no more, and take the record down unless it is another driver's."""
        self._over.set()
        self.join()
        if not self.was_replaced:
            self._board.remove()


@contextmanager
def beating(own: DriverRecord, board: Board, every_s: float) -> Iterator[Beats]:
    """Beat while the driver works. One whose place was taken is interrupted, and told by whom."""
    beats = Beats(own, board, every_s)
    beats.start()
    try:
        yield beats
    except KeyboardInterrupt as error:
        if beats.was_replaced:
            raise taken(board, board.read()) from error
        raise
    finally:
        beats.stop()
