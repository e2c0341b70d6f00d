"""One trial's configuration. Defaults are the ablation guide's; bounds refuse only what makes no sense.

The ranges worth searching are narrower and live in `search_spaces`. Precedence where a run is put
together: flags, then the preset's difference from the defaults, then the file, then the defaults.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import gcd
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, ValidationError, model_validator

from common.errors import UserError, first_problem
from common.model import FrozenModel
from common.prompt_registry import PromptConfig, get_prompt, render_prompt
from common.reward_config import RewardConfig

__all__ = [
    "ABLATION_PRESETS",
    "BASE_MODELS",
    "PRESET_PATHS",
    "PROJECT_ROOT",
    "BatchConfig",
    "DataConfig",
    "GRPOConfig",
    "InfraConfig",
    "LoRAConfig",
    "LoggingConfig",
    "NoiseConfig",
    "OptimizerConfig",
    "TrainingConfig",
    "apply_overrides",
    "config_difference",
    "flatten",
    "preset",
    "resolve_model",
]

PROJECT_ROOT: Final = Path(__file__).resolve().parent.parent
"""Where the rooms lie; the embedded models are found below it in every process, on every node."""

BASE_MODELS: Final[dict[str, str]] = {
    "tiny": "tiny/weights/policy",
    "gemma3-270m": "google/gemma-3-270m-it",
    "qwen3-600m": "Qwen/Qwen3-0.6B",
}
"""Short names of base models; a value below `tiny/` is a folder of this project."""

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


class TrainingConfig(FrozenModel):
    """Everything that decides one training run, beside its data."""

    base_model: Annotated[str, Field(min_length=1)] = "gemma3-270m"
    """A key of BASE_MODELS, a hub id, or a local folder."""
    epochs: Annotated[float, Field(gt=0)] = 3
    """Passes over the training rows."""
    max_steps: Count | None = None
    """Optimizer steps; overrides `epochs` where given."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 42
    """Seed of initialization, data order, noise and sampling."""
    prompts: PromptConfig = PromptConfig()
    """Which registered prompts are used."""
    system_prompt: str = Field(default_factory=lambda data: render_prompt(data["prompts"].config_generation))
    """System prompt; by default the `config_generation` prompt with the contract's JSON schema."""
    lora: LoRAConfig = LoRAConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    batch: BatchConfig = BatchConfig()
    grpo: GRPOConfig = GRPOConfig()
    noise: NoiseConfig = NoiseConfig()
    data: DataConfig = DataConfig()
    logging: LoggingConfig = LoggingConfig()
    infra: InfraConfig = InfraConfig()

    @model_validator(mode="before")
    @classmethod
    def _prompts_are_registered(cls, data: Any) -> Any:
        # A configuration that brings its text, as every stored one does, is read by processes and on machines
        # where its prompts are not registered: their names then only say where the text came from.
        if isinstance(data, Mapping) and "system_prompt" not in data:
            prompts = PromptConfig.model_validate(data.get("prompts", {}))
            get_prompt(prompts.config_generation)
            get_prompt(prompts.vibe_extraction)
        return data

    @property
    def completions_per_step(self) -> int:
        """Completions of one optimizer step, of all workers."""
        return self.batch.batch_size * self.batch.gradient_accumulation_steps * self.infra.workers

    @property
    def steps_per_generation(self) -> int:
        """Micro-steps that share one batch of rollouts.

        The smallest multiple of the accumulation steps that makes the completions of all workers a multiple
        of num_generations: batch 16 with 6 generations takes 6 / gcd(16, 6) = 3, and no knob is rounded.
        """
        cycles = self.grpo.num_generations // gcd(self.completions_per_step, self.grpo.num_generations)
        return self.batch.gradient_accumulation_steps * cycles

    @property
    def off_policy_depth(self) -> int:
        """Optimizer steps taken on one batch of rollouts; 1 is on-policy."""
        return self.steps_per_generation // self.batch.gradient_accumulation_steps


def apply_overrides(config: TrainingConfig, overrides: Mapping[str, Any]) -> TrainingConfig:
    """The config with dotted paths replaced, validated anew.

    Another `prompts.config_generation` without a `system_prompt` beside it renders the system prompt anew.

    Args:
        config: what to start from.
        overrides: dotted path to value, such as `{"lora.r": 32}`.

    Raises:
        UserError: a path that does not exist or a value that is refused.
    """
    merged = config_difference(config, TrainingConfig())
    for path, value in overrides.items():
        *parents, leaf = path.split(".")
        node = merged
        for parent in parents:
            node = node.setdefault(parent, {})
            if not isinstance(node, dict):
                raise UserError(f"{path}: {parent!r} is a value, not a group of settings")
        if isinstance(value, Mapping) and isinstance(node.get(leaf), Mapping):
            node[leaf] = _merged(node[leaf], value)
        else:
            node[leaf] = value
    named = flatten(overrides)
    names_prompt = _PROMPT_PATH in named
    if names_prompt and "system_prompt" not in named and _has_registered_prompt(config):
        # The text of the prompt that was named before would win over the one that is named now.
        merged.pop("system_prompt", None)
    try:
        changed = TrainingConfig.model_validate(merged)
    except ValidationError as error:
        raise UserError(first_problem(error)) from error
    if names_prompt and not _has_registered_prompt(changed):
        raise UserError(
            f"{_PROMPT_PATH} must not stand beside a system_prompt of its own, which would win, got "
            f"{changed.prompts.config_generation!r} and {changed.system_prompt[:40]!r}; remove one of the two"
        )
    return changed


_PROMPT_PATH: Final = "prompts.config_generation"


def _has_registered_prompt(config: TrainingConfig) -> bool:
    """Whether the system prompt is the one that `prompts.config_generation` names."""
    return config.system_prompt == render_prompt(config.prompts.config_generation)


def _merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`under` with `over` laid on it, group by group."""
    merged = dict(under)
    for key, value in over.items():
        old = merged.get(key)
        if isinstance(old, Mapping) and isinstance(value, Mapping):
            merged[key] = _merged(old, value)
        else:
            merged[key] = value
    return merged


def config_difference(config: TrainingConfig, base: TrainingConfig) -> dict[str, Any]:
    """What differs from `base`, nested like the config: the JSON that `base` needs to become `config`."""

    def difference(ours: dict[str, Any], theirs: dict[str, Any]) -> dict[str, Any]:
        changed: dict[str, Any] = {}
        for key, value in ours.items():
            if isinstance(value, dict):
                if nested := difference(value, theirs[key]):
                    changed[key] = nested
            elif value != theirs[key]:
                changed[key] = value
        return changed

    return difference(config.model_dump(mode="json"), base.model_dump(mode="json"))


def flatten(nested: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """A nested mapping as dotted path to value."""
    flat: dict[str, Any] = {}
    for key, value in nested.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def resolve_model(name: str, known: Mapping[str, str]) -> str:
    """The folder or hub id that a model name stands for.

    Args:
        name: a key of `known`, a local folder, or a hub id `owner/name`.
        known: BASE_MODELS or CLAP_MODELS.

    Raises:
        UserError: neither known, nor a folder, nor shaped like a hub id.
    """
    target = known.get(name, name)
    if target.startswith("tiny/"):
        return str(PROJECT_ROOT / target)
    looks_local = target.startswith((".", "/", "~")) or target.count("/") != 1
    if Path(target).expanduser().is_dir():
        return str(Path(target).expanduser().resolve())
    if looks_local:
        raise UserError(
            f"model must be one of {', '.join(known)}, a hub id owner/name or an existing folder, "
            f"got {name!r}; check the path"
        )
    return target


ABLATION_PRESETS: Final[dict[str, dict[str, TrainingConfig]]] = {
    "lora_rank": {f"r{r}": TrainingConfig(lora=LoRAConfig(r=r)) for r in (4, 8, 16, 32, 64)},
    "learning_rate": {
        f"lr{lr}": TrainingConfig(optimizer=OptimizerConfig(learning_rate=lr))
        for lr in (1e-5, 5e-5, 1e-4, 2e-4, 5e-4)
    },
    "grpo_beta": {
        f"beta{beta}": TrainingConfig(grpo=GRPOConfig(beta=beta)) for beta in (0.01, 0.02, 0.04, 0.08, 0.16)
    },
    "batch_size": {
        f"bs{size}": TrainingConfig(batch=BatchConfig(batch_size=size)) for size in (4, 8, 16, 32)
    },
}
"""The guide's presets: group, then name, then the whole config."""

PRESET_PATHS: Final[dict[str, str]] = {
    "lora_rank": "lora.r",
    "learning_rate": "optimizer.learning_rate",
    "grpo_beta": "grpo.beta",
    "batch_size": "batch.batch_size",
}
"""The one field that each preset group varies."""


def preset(name: str) -> TrainingConfig:
    """The preset `group:name`.

    Raises:
        UserError: no such group or name.
    """
    group, _, member = name.partition(":")
    if group not in ABLATION_PRESETS:
        raise UserError(f"preset group must be one of {', '.join(ABLATION_PRESETS)}, got {group!r}")
    members = ABLATION_PRESETS[group]
    if member not in members:
        raise UserError(f"preset of {group} must be one of {', '.join(members)}, got {member!r} in {name!r}")
    return members[member]
