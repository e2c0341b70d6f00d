"""GRPO with TRL: the configuration's knobs as TRL's, and a trainer that can be trusted to stop and go on."""

from __future__ import annotations

import time
from contextlib import nullcontext
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import torch
import trl
from datasets import Dataset

from common.errors import TrialError, UserError
from trainables.chat import CHAT_TEMPLATE_KWARGS
from trainables.checkpointed import CheckpointedTrainer
from trainables.checkpoints import save_interval
from trainables.guards import LOWER_RATE, memory_explained
from trainables.merging import merged_adapter
from trainables.step_metrics import StepClock, variance_metrics
from trainables.steps import check_lengths, total_steps
from trainables.vllm_seeds import SeededRequests

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from transformers import TrainerCallback

    from common.training_config import TrainingConfig
    from trainables.chat import PromptFormat
    from trainables.data import VibeRow

__all__ = [
    "VibeGRPOTrainer",
    "check_packages",
    "check_reference",
    "check_rows",
    "grpo_arguments",
    "prompt_dataset",
    "shared_arguments",
    "total_steps",
]


def shared_arguments(config: TrainingConfig, folder: Path) -> dict[str, Any]:
    """The trainer's arguments that SFT and GRPO have in common."""
    on_cpu = not torch.cuda.is_available()
    optimizer, logging = config.optimizer, config.logging
    return {
        "output_dir": str(folder),
        "seed": config.seed,
        "num_train_epochs": config.epochs,
        "max_steps": -1 if config.max_steps is None else config.max_steps,
        "per_device_train_batch_size": config.batch.batch_size,
        "gradient_accumulation_steps": config.batch.gradient_accumulation_steps,
        "optim": optimizer.name,
        "learning_rate": optimizer.learning_rate,
        "lr_scheduler_type": optimizer.lr_scheduler,
        # transformers 5 has no warmup_ratio: below 1 this is the ratio.
        "warmup_steps": optimizer.warmup_ratio,
        "weight_decay": optimizer.weight_decay,
        "max_grad_norm": optimizer.max_grad_norm,
        "logging_steps": logging.logging_steps,
        "save_strategy": logging.save_strategy,
        # The trainer would otherwise replace a NaN loss by the mean of the others.
        "logging_nan_inf_filter": False,
        "report_to": "none",  # TensorBoard and W&B are written by us, with the held-out evaluations
        "disable_tqdm": True,
        "use_cpu": on_cpu,
        "bf16": not on_cpu,
        "dataloader_pin_memory": not on_cpu,
        # It saves memory by computing every forward pass twice. A CPU has the memory.
        "activation_checkpointing": not on_cpu,
    }


def grpo_arguments(config: TrainingConfig, folder: Path, reward_weights: Sequence[float]) -> trl.GRPOConfig:
    """TRL's arguments; every knob is passed as it is.

    Args:
        config: the trial's configuration.
        folder: where checkpoints go.
        reward_weights: one per reward function.
    """
    grpo = config.grpo
    return trl.GRPOConfig(
        **shared_arguments(config, folder),
        num_generations=grpo.num_generations,
        steps_per_generation=config.steps_per_generation,
        beta=grpo.beta,
        # TRL's default: what `train/kl_k3` is, and what beta weighs, must not change with a new version.
        use_bias_correction_kl=True,
        temperature=grpo.temperature,
        top_p=grpo.top_p,
        top_k=grpo.top_k,
        max_completion_length=grpo.max_completion_length,
        scale_rewards=grpo.scale_rewards,
        loss_type=grpo.loss_type,
        multi_objective_aggregation=grpo.multi_objective_aggregation,
        reward_weights=list(reward_weights),
        use_vllm=grpo.generation == "vllm",
        vllm_mode="colocate",
        vllm_gpu_memory_utilization=grpo.vllm_memory_share,
        chat_template_kwargs=CHAT_TEMPLATE_KWARGS,
        save_steps=save_interval(config.logging.save_steps, config.off_policy_depth),
        # The reference and the prompt's id travel to the reward functions beside the prompt.
        remove_unused_columns=False,
    )


def prompt_dataset(rows: Sequence[VibeRow], form: PromptFormat) -> Dataset:
    """TRL's data set: the prompt, and what the reward functions need beside it."""
    return Dataset.from_dict(
        {
            "prompt": [form.prompt(row.prompt) for row in rows],
            "reference": [row.reference for row in rows],
            "prompt_id": [row.prompt_id for row in rows],
        }
    )


def check_packages(config: TrainingConfig) -> None:
    """Refuse what this machine cannot run.

    Raises:
        UserError: `adamw_8bit` without CUDA or bitsandbytes, vLLM without CUDA or the extra, or a wandb
            project without wandb.
    """
    if config.optimizer.name == "adamw_8bit" and not (
        torch.cuda.is_available() and find_spec("bitsandbytes")
    ):
        raise UserError(
            "optimizer.name must be 'adamw_torch', 'adafactor' or 'sgd' here, got 'adamw_8bit'; it needs a "
            "CUDA device and the bitsandbytes package"
        )
    if config.grpo.generation == "vllm" and not (torch.cuda.is_available() and find_spec("vllm")):
        raise UserError(
            "grpo.generation must be 'transformers' here, got 'vllm'; it needs a CUDA device and vllm: pip "
            "install 'vibesweep[vllm]'"
        )
    if config.logging.wandb_project is not None and not find_spec("wandb"):
        raise UserError(
            f"logging.wandb_project must be left out here, got {config.logging.wandb_project!r}; it needs "
            "the wandb package: pip install 'vibesweep[wandb]'"
        )


def check_reference(config: TrainingConfig) -> None:
    """Refuse biases to be trained under a KL penalty.

    The reference is the policy with its adapter switched off, which leaves the trained biases on.

    Raises:
        UserError: both are asked for.
    """
    if config.lora.bias != "none" and config.grpo.beta > 0:
        raise UserError(
            f"lora.bias must be 'none' with grpo.beta > 0, got {config.lora.bias!r} and "
            f"{config.grpo.beta:g}; the KL's reference would be trained too; change one of them"
        )


def check_rows(config: TrainingConfig, rows: Sequence[VibeRow], form: PromptFormat, path: Path) -> None:
    """Refuse data that the configuration cannot train on.

    Raises:
        UserError: fewer rows than one generation cycle takes, or a row that is longer than the context.
    """
    check_lengths(config, [len(form.token_ids(row.prompt)) for row in rows], path)


class VibeGRPOTrainer(CheckpointedTrainer, trl.GRPOTrainer):  # type: ignore[misc]  # TRL has no types
    """TRL's trainer with whole checkpoints, timed generation and an end at the first NaN."""

    memory_cure = f"{CheckpointedTrainer.memory_cure}, or lower grpo.max_completion_length"

    def __init__(
        self,
        *,
        before_checkpoint: Callable[[int], None],
        on_generated: Callable[[float, Sequence[Any], Sequence[str]], None],
        callbacks: Sequence[TrainerCallback] = (),
        **kwargs: Any,
    ):
        """Take two hooks beside TRL's arguments.

        Args:
            before_checkpoint: called with the step before its checkpoint is written.
            on_generated: called with the seconds that a batch of rollouts took, the completions and their
                references, before their rewards are asked for and before the log-probabilities of the old
                and the reference policy are computed.
            callbacks: TRL's; they come after the trainer's own.
            **kwargs: TRL's.
        """
        super().__init__(**kwargs)
        self.before_checkpoint = before_checkpoint
        self._on_generated = on_generated
        if self.use_vllm:
            engine = self.vllm_generation.llm
            engine.generate = SeededRequests(
                engine.generate,
                seed=self.args.seed,
                worker=self.accelerator.process_index,
                step=lambda: self.state.global_step,
            )
        self._references: list[str] = []
        self._clock = StepClock(self._metrics["train"])
        for callback in (self._clock, *callbacks):
            self.add_callback(callback)

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> Any:
        self._references = [row["reference"] for row in inputs]
        return super()._generate_and_score_completions(inputs)

    def _generate(self, prompts: list[Any]) -> Any:
        step = self.state.global_step
        started = time.perf_counter()
        try:
            with (
                self._clock.phase("generate"),
                memory_explained(f"step {step}, generating {len(prompts)} completions", self.memory_cure),
                # TRL folds the adapter itself into the weights that it hands to vLLM.
                nullcontext() if self.use_vllm else merged_adapter(self.model),
            ):
                generated = super()._generate(prompts)
        except RuntimeError as error:
            if "probability tensor" not in str(error):  # torch.multinomial's complaint
                raise
            raise TrialError(f"step {step}: the logits are not finite; {LOWER_RATE}") from error
        seconds = time.perf_counter() - started
        _, completion_ids, _, completions, *_ = generated
        self._clock.generated(sum(map(len, completion_ids)), seconds)
        self._on_generated(seconds, completions, self._references)
        return generated

    def _generate_single_turn(self, *args: Any, **kwargs: Any) -> Any:
        # Dropout is for learning: rollouts are the policy's own, as those of an evaluation are.
        was_training = self.model.training
        self.model.eval()
        try:
            return super()._generate_single_turn(*args, **kwargs)
        finally:
            self.model.train(was_training)

    def _calculate_rewards(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        with self._clock.phase("score"):
            rewards: torch.Tensor = super()._calculate_rewards(*args, **kwargs)
        entries = variance_metrics(
            rewards,
            self.reward_weights,
            self.reward_func_names,
            num_generations=self.num_generations,
            aggregation=self.multi_objective_aggregation,
        )
        for name, value in entries.items():
            self._metrics["train"][name].append(value)
        return rewards

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        """Load both states, and keep this configuration's settings where the states bring others.

        A state brings the learning rate and the weight decay it was saved with: with a checkpoint taken
        over from another trial those of the other.
        """
        groups = [
            {name: value for name, value in group.items() if name not in ("params", "lr")}
            for group in self.optimizer.param_groups
        ]
        super()._load_optimizer_and_scheduler(checkpoint)
        scheduler = self.lr_scheduler
        scheduler.base_lrs = [group["initial_lr"] for group in groups]
        rates = [
            peak * factor(scheduler.last_epoch)
            for peak, factor in zip(scheduler.base_lrs, scheduler.lr_lambdas, strict=True)
        ]
        scheduler._last_lr = rates
        for group, settings, rate in zip(self.optimizer.param_groups, groups, rates, strict=True):
            group.update(settings, lr=rate)
        assert all(group["initial_lr"] == self.args.learning_rate for group in self.optimizer.param_groups)
