"""Checkpoints a trial can go on from: whole, and at the end of a generation cycle."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Checkpoint", "mark_complete", "newest_checkpoint", "save_interval"]

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
