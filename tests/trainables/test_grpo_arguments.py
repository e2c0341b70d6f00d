"""Every knob of the configuration reaches TRL as it is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from common.errors import UserError
from common.training_config import TrainingConfig, apply_overrides
from trainables import grpo
from trainables.checkpoints import save_interval
from trainables.grpo import grpo_arguments, total_steps

if TYPE_CHECKING:
    from trl import GRPOConfig

KNOBS = [
    ("epochs", 2.5, "num_train_epochs", 2.5),
    ("max_steps", 7, "max_steps", 7),
    ("max_steps", None, "max_steps", -1),
    ("seed", 5, "seed", 5),
    ("optimizer.name", "adafactor", "optim", "adafactor"),
    ("optimizer.name", "sgd", "optim", "sgd"),
    ("optimizer.learning_rate", 3e-4, "learning_rate", 3e-4),
    ("optimizer.lr_scheduler", "constant_with_warmup", "lr_scheduler_type", "constant_with_warmup"),
    ("optimizer.warmup_ratio", 0.2, "warmup_steps", 0.2),
    ("optimizer.warmup_ratio", 0.0, "warmup_steps", 0.0),
    ("optimizer.weight_decay", 0.1, "weight_decay", 0.1),
    ("optimizer.max_grad_norm", 0.5, "max_grad_norm", 0.5),
    ("batch.batch_size", 32, "per_device_train_batch_size", 32),
    ("batch.gradient_accumulation_steps", 4, "gradient_accumulation_steps", 4),
    ("grpo.num_generations", 8, "num_generations", 8),
    ("grpo.beta", 0.16, "beta", 0.16),
    ("grpo.beta", 0.0, "beta", 0.0),
    ("grpo.temperature", 0.7, "temperature", 0.7),
    ("grpo.top_p", 0.9, "top_p", 0.9),
    ("grpo.top_k", 50, "top_k", 50),
    ("grpo.max_completion_length", 96, "max_completion_length", 96),
    ("grpo.scale_rewards", "batch", "scale_rewards", "batch"),
    ("grpo.scale_rewards", "none", "scale_rewards", "none"),
    ("grpo.loss_type", "dr_grpo", "loss_type", "dr_grpo"),
    (
        "grpo.multi_objective_aggregation",
        "normalize_then_sum",
        "multi_objective_aggregation",
        "normalize_then_sum",
    ),
    ("logging.logging_steps", 3, "logging_steps", 3),
    ("logging.save_strategy", "no", "save_strategy", "no"),
    ("logging.save_steps", 9, "save_steps", 9),
]


def arguments(config: TrainingConfig) -> GRPOConfig:
    return grpo_arguments(config, Path("/tmp/unused"), [0.2, 0.3, 0.5])


@pytest.mark.parametrize(("path", "value", "name", "expected"), KNOBS, ids=[f"{k[0]}={k[1]}" for k in KNOBS])
def test_a_knob_reaches_trl_unchanged(path: str, value: object, name: str, expected: object) -> None:
    config = apply_overrides(TrainingConfig(), {path: value})
    assert getattr(arguments(config), name) == expected


def test_what_the_machine_decides() -> None:
    args = arguments(TrainingConfig())
    assert args.report_to == []
    assert args.disable_tqdm
    assert args.reward_weights == [0.2, 0.3, 0.5]
    assert not args.logging_nan_inf_filter
    assert not args.remove_unused_columns


def test_a_missing_wandb_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grpo, "find_spec", lambda name: None)
    config = apply_overrides(TrainingConfig(), {"logging.wandb_project": "vibes"})
    with pytest.raises(
        UserError, match=r"logging.wandb_project must be left out here, got 'vibes'.*\[wandb\]"
    ):
        grpo.check_packages(config)
    grpo.check_packages(TrainingConfig())


@pytest.mark.parametrize(
    ("batch", "generations", "accumulation", "micro_steps", "depth"),
    [
        (16, 4, 1, 1, 1),
        (16, 6, 1, 3, 3),  # 6 / gcd(16, 6)
        (4, 8, 1, 2, 2),
        (4, 8, 2, 2, 1),  # two micro-steps of 4 make one group of 8
        (4, 6, 2, 6, 3),  # 2 x 6 / gcd(8, 6)
    ],
)
def test_batches_and_groups_that_do_not_divide_share_rollouts(
    batch: int, generations: int, accumulation: int, micro_steps: int, depth: int
) -> None:
    config = apply_overrides(
        TrainingConfig(),
        {
            "batch.batch_size": batch,
            "batch.gradient_accumulation_steps": accumulation,
            "grpo.num_generations": generations,
        },
    )
    args = arguments(config)
    assert args.steps_per_generation == micro_steps
    assert args.generation_batch_size == batch * micro_steps
    assert config.off_policy_depth == depth


def test_every_batch_of_the_guide_runs_with_every_number_of_generations() -> None:
    for batch in range(4, 33):
        for generations in range(2, 9):
            config = apply_overrides(
                TrainingConfig(), {"batch.batch_size": batch, "grpo.num_generations": generations}
            )
            args = arguments(config)  # TRL refuses a generation batch that is no multiple of the group
            assert (args.per_device_train_batch_size, args.num_generations) == (batch, generations)
            # The fewest steps whose completions fill whole groups.
            assert config.off_policy_depth == min(d for d in range(1, 9) if batch * d % generations == 0)


@pytest.mark.parametrize(
    ("overrides", "rows", "steps"),
    [
        ({"epochs": 3}, 10, 6),  # 4 prompts a cycle: 2 cycles of 1 step an epoch
        ({"epochs": 1.5}, 10, 3),
        ({"epochs": 0.1}, 10, 1),
        ({"epochs": 1, "grpo.num_generations": 6}, 17, 6),  # 8 prompts a cycle: 2 cycles of 3 steps
        ({"epochs": 3, "max_steps": 5}, 10, 5),
    ],
)
def test_the_number_of_steps_follows_from_the_rows(
    overrides: dict[str, float], rows: int, steps: int
) -> None:
    assert total_steps(apply_overrides(TrainingConfig(), overrides), rows) == steps


def test_checkpoints_lie_on_the_ends_of_generation_cycles() -> None:
    assert [save_interval(20, depth) for depth in (1, 3, 6, 20, 21)] == [20, 21, 24, 20, 21]
