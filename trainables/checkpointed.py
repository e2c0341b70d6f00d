"""A trainer of TRL's whose checkpoints are whole: they appear when they are written, with their checksums."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainables.checkpoints import begin_checkpoint, finish_checkpoint
from trainables.guards import GuardedTrainer
from trainables.policy import leave_out_card
from trainables.workers import first_does, wait_for_all

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["CheckpointedTrainer"]


class CheckpointedTrainer(GuardedTrainer):
    """What SFT and GRPO have in common, for a trainer of TRL's to inherit beside its own."""

    before_checkpoint: Callable[[int], None] | None = None
    """Called with the step before its checkpoint is written."""
    _staging: Path | None = None

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        step, folder = self.state.global_step, Path(self.args.output_dir)
        if self.before_checkpoint is not None:
            self.before_checkpoint(step)
        leave_out_card(self.model)
        self._staging = first_does(lambda: begin_checkpoint(folder))
        super()._save_checkpoint(model, trial)
        wait_for_all()  # each worker has written the state of its generators
        first_does(lambda: finish_checkpoint(folder, step))

    def _get_output_dir(self, trial: Any) -> str:
        """Where the next checkpoint is written."""
        return str(self._staging or self.args.output_dir)
