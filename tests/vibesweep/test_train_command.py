"""`vibesweep train` on the tiny policy: what it prints, and how a run that failed goes on."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from common.records import ResultRecord, SFTRecord, TimeRecord
from common.training_config import PROJECT_ROOT
from vibesweep.cli import run

if TYPE_CHECKING:
    from pathlib import Path

SMALL = {
    "base_model": "tiny",
    "max_steps": 1,
    "batch": {"batch_size": 2},
    "grpo": {"num_generations": 2, "max_completion_length": 16, "reward": {"reward_type": "schema_only"}},
}


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """The flags for a configuration and 10 rows."""
    rows = (PROJECT_ROOT / "tiny/data/sft_sample.jsonl").read_text().splitlines()[:10]
    (tmp_path / "rows.jsonl").write_text("\n".join(rows) + "\n")
    (tmp_path / "small.json").write_text(json.dumps(SMALL))
    return [
        "--data", str(tmp_path / "rows.jsonl"), "--output", str(tmp_path / "out"),
        "--config-file", str(tmp_path / "small.json"),
    ]  # fmt: skip


def test_sft_tells_the_loss_of_the_rows_that_it_held_back(
    files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["train", "sft", *files, "--validation-share", "0.2", "--packing"]) == 0
    printed = capsys.readouterr()
    record = SFTRecord.read(tmp_path / "out")
    assert (record.num_rows, record.num_validation_rows, record.packing) == (8, 2, True)
    first, last = record.validation_losses[0], record.validation_losses[1]
    assert printed.out.splitlines() == [
        f"adapter: {tmp_path / 'out'}",
        f"validation loss: {last:.4f} nats per token, {first:.4f} before (2 rows held back, 8 trained on)",
    ]
    assert re.search(rf"^step 1/1  validation loss {last:.3f}", printed.err, re.MULTILINE)


def test_sft_holds_nothing_back_unless_it_is_told_to(
    files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["train", "sft", *files]) == 0
    assert capsys.readouterr().out == f"adapter: {tmp_path / 'out'}\n"
    record = SFTRecord.read(tmp_path / "out")
    assert (record.num_rows, record.num_validation_rows, record.packing) == (10, 0, False)


def test_a_run_that_was_out_of_time_goes_on_with_the_same_command(
    files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out"
    (tmp_path / "small.json").write_text(json.dumps(SMALL | {"infra": {"timeout_hours": 1e-6}}))
    assert run(["train", "grpo", *files]) == 1
    assert "a trial must end within infra.timeout_hours = 1e-06" in capsys.readouterr().err
    assert TimeRecord.read(output).seconds > 0
    # With more time, whatever was spent before.
    TimeRecord(seconds=4 * 3600).write(output)
    (tmp_path / "small.json").write_text(json.dumps(SMALL))
    assert run(["train", "grpo", *files]) == 0
    ended = ResultRecord.read(output)
    assert ended is not None
    assert ended.status == "finished"
    assert TimeRecord.read(output).seconds < 3600
