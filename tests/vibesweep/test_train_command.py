"""`vibesweep train` on the tiny policy: what it prints, and how a run that failed goes on."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from common.records import ResultRecord, SFTRecord, TimeRecord
from common.training_config import PROJECT_ROOT
from tests.vibesweep.refusals import refused
from trainables.progress_lines import ProgressLines
from vibesweep.cli import run

if TYPE_CHECKING:
    from pathlib import Path

    from trainables.spec import Progress

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


@pytest.mark.parametrize("command", ["sft", "grpo"])
def test_the_same_command_shows_what_it_has_made(
    files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    assert run(["train", command, *files]) == 0
    first = capsys.readouterr().out
    assert run(["train", command, *files]) == 0
    again = capsys.readouterr()
    assert again.out == first
    assert again.err == f"{tmp_path / 'out'} holds this run, finished; nothing was left to train\n"
    # Replaced, it is trained.
    assert run(["train", command, *files, "--overwrite"]) == 0
    assert "step 1/1" in capsys.readouterr().err


def test_another_command_is_refused_with_what_differs(
    files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    grpo = ["train", "grpo", *files]
    assert run([*grpo, "--eval-vibes", "2"]) == 0
    vibes = tmp_path / "vibes.jsonl"
    vibes.write_text('{"vibe_noisy": "slow rain"}\n{"vibe_noisy": "fast rain"}\n')
    rule = f"--output must be empty or hold this same run, got {str(tmp_path / 'out')!r}, which has "
    cure = "; name another folder or add --overwrite"
    embedded = PROJECT_ROOT / "tiny/data/vibes_held_out.jsonl"
    for words, differing in {
        ("--eval-vibes", "3"): "--eval-vibes 2, not 3",
        ("--eval-vibes", "2", "--beta", "0.5"): "grpo.beta 0.04, not 0.5",
        (
            "--eval-data",
            str(vibes),
        ): f"other vibes in --eval-data, {embedded}",
    }.items():
        assert refused([*grpo, *words], capsys) == [f"{rule}{differing}{cure}"]
    assert refused(["train", "sft", *files], capsys) == [f"{rule}`train grpo`, not `train sft`{cure}"]
    rows = tmp_path / "rows.jsonl"
    rows.write_text(rows.read_text() + rows.read_text().splitlines()[0] + "\n")
    [line] = refused([*grpo, "--eval-vibes", "2"], capsys)
    assert line == f"{rule}other rows in --data, {rows}{cure}"


@pytest.mark.parametrize(
    "case",
    [
        ([], 1, "stopped; the same command goes on"),
        (["--overwrite"], 1, "stopped; the same command without --overwrite goes on"),
        (["--overwrite"], 0, "stopped before its first checkpoint; the same command begins anew"),
    ],
    ids=["it goes on", "it was to overwrite", "nothing is there yet"],
)
def test_an_interrupted_run_says_what_goes_on(
    files: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    case: tuple[list[str], int, str],
) -> None:
    flag, step, told = case

    def interrupted(lines: ProgressLines, progress: Progress) -> None:
        if progress.objective_step == step:
            raise KeyboardInterrupt

    monkeypatch.setattr(ProgressLines, "__call__", interrupted)
    assert run(["train", "grpo", *files, *flag]) == 130
    assert capsys.readouterr().err.splitlines()[0] == told


@pytest.mark.parametrize("command", ["sft", "grpo"])
@pytest.mark.parametrize("setting", ["num_workers", "gpus_per_trial"])
def test_several_workers_are_refused(
    files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str, setting: str
) -> None:
    (tmp_path / "small.json").write_text(json.dumps(SMALL | {"infra": {setting: 2}}))
    assert refused(["train", command, *files], capsys) == [
        f"infra.{setting} must leave `vibesweep train` one worker, got 2; it trains in this process: lower "
        "it, or run a sweep of this configuration"
    ]
    assert not (tmp_path / "out").exists()


def test_each_line_of_progress_says_what_is_new(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["train", "grpo", *files, "--max-steps", "2"]) == 0
    seconds = re.compile(r"  \d+ s$", re.MULTILINE)
    number = re.compile(r"-?\d\.\d{3}")
    assert number.sub("x", seconds.sub("", capsys.readouterr().err)).splitlines() == [
        "step 0/2  held-out objective x",
        "step 1/2  reward x",
        "step 2/2  reward x",
        "step 2/2  held-out objective x",
    ]
