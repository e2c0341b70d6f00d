"""Whether what a trial runs is what was suggested to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from common.errors import TrialError
from common.training_config import flatten
from search_spaces.identity import config_hash
from search_spaces.settings import MIXTURE_PATH, WEIGHT_PATHS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from common.training_config import TrainingConfig

__all__ = ["check_suggestion"]


def check_suggestion(params: Mapping[str, Any], suggested_hash: str, config: TrainingConfig) -> None:
    """See that a configuration has the suggested value on every axis, and the hash of the suggested point.

    Args:
        params: axis path to the suggested value, as JSON has it.
        suggested_hash: the point's config hash.
        config: what is about to run.

    Raises:
        TrialError: it differs. Its outcome would be told to the search as that of another point.
    """
    leaves = flatten(config.model_dump(mode="json"))
    for path, suggested in params.items():
        runs = [leaves[weight] for weight in WEIGHT_PATHS] if path == MIXTURE_PATH else leaves[path]
        if runs != suggested:
            raise TrialError(f"{path} must run as suggested, {suggested!r}, got {runs!r}")
    resolved = config_hash(config)
    if resolved != suggested_hash:
        raise TrialError(f"the configuration must be the suggested {suggested_hash}, got {resolved}")
