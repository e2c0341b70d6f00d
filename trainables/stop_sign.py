"""Whether a trial is to stop: it asks at steps that it can go on from, and leaves with a checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from common.records import StopRecord
from trainables.workers import first_does

if TYPE_CHECKING:
    from trainables.spec import TrialSpec

__all__ = ["StopSign", "StoppedError"]


class StoppedError(Exception):
    """The trial has left because its sweep stops; nothing is wrong with it, and it goes on later."""


class StopSign:
    """What the sweep's driver last said."""

    def __init__(self, spec: TrialSpec) -> None:
        self._folder = None if spec.stop_folder is None else Path(spec.stop_folder)

    def is_up(self) -> bool:
        """Whether the trial is to stop. All its workers ask at the same step, and are told the same."""
        folder = self._folder
        return folder is not None and first_does(lambda: StopRecord.read(folder).asked)
