"""`vibesweep export`: what it writes comes back, and what cannot be exported is said in one line."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from common.prompt_registry import PromptVersion
from common.records import ResultRecord, TrialRecord
from search_spaces import config_hash
from search_spaces.sweep_record import SweepRecord
from tests.analysis.conftest import SweepWriter
from tests.vibesweep.refusals import refused
from trainables.checksums import damage_in
from vibesweep.cli import run

if TYPE_CHECKING:
    from common.training_config import TrainingConfig


def put_trial(sweep: SweepWriter, label: str, seed: int, objective: float, **params: Any) -> Path:
    """A finished trial with an adapter."""
    vibes = [objective + 0.001 * vibe for vibe in range(8)]
    folder = sweep.trial(label, {4: vibes}, seed=seed, params=params)
    record = TrialRecord.read(folder)
    record.model_copy(update={"config_hash": config_hash(record.config)}).write(folder)
    ResultRecord(status="finished", steps=4, objective=objective).write(folder)
    (folder / "adapter").mkdir()
    (folder / "adapter" / "adapter_config.json").write_text('{"base_model_name_or_path": "tiny"}')
    save_file({"lora": np.zeros((2, 3), np.float32)}, folder / "adapter" / "adapter_model.safetensors")
    return folder


@pytest.fixture
def sweep(tmp_path: Path) -> SweepWriter:
    """`high` and `near` are tied; `low` is clearly worse."""
    sweep = SweepWriter(tmp_path / "runs" / "small")
    sweep.untrained([0.0 + 0.001 * vibe for vibe in range(8)])
    for seed in (0, 1):
        put_trial(sweep, "high", seed, 0.5 + 0.01 * seed, **{"lora.r": 8})
        put_trial(sweep, "near", seed, 0.51 - 0.015 * seed, **{"lora.r": 32})
        put_trial(sweep, "low", seed, 0.1, **{"lora.r": 4})
    return sweep


def test_the_best_ones_settings_come_back_through_the_config_file(
    sweep: SweepWriter, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    assert run(["export", str(sweep.directory), "--best", "--output", str(out)]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "high-s1: high, seed 1; objective 0.510 " in printed
    assert "It may not be the best: its configuration cannot be told from near." in printed
    assert "Seed 1 has the highest objective of 2 seeds (0.500 the others)" in printed

    trained: list[TrainingConfig] = []

    def train(config: TrainingConfig, *_: object, **__: object) -> ResultRecord:
        trained.append(config)
        return ResultRecord(status="finished", objective=0.5, validity=1)

    monkeypatch.setattr("trainables.single.train_grpo", train)
    rows = Path(__file__).parents[2] / "tiny/data/vibes_train.jsonl"
    settings = out / "training_config.json"
    flags = ["--data", str(rows), "--output", str(tmp_path / "again"), "--config-file", str(settings)]
    assert run(["train", "grpo", *flags]) == 0
    record = TrialRecord.read(sweep.directory / "trials" / "high-s1")
    assert trained == [record.config]
    assert config_hash(trained[0]) == record.config_hash


def test_the_adapter_is_whole_and_its_card_says_what_is_known(sweep: SweepWriter) -> None:
    assert run(["export", str(sweep.directory), "--trial", "low-s0"]) == 0
    adapter = sweep.directory / "exports" / "low-s0" / "adapter"
    assert damage_in(adapter) is None
    assert {path.name for path in adapter.iterdir()} == {
        "README.md", "adapter_config.json", "adapter_model.safetensors", "checksums.json",
    }  # fmt: skip
    card = " ".join((adapter / "README.md").read_text().split())
    for words in (
        "base_model: tiny/weights/policy", "# small low-s0", "rank 3 of 4 with the baselines, 3 of which",
        # 0.2 + 0.3 + 0.5 x (0.1 + 0.0035), and 0.1 x 0.5 more than the untrained policy.
        "0.552 ±", "this seed, 0: 0.100", "Against the untrained policy: +0.050", "| `lora.r` | `4` |",
        "Its configuration ranks 3: another one is better by more than noise.", "`clap on torch`",
        "PeftModel.from_pretrained(base,",
    ):  # fmt: skip
        assert words in card, words


def test_the_card_of_an_adapter_on_an_adapter_does_not_send_one_to_peft(
    sweep: SweepWriter, tmp_path: Path
) -> None:
    base = tmp_path / "sft"
    shutil.copytree(sweep.directory / "trials" / "low-s0" / "adapter", base)
    folder = put_trial(sweep, "stacked", 0, 0.9, base_model=str(base))
    assert folder.is_dir()
    assert run(["export", str(sweep.directory), "--trial", "stacked-s0"]) == 0
    card = (sweep.directory / "exports" / "stacked-s0" / "adapter" / "README.md").read_text()
    assert "from trainables.policy import load_policy" in card
    assert "PeftModel" not in card
    assert " over 1 seed and 8 vibes (95 % interval)" in card


def test_the_sweeps_own_prompts_go_with_the_settings_that_name_them(
    sweep: SweepWriter, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = SweepRecord.read(sweep.directory)
    assert record is not None
    content = record.model_dump(mode="json")
    prompt = {"version": "1.0.0", "description": "", "template": "Write: né"}
    content["sweep"]["prompts"] = {"exported_here": prompt}
    SweepRecord.model_validate(content).write(sweep.directory)
    out = tmp_path / "out"
    assert run(["export", str(sweep.directory), "--trial", "low-s0", "--output", str(out)]) == 0
    assert "--prompts-file" in capsys.readouterr().out
    from search_spaces.prompt_files import read_prompts  # noqa: PLC0415

    assert read_prompts(out / "prompts.yaml") == {
        "exported_here": PromptVersion(name="exported_here", **prompt)
    }


def test_what_cannot_be_exported_is_refused_with_a_cure(
    sweep: SweepWriter, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep.trial("lost", {4: [0.1, 0.2]}, status="failed")
    sweep.trial("open", {4: [0.1, 0.2]}, status=None)
    sweep.trial("early", {4: [0.1, 0.2]}, status="stopped")
    place = str(sweep.directory)
    resume = f"`vibesweep sweep resume {place}`"
    full = tmp_path / "full"
    full.mkdir()
    (full / "file").touch()
    refusals = {
        ("--trial", "nobody"): "got 'nobody', no such trial; it has early-s0, high-s0,",
        ("--trial", "untrained_policy-s0"): "a baseline, for which nothing was trained",
        ("--trial", "lost-s0"): f"which failed (out of memory); {resume} tries it again",
        ("--trial", "open-s0"): f"which has not ended; go on with {resume}",
        ("--trial", "early-s0"): "which its scheduler stopped at step 4",
        (): "must be said once, with --best or with --trial ID",
        ("--best", "--trial", "low-s0"): "must be said once, with --best or with --trial ID",
        ("--best", "--output", str(full)): "--output must be new or empty",
    }
    for flags, words in refusals.items():
        [line] = refused(["export", place, *flags], capsys)
        assert words in line
    [line] = refused(["export", "s3://bucket/small", "--best"], capsys)
    assert "must be a folder on this machine, got the URL 's3://bucket/small'; copy" in line
    weights = sweep.directory / "trials" / "low-s0" / "adapter" / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4])
    [line] = refused(["export", place, "--trial", "low-s0"], capsys)
    assert "must be whole, got a damaged file" in line
    weights.unlink()
    [line] = refused(["export", place, "--trial", "low-s0"], capsys)
    assert "got one without adapter_model.safetensors" in line
    assert not (sweep.directory / "exports" / "low-s0").exists()
    assert [path.name for path in full.iterdir()] == ["file"]


def test_where_all_are_infeasible_the_best_is_not_exported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = SweepWriter(tmp_path / "runs" / "small")
    silent = {"similarity": 0.4, "mismatched": 0.2, "level_db": -120.0, "clipped": 0.0, "flatness": 0.1}
    folder = sweep.trial("a", {4: [0.1 * vibe for vibe in range(20)]}, heard=lambda vibe: silent)
    ResultRecord(status="finished", steps=4, objective=0.5).write(folder)
    [line] = refused(["export", sweep.directory, "--best"], capsys)
    assert "must have a feasible configuration, got none" in line
