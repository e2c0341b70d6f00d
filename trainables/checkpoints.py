"""Checkpoints a trial can go on from: whole, at the end of a generation cycle, its own or another's."""

from __future__ import annotations

import logging
import shutil
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "CHECKPOINTS",
    "Checkpoint",
    "mark_complete",
    "newest_checkpoint",
    "save_interval",
    "starting_checkpoint",
    "take_over",
]

CHECKPOINTS: Final = "checkpoints"
"""Folder of a trial's own checkpoints."""

_TAKEN_OVER: Final = "taken-over"
_COMPLETE: Final = "complete"

_log = logging.getLogger(__name__)


class Checkpoint(NamedTuple):
    """One complete checkpoint."""

    step: int
    """Optimizer steps taken."""
    path: Path


def save_interval(save_steps: int, off_policy_depth: int) -> int:
    """Optimizer steps between checkpoints, rounded up to whole generation cycles.

    The trainer does not save the rollouts that later steps of a cycle reuse, so a trial can go on
    exactly only from a cycle's end.
    """
    return -(-save_steps // off_policy_depth) * off_policy_depth


def mark_complete(checkpoint: Path) -> None:
    """Make a written checkpoint visible: files of a checkpoint appear one by one, this one last."""
    (checkpoint / _COMPLETE).touch()


def newest_checkpoint(folder: Path) -> Checkpoint | None:
    """The newest complete `checkpoint-<step>` in a folder; None where there is none."""
    found = [
        Checkpoint(int(path.name.removeprefix("checkpoint-")), path) for path in folder.glob("checkpoint-*")
    ]
    for checkpoint in sorted(found, reverse=True):
        if (checkpoint.path / _COMPLETE).is_file():
            return checkpoint
        _log.warning("skipping %s: it was not completely written", checkpoint.path)
    return None


def starting_checkpoint(trial: Path) -> Checkpoint | None:
    """What a trial goes on from, given its folder: a checkpoint that it took over, or a later one of its own.

    Its own one of the same step is what it was before it took over the other.
    """
    own, taken = newest_checkpoint(trial / CHECKPOINTS), newest_checkpoint(trial / _TAKEN_OVER)
    if own is None or taken is None:
        return own or taken
    return own if own.step > taken.step else taken


def take_over(checkpoint: Checkpoint, trial: Path) -> None:
    """Copy another trial's checkpoint for the trial of this folder to go on from; it may be done again.

    Adapter, optimizer, schedule and random state: the trial goes on as the other would, but for what its
    own configuration says.
    """
    folder = trial / _TAKEN_OVER
    unfinished = folder / "unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    shutil.copytree(checkpoint.path, unfinished)
    for earlier in folder.glob("checkpoint-*"):
        shutil.rmtree(earlier)
    unfinished.rename(folder / checkpoint.path.name)
