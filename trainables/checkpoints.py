"""Checkpoints a trial can go on from: whole, at the end of a generation cycle, its own or another's."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Final, NamedTuple

from common.durable import replace_durably
from trainables.checksums import damage_in, sync_files, write_checksums

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "CHECKPOINTS",
    "Checkpoint",
    "Start",
    "begin_checkpoint",
    "find_start",
    "finish_checkpoint",
    "mark_complete",
    "save_interval",
    "set_aside",
    "starting_checkpoint",
    "take_over",
]

CHECKPOINTS: Final = "checkpoints"
"""Folder of a trial's own checkpoints."""

_TAKEN_OVER: Final = "taken-over"
_UNFINISHED: Final = "unfinished"
_PREFIX: Final = "checkpoint-"
_DAMAGED: Final = "damaged-"
_NUM_KEPT: Final = 2
"""Whole checkpoints of its own that a trial keeps: the newest, and one to fall back to."""


class Checkpoint(NamedTuple):
    """One complete checkpoint."""

    step: int
    """Optimizer steps taken."""
    path: Path


class Start(NamedTuple):
    """Where a trial starts or goes on."""

    checkpoint: Checkpoint | None
    """None: at the beginning."""
    passed_over: tuple[tuple[Checkpoint, str], ...] = ()
    """Later ones that cannot be used, each with the reason."""

    @property
    def step(self) -> int:
        """Optimizer steps that are done."""
        return self.checkpoint.step if self.checkpoint else 0


def save_interval(save_steps: int, off_policy_depth: int) -> int:
    """Optimizer steps between checkpoints, rounded up to whole generation cycles.

    The trainer does not save the rollouts that later steps of a cycle reuse, so a trial can go on
    exactly only from a cycle's end.
    """
    return -(-save_steps // off_policy_depth) * off_policy_depth


def begin_checkpoint(folder: Path) -> Path:
    """An empty folder to write `checkpoint-<step>` into, where nobody looks for checkpoints."""
    staging = folder / _UNFINISHED
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    return staging


def finish_checkpoint(folder: Path, step: int) -> None:
    """Let the checkpoint that was written appear in `folder`, whole.

    Then the oldest are removed, and not before: whenever the process is killed, as many whole ones as
    there were are still there.
    """
    staging = folder / _UNFINISHED
    written = staging / f"{_PREFIX}{step}"
    mark_complete(written)
    replace_durably(written, folder / written.name)
    for old in _by_step(folder)[:-_NUM_KEPT]:
        # A name first that nobody takes for a checkpoint: files are removed one by one.
        shutil.rmtree(old.path.rename(staging / old.path.name))
    shutil.rmtree(staging)


def mark_complete(checkpoint: Path) -> None:
    """Make a written checkpoint usable: its checksums are what comes last."""
    write_checksums(checkpoint)


def find_start(trial: Path) -> Start:
    """What a trial goes on from, given its folder: a checkpoint that it took over, or a later one of its own.

    Its own one of the same step is what it was before it took over the other. Every file is compared with
    its checksum, and the newest checkpoint that is whole counts. Parts of a checkpoint are pickles, so one
    that a link leads to from elsewhere is passed over.
    """
    both = _by_step(trial / _TAKEN_OVER) + _by_step(trial / CHECKPOINTS)
    passed_over: list[tuple[Checkpoint, str]] = []
    for checkpoint in sorted(both, key=lambda checkpoint: checkpoint.step, reverse=True):
        damage = _foreign(checkpoint.path, trial) or damage_in(checkpoint.path)
        if damage is None:
            return Start(checkpoint, tuple(passed_over))
        passed_over.append((checkpoint, damage))
    return Start(None, tuple(passed_over))


def starting_checkpoint(trial: Path) -> Checkpoint | None:
    """The checkpoint of `find_start`."""
    return find_start(trial).checkpoint


def set_aside(start: Start) -> None:
    """Rename what was passed over to `damaged-<step>`: its place is needed, and someone may want to look."""
    for checkpoint, _ in start.passed_over:
        aside = checkpoint.path.with_name(f"{_DAMAGED}{checkpoint.step}")
        shutil.rmtree(aside, ignore_errors=True)
        checkpoint.path.rename(aside)


def take_over(checkpoint: Checkpoint, trial: Path) -> None:
    """Copy another trial's checkpoint for the trial of this folder to go on from; it may be done again.

    Adapter, optimizer, schedule and random state: the trial goes on as the other would, but for what its
    own configuration says.
    """
    folder = trial / _TAKEN_OVER
    unfinished = folder / _UNFINISHED
    shutil.rmtree(unfinished, ignore_errors=True)
    shutil.copytree(checkpoint.path, unfinished)
    sync_files(unfinished)
    for earlier in folder.glob(f"{_PREFIX}*"):
        shutil.rmtree(earlier)
    replace_durably(unfinished, folder / checkpoint.path.name)


def _foreign(checkpoint: Path, trial: Path) -> str | None:
    """Why a checkpoint may not be loaded though it is whole: a link in it leads out of the trial's folder."""
    root = trial.resolve()
    for path in (checkpoint, *checkpoint.rglob("*")):
        if not path.resolve().is_relative_to(root):
            return f"{path.relative_to(checkpoint.parent)} is a link to outside the trial's folder"
    return None


def _by_step(folder: Path) -> list[Checkpoint]:
    """The checkpoints in a folder, whole or not, oldest first."""
    found = (Checkpoint(int(path.name.removeprefix(_PREFIX)), path) for path in folder.glob(f"{_PREFIX}*"))
    return sorted(found)
