"""All that is wrong with one input is told at once, a line each."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.vibesweep.refusals import refused

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

AT_LEAST = "Input should be greater than or equal to"


def test_of_a_configuration_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "run.json"
    file.write_text(json.dumps({"lora": {"r": 0, "alpha": -1}, "max_steps": 0, "optimzer": {}}))
    words = ["train", "sft", "--data", "x", "--output", tmp_path / "out", "--config-file", file]
    assert refused(words, capsys) == [
        f"{file}: max_steps: {AT_LEAST} 1, got 0",
        f"{file}: lora.r: {AT_LEAST} 1, got 0",
        f"{file}: lora.alpha: Input should be greater than 0, got -1",
        f"{file}: optimzer: unknown key; remove it or correct its spelling",
    ]


def test_of_the_flags(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["train", "grpo", "--data", "x", "--output", tmp_path / "out", "--lora-r", "0", "--beta", "-1"]
    assert refused(words, capsys) == [f"lora.r: {AT_LEAST} 1, got 0", f"grpo.beta: {AT_LEAST} 0, got -1.0"]


def test_of_a_sweep_file_and_of_its_base(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "sweep.yaml"
    file.write_text("name: two words\nsearch: {mode: gird}\nseeds: []\n")
    first, second, third = refused(["sweep", "plan", file], capsys)
    assert first.startswith(f"{file}: name: String should match pattern")
    assert second.endswith("got 'gird'; did you mean grid?")
    assert third.startswith(f"{file}: seeds: Tuple should have at least 1 item")
    file.write_text("name: one\nbase: {lora.r: 0, grpo.beta: -1}\n")
    assert refused(["sweep", "plan", file], capsys) == [
        f"{file}: base.lora.r: {AT_LEAST} 1, got 0",
        f"{file}: base.grpo.beta: {AT_LEAST} 0, got -1",
    ]


def test_of_rows_of_which_the_first_few_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, output = tmp_path / "rows.jsonl", tmp_path / "out"
    good, bad = '{"vibe_noisy": "rain"}\n', '{"vibe": "rain"}\n'
    words = ["train", "grpo", "--model", "tiny", "--data", file, "--output", output]
    file.write_text(f"{good}[1]\n\n{bad}")
    assert refused(words, capsys) == [
        f"{file} line 2 must be one JSON object, got '[1]'; repair the line",
        f"{file} line 4: field 'vibe_noisy' must be a non-empty text, got None; add it, or name another "
        "field in data.prompt_field (the row has vibe)",
    ]
    file.write_text(bad * 9)
    *first, last = refused(words, capsys)
    assert [line.partition(":")[0] for line in first] == [f"{file} line {n}" for n in range(1, 6)]
    assert last == f"{file} has 4 more broken lines; check that it is the right file"
    assert not output.exists()
