"""A sweep that is told to stop: its trials write checkpoints, and then it ends; told again, it ends at once.

SIGTERM tells it, which is what a job's stop sends. The word goes to the trials by a file in the sweep
directory, because they run on any node, and share nothing else with the driver for sure.
"""

from __future__ import annotations

import os
import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from ray.tune import Callback

from common.records import StopRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ray.tune.experiment import Trial

__all__ = ["GRACE_VARIABLE", "Stop", "StopCallback", "grace_s", "is_stopping"]

GRACE_VARIABLE: Final = "RAY_JOB_STOP_WAIT_TIME_S"
"""Ray kills a job's command so many seconds after it was told to stop: 3, unless the job's own environment
says otherwise."""

_GRACE_S: Final = 600
_STOPPING: Final = "is stopping: the trials that run write a checkpoint at the end of their step"


def grace_s() -> int:
    """Seconds that a job gets between being told to stop and being killed: the user's, else ten minutes."""
    return int(os.environ.get(GRACE_VARIABLE, _GRACE_S))


def is_stopping(log: str) -> bool:
    """Whether a sweep that has printed this was told to stop."""
    return _STOPPING in log


class Stop:
    """Whether this driver was told to stop, and what follows from it."""

    def __init__(self, directory: Path, say: Callable[[str], None]) -> None:
        """
        Args:
            directory: the sweep's; what an earlier driver was told is forgotten.
            say: told when the trials are.
        """
        self._directory = directory
        self._say = say
        self._trials_are_told = False
        self._has_trials = False
        self.is_asked = False
        """Whether it was told. Then no trial starts, and one that leaves without a result goes on later."""
        # Written even so, and not only when there is a reason: a file that is replaced is seen anew by
        # every node of a network file system, while one that was not there may be missed for a minute.
        StopRecord().write(directory)

    @contextmanager
    def on_signal(self) -> Iterator[None]:
        """Take SIGTERM in this process's main thread; in another thread nobody tells a driver to stop."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.signal(signal.SIGTERM, self._take)
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, before)

    def look(self, num_running: int) -> None:
        """Do what the time asks for; called with every turn of Tune's loop.

        Args:
            num_running: trials and baselines at work.

        Raises:
            KeyboardInterrupt: it was told to stop, and none is left at work.
        """
        self._has_trials = num_running > 0
        if not self.is_asked:
            return
        if not self._trials_are_told:
            self._trials_are_told = True
            StopRecord(asked=True).write(self._directory)
            self._say(f"{_STOPPING}; told again, it ends at once")
        if num_running == 0:
            raise KeyboardInterrupt

    def _take(self, *_: Any) -> None:
        """The signal's handler: notes it for the loop, which may be in the middle of anything."""
        if self.is_asked or not self._has_trials:
            raise KeyboardInterrupt
        self.is_asked = True


class StopCallback(Callback):  # type: ignore[misc]  # Ray has no types
    """Lets the stop look with Tune's loop."""

    def __init__(self, stop: Stop) -> None:
        self._stop = stop

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Tune pickles its Tuner for a restore that never comes."""
        return {}

    def on_step_end(self, iteration: int, trials: list[Trial], **info: Any) -> None:
        self._stop.look(sum(trial.status == "RUNNING" for trial in trials))
