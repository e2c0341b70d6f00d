"""Which trials the driver refuses: those that the trial's own check would."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cluster.feasibility import Feasibility
from search_spaces.points import point

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster.conftest import MakeSweep


def test_a_trial_without_room_or_rows_is_refused_with_the_reason_of_its_own_check(
    make_sweep: MakeSweep, tmp_path: Path
) -> None:
    sweep = make_sweep(
        base={"base_model": "tiny", "batch.batch_size": 4, "grpo.max_completion_length": 112},
        space={"data.max_seq_length": [113, 512], "grpo.num_generations": [2]},
    )
    refusal = Feasibility.of(sweep).refusal

    def refused(length: int, batch_size: int) -> str | None:
        params = {"data.max_seq_length": length, "grpo.num_generations": 2}
        config = point(sweep, 0, params).config
        batch = config.batch.model_copy(update={"batch_size": batch_size})
        return refusal(config.model_copy(update={"batch": batch}))

    # Two rows are the 2 prompts of 4 rollouts, and not the 4 of 8.
    assert refused(512, 4) is None
    assert refused(512, 8) == (
        f"{tmp_path}/vibes.jsonl must have >= 4 rows, the prompts of one generation batch, got 2; add rows "
        "or lower batch.batch_size"
    )
    # 1 token is left for the prompt.
    reason = refused(113, 4)
    assert reason is not None
    assert f"{tmp_path}/vibes.jsonl row 1: prompt and completion must fit data.max_seq_length 113" in reason
