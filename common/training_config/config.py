"""One trial's whole configuration, and the numbers that follow from it."""

from __future__ import annotations

from collections.abc import Mapping
from math import gcd
from typing import Annotated, Any

from pydantic import Field, model_validator

from common.model import FrozenModel
from common.prompt_registry import PromptConfig, get_prompt, render_prompt
from common.training_config.groups import (
    BatchConfig,
    Count,
    DataConfig,
    GRPOConfig,
    InfraConfig,
    LoggingConfig,
    LoRAConfig,
    NoiseConfig,
    OptimizerConfig,
)

__all__ = ["TrainingConfig"]


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
