"""The driver's copy of a sweep in a bucket: records and ledgers come in, what the driver decides goes out."""

from __future__ import annotations

import shutil
import time
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from cluster.bucket.lease import bucket_lease
from cluster.bucket.places import clear_left_behind, driver_folder
from cluster.bucket.remote import Remote
from cluster.bucket.working_copy import WorkingCopy
from cluster.driver_lease import BOOKKEEPING
from cluster.keeping import Keeping
from common.errors import ClusterError, UserError
from search_spaces.sweep_record import SWEEP_RECORD
from trainables.checkpoints import CHECKPOINTS
from trainables.checksums import damage_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cluster.driver_lease import Beats

__all__ = ["DriverCopy", "opened_bucket", "pull_records"]

_NOT_TAKEN: Final = frozenset({CHECKPOINTS, "adapter", "adapter-best", "wandb"})
"""Folders of a trial that its driver has no use for, the largest ones."""

_SEND_EVERY_S: Final = 5.0


@contextmanager
def opened_bucket(url: str) -> Iterator[DriverCopy]:
    """The sweep at a URL, copied here for its one driver. At the end the bucket has what the copy has.

    Raises:
        UserError: the bucket cannot be written, holds something else, or has a driver.
        ClusterError: it does not answer any more.
    """
    remote = Remote.at(url)
    remote.check_writable()
    with bucket_lease(remote) as beats:
        names = [name for name in remote.files() if name not in BOOKKEEPING]
        if names and SWEEP_RECORD not in names:
            raise UserError(
                f"storage must be empty or a sweep's place, got {str(remote)!r} with {names[0]!r} and no "
                f"{SWEEP_RECORD}; give another --storage"
            )
        folder = driver_folder(remote.url)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        clear_left_behind(remote.url)
        copy = DriverCopy(remote, WorkingCopy(remote, folder), beats)
        copy.take_up(names)
        try:
            yield copy
        finally:
            copy.end()


def pull_records(remote: Remote, copy: WorkingCopy) -> None:
    """Bring what tells how far a sweep is: all records, and neither ledgers nor what trials trained."""
    copy.pull(takes=lambda name: name.endswith(".json") and len(PurePosixPath(name).parts) in (1, 3))


class DriverCopy(Keeping):
    """Moves files at the driver's word."""

    def __init__(self, remote: Remote, copy: WorkingCopy, beats: Beats) -> None:
        """
        Args:
            remote: the sweep's place in the bucket.
            copy: the driver's copy of it.
            beats: of this driver; once another has taken its place, it writes no more.
        """
        super().__init__(copy.folder)
        self.bucket = remote.url
        self._remote = remote
        self._copy = copy
        self._beats = beats
        self._sent_at = 0.0

    def take_up(self, names: Sequence[str]) -> None:
        """Bring what earlier drivers and their trials have left.

        Args:
            names: what is there.
        """
        self._copy.pull(takes=_is_taken)
        for parts in (PurePosixPath(name).parts for name in names):
            if parts[0] == "trials" and _NOT_TAKEN.intersection(parts[2:3]):
                # Who looks whether a trial has done anything must see that it has.
                self.directory.joinpath(*parts[:3]).mkdir(parents=True, exist_ok=True)

    def begin(self, *, overwrite: bool) -> None:
        """As in `Keeping`."""
        if overwrite:
            self._remote.clear(but=BOOKKEEPING)
        self._push("", deep=True)

    def fetch(self, trial_id: str) -> None:
        """As in `Keeping`."""
        self._copy.pull(f"trials/{trial_id}", _is_taken)

    def fetch_checkpoint(self, trial_id: str, step: int) -> None:
        """As in `Keeping`."""
        name = f"trials/{trial_id}/{CHECKPOINTS}/checkpoint-{step}"
        if damage_in(self.directory / name) is not None:
            self._copy.pull(name)

    def send(self, trial_id: str | None = None) -> None:
        """As in `Keeping`."""
        self._push("", deep=False)
        if trial_id is not None:
            self._push(f"trials/{trial_id}", deep=True)
        self._sent_at = time.monotonic()

    def tick(self) -> None:
        """Send the records of the sweep as a whole now and then."""
        if time.monotonic() - self._sent_at >= _SEND_EVERY_S:
            self.send()

    def end(self) -> None:
        """Leave everything in the bucket; another driver's place is left as it is."""
        if not self._beats.was_replaced:
            self._push("", deep=True)

    def _push(self, under: str, *, deep: bool) -> None:
        if self._beats.was_replaced:
            raise ClusterError(f"{self._remote} has another driver by now; this one writes no more")
        self._copy.push(under, deep=deep)


def _is_taken(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return len(parts) == 1 or (parts[0] == "trials" and not _NOT_TAKEN.intersection(parts[2:3]))
