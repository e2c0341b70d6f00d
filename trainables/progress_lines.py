"""The lines of one training run on stderr: each says what is new, and nothing twice."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trainables.spec import Progress

__all__ = ["ProgressLines"]


class ProgressLines:
    """A `Report` that prints."""

    def __init__(self) -> None:
        self._reward_step: int | None = None
        self._objective_step: int | None = None

    def __call__(self, progress: Progress) -> None:
        parts = [f"step {progress.step}/{progress.total_steps}"]
        if progress.loss is not None:
            parts.append(f"loss {progress.loss:.3f}")
        if progress.reward is not None and progress.reward_step != self._reward_step:
            parts.append(f"reward {progress.reward:.3f}")
            self._reward_step = progress.reward_step
        if progress.objective is not None and progress.objective_step != self._objective_step:
            parts.append(f"held-out objective {progress.objective:.3f}")
            self._objective_step = progress.objective_step
        if progress.notice is not None:
            parts.append(progress.notice)
        if progress.validation_loss is not None:
            parts.append(f"validation loss {progress.validation_loss:.3f}")
        print("  ".join([*parts, f"{progress.seconds:.0f} s"]), file=sys.stderr)
