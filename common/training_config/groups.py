"""The groups of settings in a training configuration: adapter, optimizer, batch, GRPO, noise, data and so on.

Defaults are the ablation guide's; bounds refuse only what makes no sense. The ranges worth searching are
narrower and live in `search_spaces`.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from common.model import FrozenModel
from common.reward_config import RewardConfig

__all__ = [
    "BatchConfig",
    "Count",
    "DataConfig",
    "GRPOConfig",
    "InfraConfig",
    "LoRAConfig",
    "LoggingConfig",
    "NoiseConfig",
    "OptimizerConfig",
]

NonNegative = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]


class LoRAConfig(FrozenModel):
    """The adapter that is trained."""

    r: Count = 16
    """Rank."""
    alpha: Annotated[float, Field(gt=0)] = 16
    """Scale: the adapter's output is multiplied by alpha / r."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Dropout before the adapter; 0 keeps GRPO's ratio at exactly 1 on its first pass."""
    bias: Literal["none", "all", "lora_only"] = "none"
    """Which biases are trained; refused where the model has none, and under a KL penalty, whose reference
    they would change."""
    target_modules: Annotated[tuple[str, ...], Field(min_length=1)] = (
        "q_proj",
        "k_proj",
        "v_proj",
        "o_proj",
        "gate_proj",
        "up_proj",
        "down_proj",
    )
    """Module names that get an adapter: attention and MLP of Gemma, Qwen and Llama."""


class OptimizerConfig(FrozenModel):
    """Optimizer and learning-rate schedule."""

    name: Literal["adamw_torch", "adamw_8bit", "adafactor", "sgd"] = "adamw_torch"
    """transformers' name of the optimizer; `adamw_8bit` needs a GPU and bitsandbytes."""
    learning_rate: Annotated[float, Field(gt=0)] = 2e-4
    """Peak learning rate."""
    lr_scheduler: Literal["linear", "cosine", "constant", "constant_with_warmup"] = "cosine"
    """Schedule after the warm-up; `constant` has none, `constant_with_warmup` has."""
    warmup_ratio: Annotated[float, Field(ge=0, lt=1)] = 0.06
    """Share of the optimizer steps over which the learning rate rises from 0."""
    weight_decay: NonNegative = 0.01
    """Decoupled L2 decay per unit learning rate."""
    max_grad_norm: Annotated[float, Field(gt=0)] = 1.0
    """Gradient norm above which the gradient is scaled down."""


class BatchConfig(FrozenModel):
    """Completions per optimizer step."""

    batch_size: Count = 16
    """Completions per worker and micro-step."""
    gradient_accumulation_steps: Count = 1
    """Micro-steps per optimizer step."""


class GRPOConfig(FrozenModel):
    """Group relative policy optimization, arXiv:2402.03300."""

    num_generations: Annotated[int, Field(ge=2)] = 4
    """Completions per prompt (group size); a group of one has zero advantage."""
    beta: NonNegative = 0.04
    """Coefficient of the KL divergence from the reference policy: nats, k3 estimator, times the ratio to the
    policy that wrote the rollouts."""
    temperature: Annotated[float, Field(gt=0)] = 1.0
    """Sampling temperature of the rollouts."""
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Nucleus of the rollouts; 1 samples from the whole distribution."""
    top_k: Annotated[int, Field(ge=0)] = 0
    """Number of likeliest tokens that may be sampled; 0 for all."""
    max_completion_length: Count = 1024
    """Tokens after which a completion is cut off."""
    scale_rewards: Literal["group", "batch", "none"] = "group"
    """What rewards are divided by: their standard deviation in the group, in the batch, or nothing."""
    loss_type: Literal["grpo", "bnpo", "dr_grpo", "dapo"] = "dapo"
    """How token losses are averaged; TRL's default."""
    multi_objective_aggregation: Literal["sum_then_normalize", "normalize_then_sum"] = "sum_then_normalize"
    """Whether components are weighted before or after group normalization."""
    reward: RewardConfig = RewardConfig()
    """What the completions are rewarded for."""
    generation: Literal["transformers", "vllm"] = "transformers"
    """What writes the rollouts; `vllm`, beside the trainer on the same GPU, needs the extra of that name."""
    vllm_memory_share: Annotated[float, Field(gt=0, lt=1)] = 0.3
    """Share of the GPU's memory that vLLM takes; TRL's default."""

    @model_validator(mode="after")
    def _scaling_has_an_effect(self) -> Self:
        if self.multi_objective_aggregation == "normalize_then_sum" and self.scale_rewards != "group":
            raise ValueError(
                f"scale_rewards must be 'group' with multi_objective_aggregation 'normalize_then_sum', which "
                f"divides components by their deviation in the group, got {self.scale_rewards!r}; change one"
            )
        return self


class NoiseConfig(FrozenModel):
    """Corruption of training prompts; references stay clean."""

    error_rate: Share = 0.15
    """Share of the rows whose prompt gets character errors."""
    force_augmentation: bool = False
    """Corrupt at least one row of every split, whatever the draw."""


class DataConfig(FrozenModel):
    """Where the columns of a JSONL file are, and how much context a row may take."""

    prompt_field: Annotated[str, Field(min_length=1)] = "vibe_noisy"
    """What the policy reads."""
    reference_field: Annotated[str, Field(min_length=1)] = "vibe_original"
    """What the reward compares with; the prompt where a row lacks it."""
    response_field: Annotated[str, Field(min_length=1)] = "config_payload"
    """What SFT teaches: the payload as JSON text or object. GRPO does not read it."""
    max_seq_length: Annotated[int, Field(ge=16)] = 4096
    """Tokens of prompt and completion together."""


class LoggingConfig(FrozenModel):
    """What is written while a trial trains."""

    logging_steps: Count = 1
    """Optimizer steps between two log entries; small trials have few, and a log entry costs little."""
    save_strategy: Literal["steps", "no"] = "steps"
    """Whether checkpoints are written while training; the final adapter always is."""
    save_steps: Count = 20
    """Optimizer steps between checkpoints, rounded up to the end of a generation cycle."""
    eval_steps: Annotated[int, Field(ge=0)] = 0
    """Optimizer steps between held-out evaluations; 0 evaluates at the start and at the end."""
    text_samples: Annotated[int, Field(ge=0)] = 4
    """Completions of each held-out evaluation that TensorBoard shows as text, of the same vibes each time."""
    audio_clips: Annotated[int, Field(ge=0)] = 2
    """Of these completions, how many it plays: 441 kB and about 50 ms of a core each, at every evaluation."""
    wandb_project: Annotated[str, Field(min_length=1)] | None = None
    """Weights & Biases project; none by default."""


class InfraConfig(FrozenModel):
    """What one trial needs of the cluster."""

    gpu_type: str | None = None
    """Ray accelerator type, such as `H100`; any where none is named."""
    gpus_per_trial: NonNegative = 0.0
    """GPUs of one trial; a fraction shares one, above 1 it is a whole number."""
    cpus_per_trial: NonNegative = 1.0
    """Logical CPUs of one trial; of a single worker also its number of threads, rounded up."""
    memory_gb_per_trial: NonNegative = 0.0
    """GiB of a node's memory that one trial reserves, so that a node is not given more trials than it holds;
    0 reserves none. Nothing keeps a trial from using more."""
    num_workers: Count | None = None
    """Data-parallel processes of one trial, which share its resources evenly and take batch.batch_size each;
    one for each of its GPUs where not given."""
    timeout_hours: Annotated[float, Field(gt=0)] = 3.0
    """Wall-clock hours of work after which a trial fails, over all the processes that took it up."""
    max_retries: Annotated[int, Field(ge=0)] = 2
    """Times a crashed trial of a sweep goes on from its last checkpoint."""
    retry_backoff_s: Annotated[float, Field(ge=0, le=600)] = 5.0
    """Seconds before the first retry; each further one waits twice as long, at most ten minutes."""

    @property
    def workers(self) -> int:
        """Data-parallel processes of one trial."""
        return self.num_workers or max(1, int(self.gpus_per_trial))

    @property
    def cpus_per_worker(self) -> float:
        """Logical CPUs of each of them; its number of threads, rounded up."""
        return self.cpus_per_trial / self.workers

    @model_validator(mode="after")
    def _workers_have_whole_gpus(self) -> Self:
        gpus = self.gpus_per_trial
        if gpus > 1 and gpus != self.workers:
            raise ValueError(
                f"gpus_per_trial above 1 must be a whole number, one GPU for each of num_workers, got "
                f"{gpus:g} GPUs and {self.workers} workers; leave num_workers out, or make them equal"
            )
        return self
