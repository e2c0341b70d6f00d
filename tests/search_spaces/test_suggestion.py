"""A trial that would run something else than its suggestion is found out."""

from __future__ import annotations

from typing import Any

import pytest

from common.errors import TrialError
from common.training_config import TrainingConfig, apply_overrides
from search_spaces.identity import config_hash
from search_spaces.suggestion import check_suggestion

CONFIG = apply_overrides(
    TrainingConfig(),
    {
        "lora.r": 8,
        "grpo.reward.weights.format_weight": 0.25,
        "grpo.reward.weights.schema_weight": 0.0,
        "grpo.reward.weights.audio_weight": 0.75,
    },
)
PARAMS: dict[str, Any] = {"lora.r": 8, "reward.mixture": [0.25, 0.0, 0.75], "lora.bias": "none"}


def test_the_suggested_configuration_passes() -> None:
    check_suggestion(PARAMS, config_hash(CONFIG), CONFIG)
    # A seed is a replicate of the same point.
    check_suggestion(PARAMS, config_hash(CONFIG), CONFIG.model_copy(update={"seed": 7}))


@pytest.mark.parametrize(
    ("path", "suggested", "got"),
    [("lora.r", 16, "8"), ("reward.mixture", [0.5, 0.0, 0.5], r"\[0.25, 0.0, 0.75\]")],
)
def test_another_value_on_an_axis_fails_the_trial(path: str, suggested: Any, got: str) -> None:
    with pytest.raises(TrialError, match=rf"{path} must run as suggested, .*, got {got}"):
        check_suggestion(PARAMS | {path: suggested}, config_hash(CONFIG), CONFIG)


def test_a_difference_off_the_axes_fails_the_trial() -> None:
    other = apply_overrides(CONFIG, {"grpo.beta": 0.5})
    with pytest.raises(
        TrialError, match=f"must be the suggested {config_hash(CONFIG)}, got {config_hash(other)}"
    ):
        check_suggestion(PARAMS, config_hash(CONFIG), other)
