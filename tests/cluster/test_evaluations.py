"""An evaluation that only the ledger has: recorded where it can be used, else made again."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from cluster.evaluations import take_in_untold
from common.ledger import LedgerRow, write_part
from common.objective import ObjectiveConfig
from common.records import EvaluationsRecord
from trainables.checkpoints import mark_complete

if TYPE_CHECKING:
    from pathlib import Path

ROW = LedgerRow(
    sweep="s", kind="trial", trial_id="t000-s0", config_hash="0", seed=0, step=4, split="held_out",
    prompt_id="0", sample=0, decoding_seed=0, vibe="rain", completion="{}", format=1.0, schema=1.0,
    audio=-0.2, renderable=True, unscored_reason=None, num_tokens=1, generate_s=0.0, score_s=0.0,
    scorer_id="none", renderer_id="none", prompt_hash="none", off_policy_depth=1,
)  # fmt: skip
UNSCORED = replace(
    ROW, format=None, schema=None, audio=None, renderable=None, unscored_reason="no answer from the scorer"
)


def stopped_at_four(folder: Path, row: LedgerRow) -> Path:
    """A trial with a checkpoint of step 4 and an evaluation there that nobody was told; the ledger's part."""
    checkpoint = folder / "checkpoints" / "checkpoint-4"
    checkpoint.mkdir(parents=True)
    mark_complete(checkpoint)
    EvaluationsRecord(objectives={2: 0.3}, seconds=7.0).write(folder)
    write_part(folder / "ledger" / "held-out-000002.parquet", [replace(ROW, step=2)])
    part = folder / "ledger" / "held-out-000004.parquet"
    write_part(part, [row])
    return part


def test_an_evaluation_that_nobody_was_told_is_recorded(tmp_path: Path) -> None:
    part = stopped_at_four(tmp_path, ROW)
    take_in_untold(tmp_path, ObjectiveConfig())
    # 0.2 * 1 + 0.3 * 1 - 0.5 * 0.2 = 0.4
    record = EvaluationsRecord.read(tmp_path)
    assert record.objectives == {2: 0.3, 4: pytest.approx(0.4, abs=1e-12)}
    assert record.seconds == 7.0
    assert part.is_file()


def test_an_evaluation_that_the_trial_failed_by_is_made_again(tmp_path: Path) -> None:
    part = stopped_at_four(tmp_path, UNSCORED)
    take_in_untold(tmp_path, ObjectiveConfig())
    assert EvaluationsRecord.read(tmp_path).objectives == {2: 0.3}
    # Without its part, the trial evaluates at its checkpoint before it goes on.
    assert not part.exists()
    assert (tmp_path / "ledger" / "held-out-000002.parquet").is_file()
