"""One trial's configuration: its groups of settings, the presets, and how one is changed."""

from common.training_config.base_models import BASE_MODELS, PROJECT_ROOT, resolve_model
from common.training_config.config import TrainingConfig
from common.training_config.groups import (
    BatchConfig,
    DataConfig,
    GRPOConfig,
    InfraConfig,
    LoggingConfig,
    LoRAConfig,
    NoiseConfig,
    OptimizerConfig,
)
from common.training_config.overrides import apply_overrides, config_difference, flatten
from common.training_config.presets import ABLATION_PRESETS, PRESET_PATHS, preset

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
