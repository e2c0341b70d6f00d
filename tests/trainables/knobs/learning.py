"""Knobs of the adapter, the optimizer and the batch, seen in PEFT's modules and torch's optimizer."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import torch
from peft.tuners.lora import LoraLayer

from common.errors import UserError
from tests.trainables.knobs.bench import Bench, Knob

if TYPE_CHECKING:
    from common.training_config import TrainingConfig

__all__ = ["KNOBS"]


def layers(bench: Bench, config: TrainingConfig) -> dict[str, Any]:
    """PEFT's layers by name."""
    modules = bench.trainer(config).model.named_modules()
    return {name: module for name, module in modules if isinstance(module, LoraLayer)}


def first_layer(bench: Bench, config: TrainingConfig) -> Any:
    return next(iter(layers(bench, config).values()))


def rank(bench: Bench, config: TrainingConfig) -> int:
    return int(first_layer(bench, config).lora_A["default"].weight.shape[0])


def scaling(bench: Bench, config: TrainingConfig) -> float:
    return float(first_layer(bench, config).scaling["default"])


def zeros(bench: Bench, config: TrainingConfig) -> bool:
    """Whether the adapter's input loses numbers in training."""
    dropout = first_layer(bench, config).lora_dropout["default"].train()
    return bool((dropout(torch.ones(1000)) == 0).any())


def trained_biases(bench: Bench, config: TrainingConfig) -> set[str]:
    named = bench.trainer(config).model.named_parameters()
    trained = [name for name, parameter in named if name.endswith(".bias") and parameter.requires_grad]
    owners = [name.removesuffix(".bias").removesuffix(".base_layer") for name in trained]
    return {owner.rpartition(".")[2] for owner in owners}


def targets(bench: Bench, config: TrainingConfig) -> set[str]:
    return {name.rpartition(".")[2] for name in layers(bench, config)}


def optimizer(bench: Bench, config: TrainingConfig) -> str:
    try:
        made = bench.trainer(config).optimizer
    except UserError as error:
        return str(error).partition(",")[0]
    return type(getattr(made, "optimizer", made)).__name__


def rate_at(step: int) -> Any:
    """The learning rate of torch's optimizer after some of the schedule's 100 steps."""

    def observe(bench: Bench, config: TrainingConfig) -> float:
        trainer = bench.trainer(config)
        schedule = trainer.lr_scheduler
        return float(config.optimizer.learning_rate * schedule.lr_lambdas[0](step))

    return observe


def first_rate(bench: Bench, config: TrainingConfig) -> float:
    return float(bench.trainer(config).optimizer.param_groups[0]["lr"])


def shrinkage(bench: Bench, config: TrainingConfig) -> float:
    """What a step without any gradient leaves of a weight."""
    trainer = bench.trainer(config)
    weight = first_layer(bench, config).lora_A["default"].weight
    before = weight.detach().clone()
    for parameter in trainer.model.parameters():
        parameter.grad = torch.zeros_like(parameter) if parameter.requires_grad else None
    trainer.optimizer.step()
    left = float((weight.detach() / before).mean())
    weight.data.copy_(before)
    return left


def clipped_norm(bench: Bench, config: TrainingConfig) -> float:
    """The norm of a gradient of 10 after it was clipped."""
    trainer = bench.trainer(config)
    for parameter in trainer.model.parameters():
        parameter.grad = None
    weight = first_layer(bench, config).lora_A["default"].weight
    weight.grad = torch.zeros_like(weight)
    weight.grad.view(-1)[0] = 10.0
    assert trainer._clip_grad_norm(trainer.model).item() == 10.0
    norm = weight.grad.norm().item()
    weight.grad = None
    return float(norm)


def rows_of_a_micro_step(bench: Bench, config: TrainingConfig) -> int:
    batch = next(iter(bench.trainer(config).get_train_dataloader()))
    return len(batch) // config.steps_per_generation


def rollouts_of_a_step(bench: Bench, config: TrainingConfig) -> int:
    return len(bench.steps(config).rollouts)


def group_sizes(bench: Bench, config: TrainingConfig) -> set[int]:
    batch = next(iter(bench.trainer(config).get_train_dataloader()))
    return set(Counter(row["prompt_id"] for row in batch).values())


KNOBS = {
    "lora.r": Knob(rank, [(4, 4), (8, 8)]),
    # alpha / r, with r 16.
    "lora.alpha": Knob(scaling, [(16, 1.0), (4, 0.25)]),
    "lora.dropout": Knob(zeros, [(0.0, False), (0.5, True)]),
    "lora.bias": Knob(
        trained_biases,
        [("none", set()), ("all", {"q_proj", "k_proj", "v_proj"}), ("lora_only", {"q_proj"})],
        {"base_model": "policies:qwen2", "grpo.beta": 0.0, "lora.target_modules": ("q_proj", "up_proj")},
    ),
    "lora.target_modules": Knob(
        targets, [(("q_proj",), {"q_proj"}), (("up_proj", "o_proj"), {"up_proj", "o_proj"})]
    ),
    "optimizer.name": Knob(
        optimizer,
        [
            ("adamw_torch", "AdamW"),
            ("adafactor", "Adafactor"),
            ("sgd", "SGD"),
            ("adamw_8bit", "optimizer.name must be 'adamw_torch'"),
        ],
    ),
    "optimizer.learning_rate": Knob(first_rate, [(1e-3, 1e-3), (1e-5, 1e-5)]),
    # A quarter of the way: (1 + cos(pi / 4)) / 2. Half way a cosine is where a straight line is.
    "optimizer.lr_scheduler": Knob(
        rate_at(25), [("linear", 0.75), ("cosine", 0.8535533905932737), ("constant", 1.0)],
        {"optimizer.learning_rate": 1.0},
    ),
    "optimizer.warmup_ratio": Knob(
        rate_at(5), [(0.0, 1.0), (0.1, 0.5), (0.2, 0.25)],
        {"optimizer.learning_rate": 1.0, "optimizer.lr_scheduler": "constant_with_warmup", "max_steps": 100},
    ),
    # A step without a gradient leaves 1 - rate * decay.
    "optimizer.weight_decay": Knob(shrinkage, [(0.0, 1.0), (0.5, 0.95)], {"optimizer.learning_rate": 0.1}),
    "optimizer.max_grad_norm": Knob(clipped_norm, [(1.0, 1.0), (0.25, 0.25)]),
    "batch.batch_size": Knob(rows_of_a_micro_step, [(4, 4), (8, 8)]),
    "batch.gradient_accumulation_steps": Knob(rollouts_of_a_step, [(1, 4), (2, 8)]),
    "grpo.num_generations": Knob(group_sizes, [(2, {2}), (4, {4})]),
}  # fmt: skip
