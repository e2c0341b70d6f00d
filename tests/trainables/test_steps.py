"""What a configuration makes of its rows."""

from __future__ import annotations

from pathlib import Path

import pytest

from common.errors import UserError
from common.training_config import TrainingConfig, apply_overrides
from trainables.steps import check_lengths, num_evaluations, prompts_per_cycle


@pytest.mark.parametrize(
    ("steps", "eval_steps", "evaluations"),
    [
        (12, 0, 2),  # at the start and at the end
        (12, 5, 4),  # 0, 5, 10, 12
        (12, 6, 3),  # 0, 6, 12: the last step is the end
        (12, 100, 2),
    ],
)
def test_evaluations_lie_between_the_first_and_the_last(
    steps: int, eval_steps: int, evaluations: int
) -> None:
    assert num_evaluations(steps, eval_steps) == evaluations


def test_rows_fit_up_to_the_last_token() -> None:
    # batch 4 with 2 generations: 2 prompts; 100 tokens of context, 90 of completion
    config = apply_overrides(
        TrainingConfig(),
        {
            "batch.batch_size": 4,
            "grpo.num_generations": 2,
            "data.max_seq_length": 100,
            "grpo.max_completion_length": 90,
        },
    )
    assert prompts_per_cycle(config) == 2
    check_lengths(config, [10, 9], Path("rows.jsonl"))
    with pytest.raises(UserError, match=r"rows.jsonl row 2: .* got 11 prompt tokens \+ .* 90"):
        check_lengths(config, [10, 11], Path("rows.jsonl"))
    with pytest.raises(UserError, match=r"rows.jsonl must have >= 2 rows, .* got 1"):
        check_lengths(config, [10], Path("rows.jsonl"))
