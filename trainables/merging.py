"""The adapter folded into its base for as long as nothing is learned: generation is half as long."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from peft.tuners.lora import LoraLayer

from common.errors import TrialError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn

__all__ = ["merged_adapter"]


@contextmanager
def merged_adapter(model: nn.Module) -> Iterator[None]:
    """Fold every LoRA of a float32 model into the weights under it, and put those back bit for bit.

    A decoding step of a small model is all overhead, and a LoRA makes four operations of one. The logits
    move by rounding only. In bfloat16 a small adapter would be rounded away, so there nothing is folded.

    Not PEFT's `merge_adapter` and `unmerge_adapter`: what has been added and taken away again is not
    quite what it was, and a policy would drift with every evaluation.
    """
    pristine: list[tuple[LoraLayer, torch.Tensor]] = []
    try:
        for layer in [module for module in model.modules() if isinstance(module, LoraLayer)]:
            weight = layer.get_base_layer().weight
            if weight.dtype == torch.float32 and not layer.merged:
                pristine.append((layer, weight.data))
                _merge(layer)
        yield
    finally:
        for layer, data in pristine:
            layer.get_base_layer().weight.data = data
            layer.merged_adapters.clear()


def _merge(layer: LoraLayer) -> None:
    try:
        layer.merge(safe_merge=True)  # "safe" puts the sum into a new tensor, and looks at it
    except ValueError as error:
        raise TrialError("the adapter's weights are not finite; lower optimizer.learning_rate") from error
