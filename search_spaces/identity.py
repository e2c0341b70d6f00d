"""What makes two configurations the same: equal settings, and for a sweep equal learning."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from common.training_config import TrainingConfig

__all__ = ["config_hash", "identity"]


def config_hash(config: TrainingConfig) -> str:
    """What is learned, as 16 hex digits: equal for the seeds of one point.

    SHA-256 of the JSON with sorted keys, without the seed and the `infra` and `logging` groups, but for
    several data-parallel workers.
    """
    return _hash(_learned(config))


def identity(config: TrainingConfig) -> str:
    """The config hash, where reward weights that differ only in scale count as the same.

    Rewards divided by their standard deviation in the group leave the advantages the same when all weights
    are multiplied by one number (but for TRL's 1e-4 beside the deviation). With `batch` or `none` as
    `scale_rewards` nothing is merged.
    """
    if config.grpo.scale_rewards != "group":
        return config_hash(config)
    content = _learned(config)
    weights = content["grpo"]["reward"]["weights"]
    largest = max(weights.values())  # a sum of huge weights would overflow
    total = sum(weight / largest for weight in weights.values())
    content["grpo"]["reward"]["weights"] = {
        name: round(weight / largest / total, 9) for name, weight in weights.items()
    }
    return _hash(content)


def _learned(config: TrainingConfig) -> dict[str, Any]:
    content = config.model_dump(mode="json", exclude={"seed", "infra", "logging"})
    # The one thing of infra that is learned from: each worker adds a batch to every step.
    return content | ({"workers": config.infra.workers} if config.infra.workers > 1 else {})


def _hash(content: dict[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
