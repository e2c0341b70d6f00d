"""An axis that acts on nothing is refused with the reason; where it acts, it is taken."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from search_spaces.sweep_file import SweepFile

CUSTOM = {"grpo.reward.reward_type": "custom", "grpo.reward.custom_scorer_path": "my.scorer:score"}


def sweep(space: dict[str, Any], **base: Any) -> SweepFile:
    return SweepFile.model_validate({"name": "idle", "base": {"base_model": "tiny"} | base, "space": space})


@pytest.mark.parametrize(
    ("space", "base", "reason"),
    [
        ({"data.response_field": ["a", "b"]}, {}, "GRPO does not read it"),
        ({"data.prompt_field": ["a", "b"]}, {}, "the held-out vibes are read with it too"),
        ({"data.reference_field": ["a", "b"]}, {}, "the held-out vibes are read with it too"),
        ({"epochs": [1, 2]}, {"max_steps": 4}, "max_steps takes its place"),
        ({"epochs": [1, 2], "max_steps": [4, 8]}, {}, "max_steps takes its place"),
        (
            {"optimizer.warmup_ratio": [0.0, 0.1]},
            {"optimizer.lr_scheduler": "constant"},
            "the schedule 'constant' has no warm-up",
        ),
        (
            {"grpo.reward.weights.audio_weight": [0, 1]},
            {"grpo.reward.reward_type": "schema_only"},
            "reward_type 'schema_only' has no audio",
        ),
        ({"grpo.reward.clap.seconds": [10, 20]}, CUSTOM, "reward_type 'custom' does not ask CLAP"),
    ],
)
def test_an_axis_that_acts_on_nothing_is_refused(
    space: dict[str, Any], base: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ValidationError, match=f"space.{next(iter(space))}: an axis must change .*{reason}"):
        sweep(space, **base)


@pytest.mark.parametrize(
    ("space", "base"),
    [
        ({"epochs": [1, 2]}, {}),
        ({"epochs": [1, 2], "max_steps": [4, None]}, {}),
        ({"optimizer.warmup_ratio": [0.0, 0.1], "optimizer.lr_scheduler": ["constant", "cosine"]}, {}),
        ({"optimizer.warmup_ratio": [0.0, 0.1]}, {"optimizer.lr_scheduler": "constant_with_warmup"}),
        ({"reward.mixture": {"points": 2}}, {"grpo.reward.reward_type": "schema_only"}),
        ({"grpo.reward.audio_floor": [-1, 0]}, CUSTOM),
        ({"data.max_seq_length": [1024, 2048]}, {}),
    ],
)
def test_an_axis_that_acts_somewhere_is_taken(space: dict[str, Any], base: dict[str, Any]) -> None:
    assert set(sweep(space, **base).space) == set(space)
