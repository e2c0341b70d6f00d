"""What ends a run with its step and cause: numbers that are not finite, and memory that is not there."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import torch
from transformers import Trainer

from common.errors import TrialError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn

__all__ = ["LOWER_RATE", "GuardedTrainer", "check_finite", "memory_explained"]

LOWER_RATE: Final = "lower optimizer.learning_rate"

_NO_MEMORY: Final = (
    "DefaultCPUAllocator: ",
    "not enough memory: you tried to allocate",
    "CUDA out of memory",
)
"""How torch's errors of a CPU, which have no class of their own, begin to say it."""


@contextmanager
def memory_explained(doing: str, cure: str) -> Iterator[None]:
    """Turn an allocation that failed into an error that says what to change.

    Args:
        doing: what was being done, with its step.
        cure: the settings that memory depends on there.

    Raises:
        TrialError: instead of a MemoryError or of torch's, of CPU or GPU.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        told = str(error)
        is_memory = isinstance(error, MemoryError | torch.OutOfMemoryError) or any(
            words in told for words in _NO_MEMORY
        )
        if not is_memory or isinstance(error, TrialError):
            raise
        first = next(iter(told.splitlines()), "") or type(error).__name__
        raise TrialError(f"{doing}: out of memory; {cure} ({first[:200]})") from error


def check_finite(model: nn.Module, step: int) -> None:
    """End a trial whose optimizer step left weights that nothing can be computed with.

    Raises:
        TrialError: the squared norm of a trained tensor is not finite.
    """
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if not all(bool(torch.isfinite(parameter.detach().square().sum())) for parameter in trained):
        raise TrialError(f"step {step}: the squared norm of the trained weights is not finite; {LOWER_RATE}")


class GuardedTrainer(Trainer):  # type: ignore[misc]  # transformers has no types
    """The guards of SFT and GRPO, for a trainer of TRL's to inherit beside its own."""

    memory_cure = "lower batch.batch_size and raise batch.gradient_accumulation_steps by as much"

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any) -> torch.Tensor:
        step = self.state.global_step
        with memory_explained(f"step {step}, learning", self.memory_cure):
            loss: torch.Tensor = super().training_step(model, inputs, num_items_in_batch)
        if not torch.isfinite(loss):
            raise TrialError(f"step {step}: the loss is {loss.item()}; {LOWER_RATE}")
        return loss

    def _clip_grad_norm(self, model: Any) -> torch.Tensor:
        norm: torch.Tensor = super()._clip_grad_norm(model)
        if not torch.isfinite(norm):
            raise TrialError(
                f"step {self.state.global_step}: the gradient norm is {norm.item()}; {LOWER_RATE}"
            )
        return norm

    def create_model_card(self, *args: Any, **kwargs: Any) -> None:
        """No card: the record beside an adapter says what it is."""
