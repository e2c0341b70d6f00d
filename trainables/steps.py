"""What a configuration makes of its rows: optimizer steps, and whether the rows fit.

Apart from the trainer, so that a plan can ask without loading torch.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from common.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from common.training_config import TrainingConfig

__all__ = ["check_lengths", "num_evaluations", "prompts_per_cycle", "total_steps"]


def total_steps(config: TrainingConfig, num_rows: int) -> int:
    """Optimizer steps of the whole trial.

    An epoch has as many generation cycles as fill up with rows, each of off_policy_depth steps.
    """
    if config.max_steps is not None:
        return config.max_steps
    return math.ceil(config.epochs * (num_rows // prompts_per_cycle(config)) * config.off_policy_depth)


def prompts_per_cycle(config: TrainingConfig) -> int:
    """Prompts whose rollouts are made together, and then learned from for off_policy_depth steps."""
    return config.completions_per_step * config.off_policy_depth // config.grpo.num_generations


def num_evaluations(steps: int, eval_steps: int) -> int:
    """Held-out evaluations of a trial: before its first step, every `eval_steps`, and after its last."""
    return 2 + ((steps - 1) // eval_steps if eval_steps and steps else 0)


def check_lengths(config: TrainingConfig, lengths: Sequence[int], path: Path) -> None:
    """Refuse rows that the configuration cannot train on.

    Args:
        config: the trial's configuration.
        lengths: prompt tokens of each row.
        path: the rows' file, for the message.

    Raises:
        UserError: fewer rows than one generation cycle takes, or a row that is longer than the context.
    """
    if not len(lengths) >= prompts_per_cycle(config):
        raise UserError(
            f"{path} must have >= {prompts_per_cycle(config)} rows, the prompts of one generation batch, "
            f"got {len(lengths)}; add rows or lower batch.batch_size"
        )
    room = config.data.max_seq_length - config.grpo.max_completion_length
    for number, length in enumerate(lengths, start=1):
        if not length <= room:
            raise UserError(
                f"{path} row {number}: prompt and completion must fit data.max_seq_length "
                f"{config.data.max_seq_length}, got {length} prompt tokens + grpo.max_completion_length "
                f"{config.grpo.max_completion_length}; raise the one or lower the other"
            )
