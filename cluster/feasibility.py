"""Which trials cannot train on their data, known before they start."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cluster.prompt_lengths import PromptLengths
from common.errors import UserError
from trainables.data import data_path
from trainables.steps import check_lengths

if TYPE_CHECKING:
    from pathlib import Path

    from common.training_config import TrainingConfig
    from search_spaces.sweep_file import SweepFile

__all__ = ["Feasibility"]


@dataclass(frozen=True)
class Feasibility:
    """The check that a trial makes of its rows, made by the driver: a trial that fails it takes no place.

    Where a policy's tokenizer is not at hand, the trial's own check is left to find the rest.
    """

    path: Path
    """The training rows."""
    lengths: PromptLengths

    @classmethod
    def of(cls, sweep: SweepFile) -> Feasibility:
        """The check for a sweep's training rows."""
        path = data_path(sweep.data.train, "train")
        return cls(path, PromptLengths(path))

    def refusal(self, config: TrainingConfig) -> str | None:
        """Why a trial with this configuration and its seed cannot train; None where nothing is against it."""
        try:
            check_lengths(config, self.lengths(config).lengths, self.path)
        except UserError as error:
            return str(error)
        return None
