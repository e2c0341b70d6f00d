"""The ablation guide's presets: whole configurations that differ from the defaults in one setting."""

from __future__ import annotations

from typing import Final

from common.errors import UserError
from common.training_config.config import TrainingConfig
from common.training_config.groups import BatchConfig, GRPOConfig, LoRAConfig, OptimizerConfig

__all__ = ["ABLATION_PRESETS", "PRESET_PATHS", "preset"]

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
