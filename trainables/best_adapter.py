"""The adapter of the best evaluation of a trial, where that is not its last one: `adapter-best/`.

Best is by the held-out objective, not by the reward. It is for using the policy and for looking at it. What
a trial is ranked by stays its last evaluation: the best of several looks at the same held-out vibes is
flattered by their noise, the more so the more looks there were.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, ClassVar, Final, NamedTuple

from common.records import StateRecord
from trainables.policy import save_adapter

if TYPE_CHECKING:
    from pathlib import Path

    from peft import PeftModel

__all__ = ["BEST_ADAPTER", "Best", "BestAdapter", "BestRecord"]

BEST_ADAPTER: Final = "adapter-best"
"""Folder in the trial's."""


class Best(NamedTuple):
    """The best evaluation of a trained policy."""

    step: int
    """Optimizer steps taken."""
    objective: float


class BestRecord(StateRecord):
    """Which evaluation the adapter beside this file is from."""

    FILE: ClassVar[str] = "best.json"

    step: int | None = None
    objective: float | None = None


class BestAdapter:
    """Keeps the adapter of the best evaluation so far, of those that come before the last step.

    It survives a stopped process: the folder says which evaluation it is from. Where a trial goes on from a
    checkpoint before that one, it stays until its step comes again and replaces it. A trial that takes over
    another's weights keeps what it had: the evaluations are its own.
    """

    def __init__(self, trial: Path, base_model: str) -> None:
        """
        Args:
            trial: the trial's folder.
            base_model: what the adapter is trained on.
        """
        self._folder = trial / BEST_ADAPTER
        self._unfinished = trial / f".{BEST_ADAPTER}.unfinished"
        self._previous = trial / f".{BEST_ADAPTER}.previous"
        if self._previous.exists() and not self._folder.exists():
            self._previous.rename(self._folder)  # killed between the two renames
        self._base_model = base_model

    def take(self, model: PeftModel, step: int, objective: float) -> None:
        """Keep the model's adapter if this evaluation is better than the best so far, or that one again."""
        record = BestRecord.read(self._folder)
        if record.objective is not None and record.step != step and not objective > record.objective:
            return
        shutil.rmtree(self._unfinished, ignore_errors=True)
        save_adapter(model, self._unfinished, self._base_model)
        BestRecord(step=step, objective=objective).write(self._unfinished)
        if self._folder.exists():
            self._folder.rename(self._previous)
        self._unfinished.rename(self._folder)
        shutil.rmtree(self._previous, ignore_errors=True)

    def settle(self, final: Best) -> Best:
        """The best evaluation of all; where none before is better than the final one, the folder goes."""
        record = BestRecord.read(self._folder)
        if record.step is not None and record.objective is not None and record.objective > final.objective:
            return Best(record.step, record.objective)
        shutil.rmtree(self._folder, ignore_errors=True)
        return final
