"""Where a sweep's outcome is kept, as its driver sees it: a folder that every process writes, or a bucket."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ray.tune import Callback

if TYPE_CHECKING:
    from pathlib import Path

    from ray.tune.experiment import Trial

__all__ = ["Keeping", "KeepingCallback"]


class Keeping:
    """A folder: what a trial has written is there, and what the driver writes is there for the trials.

    `cluster.bucket.driver` has the other kind, which moves files at each of these calls.
    """

    bucket: str | None = None
    """The bucket's URL of the sweep; None for a folder."""

    def __init__(self, directory: Path) -> None:
        """
        Args:
            directory: where the driver works.
        """
        self.directory = directory

    @property
    def place(self) -> Path | str:
        """What a user calls it, and every node."""
        return self.bucket or self.directory

    def begin(self, *, overwrite: bool) -> None:
        """The driver has made the directory its own; with `overwrite` nothing else stays."""

    def fetch(self, trial_id: str) -> None:
        """See what a trial has said of itself so far, but for its checkpoints and adapters."""

    def fetch_checkpoint(self, trial_id: str, step: int) -> None:
        """See a trial's checkpoint of a step, if it has one."""

    def send(self, trial_id: str | None = None) -> None:
        """Let all see what the driver has written for the sweep as a whole, and for one trial."""

    def tick(self) -> None:
        """Called with every turn of Tune's loop."""


class KeepingCallback(Callback):  # type: ignore[misc]  # Ray has no types
    """Lets the driver's own records be sent with Tune's loop."""

    def __init__(self, keeping: Keeping) -> None:
        self._keeping = keeping

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Tune pickles its Tuner for a restore that never comes."""
        return {}

    def on_step_end(self, iteration: int, trials: list[Trial], **info: Any) -> None:
        self._keeping.tick()
