"""A trial's process and the bucket: it starts with what the trial has there, and leaves all there."""

from __future__ import annotations

import shutil
import time
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from cluster.bucket.places import clear_left_behind, trial_folder
from cluster.bucket.remote import Remote
from cluster.bucket.working_copy import WorkingCopy
from common.records import StopRecord
from trainables.checksums import CHECKSUMS_FILE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cluster.task import SweepTask, Tell

__all__ = ["TrialPlace", "at_work"]

_CURVES_EVERY_S: Final = 60.0
"""TensorBoard's files only grow, and objects are written whole; with a checkpoint they go always."""


class TrialPlace:
    """Where a trial works: the sweep's folder itself, which is all there is to it."""

    def __init__(self, task: SweepTask) -> None:
        """
        Args:
            task: the sweep's, with the directory that this process sees.
        """
        self.task = task

    def keep(self, *, curves: bool = True) -> None:
        """See to it that what the trial has written lasts.

        Args:
            curves: whether its TensorBoard files must be among it.
        """

    def telling(self, tell: Tell) -> Tell:
        """What keeps before it tells: who is told may look at once."""
        return tell


class _CopiedPlace(TrialPlace):
    """A copy of the trial's folder, and of the word to stop."""

    def __init__(self, task: SweepTask, trial_id: str, remote: Remote, copy: WorkingCopy) -> None:
        super().__init__(replace(task, directory=str(copy.folder)))
        self._copy = copy
        self._remote = remote
        self._trial = f"trials/{trial_id}"
        self._curves = f"tensorboard/{trial_id}"
        self._curves_kept = time.monotonic()

    def take_up(self) -> None:
        """Bring what the trial has in the bucket, and whether it is to stop."""
        self._copy.pull(self._trial)
        self._listen()

    def keep(self, *, curves: bool = True) -> None:
        since = time.monotonic() - self._curves_kept
        if curves or since >= _CURVES_EVERY_S or self._copy.has_new(self._trial, CHECKSUMS_FILE):
            self._copy.push(self._curves)
            self._curves_kept = time.monotonic()
        self._copy.push(self._trial)

    def telling(self, tell: Tell) -> Tell:
        def kept_and_told(progress: Mapping[str, Any]) -> None:
            self.keep(curves=False)
            tell(progress)
            self._listen()

        return kept_and_told

    def _listen(self) -> None:
        self._remote.download(StopRecord.FILE, self._copy.folder / StopRecord.FILE)


@contextmanager
def at_work(task: SweepTask, trial_id: str) -> Iterator[TrialPlace]:
    """Where this process works on a trial, from its start until its end, whatever that is.

    Raises:
        ClusterError: the bucket does not answer.
    """
    if task.bucket is None:
        yield TrialPlace(task)
        return
    remote, folder = Remote.at(task.bucket), trial_folder(task.bucket, trial_id)
    shutil.rmtree(folder, ignore_errors=True)
    clear_left_behind(task.bucket)
    place = _CopiedPlace(task, trial_id, remote, WorkingCopy(remote, folder))
    place.take_up()
    try:
        yield place
    finally:
        try:
            place.keep()
        finally:
            shutil.rmtree(folder, ignore_errors=True)
