from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

import cluster.sweep
import trainables.single
from common import prompt_registry
from common.records import SFTRecord
from common.training_config import PROJECT_ROOT
from vibesweep.cli import run
from vibesweep.options import training_config

if TYPE_CHECKING:
    from pathlib import Path

    from common.training_config import TrainingConfig


def refusal(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The one line that a command which must be refused prints."""
    assert run(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    [line] = captured.err.splitlines()
    assert line.startswith("vibesweep: ")
    return line


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert re.fullmatch(r"vibesweep \d+\.\d+\.\d+\n", capsys.readouterr().out)


def test_flags_go_before_the_preset_before_the_file_before_the_defaults(tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    file.write_text(json.dumps({"lora": {"r": 8, "alpha": 8}, "grpo": {"beta": 0.08}, "epochs": 1}))
    config = training_config(file, "lora_rank:r32", {"grpo.beta": 0.02, "epochs": None})
    assert config.grpo.beta == 0.02  # flag over file
    assert config.lora.r == 32  # preset over file
    assert config.lora.alpha == 8  # the preset does not differ from the defaults here, so the file stays
    assert config.epochs == 1  # a flag that was not given changes nothing
    assert config.batch.batch_size == 16  # default


def test_the_flag_for_epochs_goes_before_the_files_steps(tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    file.write_text(json.dumps({"max_steps": 9}))
    assert training_config(file, None, {"epochs": 2}).max_steps is None
    assert training_config(file, None, {"epochs": 2, "max_steps": 4}).max_steps == 4
    assert training_config(file, None, {"epochs": None}).max_steps == 9


@pytest.mark.parametrize(
    "flag",
    [
        ["--ablation-preset", "lora_rank:r8"],
        ["--format-weight", "0.1"],
        ["--schema-weight", "0.1"],
        ["--audio-weight", "0.1"],
    ],
)
def test_advanced_flags_need_the_word(
    flag: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out"
    line = refusal(["train", "grpo", "--data", "x", "--output", str(output), *flag], capsys)
    assert f"{flag[0]} must be preceded by --advanced" in line
    assert not output.exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "must be JSON: .* line 1"),
        ('{"lora": ' * 100_000, "must be JSON: maximum recursion depth"),
        ('{"lora": ' + "9" * 5_000 + "}", "must be JSON: Exceeds the limit .* digits"),
        ('{"lora": {"r": "' + "x" * 1_000_000 + '"}}', r"lora\.r: .{0,300}$"),
        ('{"lora": {"rank": 8}}', r"lora\.rank: unknown key"),
        ('{"optimizer": {"learning_rate": 0}}', r"optimizer\.learning_rate: .*greater than 0, got 0"),
        ('{"grpo": {"num_generations": 1}}', r"num_generations: .*greater than or equal to 2, got 1"),
    ],
)
def test_a_bad_config_file_is_named_with_its_rule(
    content: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "run.json"
    file.write_text(content)
    arguments = ["train", "grpo", "--data", "x", "--output", str(tmp_path / "o"), "--config-file", str(file)]
    line = refusal(arguments, capsys)
    assert str(file) in line
    assert re.search(message, line)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["train", "grpo", "--data", "nowhere.jsonl"],
            "--data must be an existing file, got 'nowhere.jsonl'",
        ),
        (["train", "sft", "--data", "nowhere.jsonl"], "--data must be an existing file, got 'nowhere.jsonl'"),
        (["train", "grpo", "--data", "DATA", "--model", "no/such/model"], "got 'no/such/model'"),
        (["train", "grpo", "--data", "BROKEN", "--model", "tiny"], "line 2 must be one JSON object"),
        (["train", "--advanced", "grpo", "--data", "DATA", "--ablation-preset", "lora_rank:r5"], "r4, r8"),
        (["train", "grpo", "--data", "DATA", "--beta", "-1"], r"grpo\.beta: .*got -1"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [json.dumps({"vibe_noisy": f"quiet street number {n}"}) for n in range(4)]
    (tmp_path / "data.jsonl").write_text("\n".join(rows))
    (tmp_path / "broken.jsonl").write_text(f"{rows[0]}\n{{not json\n")
    names = {"DATA": str(tmp_path / "data.jsonl"), "BROKEN": str(tmp_path / "broken.jsonl")}
    output = tmp_path / "out"
    filled = [names.get(word, word) for word in arguments]
    assert re.search(message, refusal([*filled, "--output", str(output)], capsys))
    assert not output.exists()


def test_an_output_that_holds_something_else_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data.jsonl"
    data.write_text(json.dumps({"vibe_noisy": "quiet street"}) + "\n")
    output = tmp_path / "out"
    output.mkdir()
    (output / "thesis.txt").write_text("years of work")
    line = refusal(["train", "grpo", "--model", "tiny", "--data", str(data), "--output", str(output)], capsys)
    assert "add --overwrite" in line
    assert (output / "thesis.txt").read_text() == "years of work"


def test_a_missing_option_is_said_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert "--data" in refusal(["train", "grpo", "--output", "x"], capsys)
    assert "no-such-command" in refusal(["no-such-command"], capsys)


def test_a_config_is_scored_for_its_vibe(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    row = json.loads((PROJECT_ROOT / "tiny/data/sft_sample.jsonl").read_text().splitlines()[0])
    payload = tmp_path / "payload.json"
    payload.write_text(row["config_payload"])
    arguments = ["score", "--vibe", row["vibe_original"], str(payload)]
    assert run([*arguments, "--json"]) == 0
    whole = json.loads(capsys.readouterr().out)
    assert list(whole) == ["format", "schema", "audio", "reward"]
    assert (whole["format"], whole["schema"]) == (1.0, 1.0)
    assert -3 <= whole["audio"] <= 1
    assert whole["reward"] == pytest.approx(0.2 + 0.3 + 0.5 * whole["audio"])

    # The config part alone sounds the same and lacks the rest of the payload.
    payload.write_text(json.dumps(json.loads(row["config_payload"])["config"]))
    assert run([*arguments, "--json"]) == 0
    bare = json.loads(capsys.readouterr().out)
    assert bare["audio"] == whole["audio"]
    assert bare["schema"] < 1

    payload.write_text("no music at all")
    assert run(arguments) == 0  # a completion like any other, with its floor
    printed = capsys.readouterr().out.splitlines()
    assert [line.split() for line in printed[:4]] == [
        ["format", "0.0000"],
        ["schema", "0.0000"],
        ["audio", "-1.0000"],
        ["reward", "-0.5000"],
    ]
    assert printed[4:6] == [
        "no JSON object was found, so no schema rule holds",
        "86 of 86 schema rules are broken:",
    ]
    assert printed[6] == "  payload: no unknown keys"
    assert printed[16:] == [  # ten names, then a count
        "  and 76 more",
        "the config cannot be rendered, so audio is its floor, -1;",
        "such a completion is scored like this in training too, and is no error",
    ]


def test_the_rules_that_a_config_breaks_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    row = json.loads((PROJECT_ROOT / "tiny/data/sft_sample.jsonl").read_text().splitlines()[0])
    file = tmp_path / "payload.json"

    def explained(text: str) -> list[str]:
        file.write_text(text)
        assert run(["score", "--vibe", "v", str(file)]) == 0
        return capsys.readouterr().out.splitlines()[4:]

    assert explained(row["config_payload"]) == []
    assert explained(f"Here: {row['config_payload']}") == [
        "there is text around the JSON object, so format is 0"
    ]
    payload = json.loads(row["config_payload"])
    payload["config"]["tempo"] = "allegro"
    payload["title"] = ""
    floor = [
        "the config cannot be rendered, so audio is its floor, -1;",
        "such a completion is scored like this in training too, and is no error",
    ]
    two = ["  title: 1 to 60 characters", "  config.tempo: one of its labels"]
    assert explained(json.dumps(payload)) == ["2 of 86 schema rules are broken:", *two, *floor]
    # A broken config part alone is judged as one: its label, and what only a whole payload has.
    bare = explained(json.dumps(payload["config"]))
    assert bare[0] == "50 of 86 schema rules are broken:"
    assert "  config.tempo: one of its labels" in bare


@pytest.mark.parametrize(("stopped_by", "code"), [("budget.trials 2: 2 trials were started", 3), (None, 0)])
def test_a_sweep_at_the_end_of_its_budget_says_so_and_exits_with_3(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    stopped_by: str | None,
    code: int,
) -> None:
    file = tmp_path / "sweep.yaml"
    file.write_text("name: short\nbase: {base_model: tiny}\nbudget: {trials: 2}\n")
    outcome = cluster.sweep.SweepOutcome(tmp_path, 4, (), was_done=False, stopped_by=stopped_by)
    monkeypatch.setattr(cluster.sweep, "run_sweep", lambda *_, **__: outcome)
    monkeypatch.setattr("vibesweep.sweep.print_ranking", lambda _: None)
    assert run(["sweep", "run", str(file)]) == code
    said = "stopped at budget.trials 2: 2 trials were started; raise it in the sweep file and run that again"
    assert (said in capsys.readouterr().err) is (stopped_by is not None)


def test_a_training_takes_a_prompt_from_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(prompt_registry, "_REGISTRY", dict(prompt_registry._REGISTRY))
    prompts = tmp_path / "prompts.yaml"
    prompts.write_text("sung: {version: 1.0.0, description: '', template: Sing.}")
    seen: list[TrainingConfig] = []

    def remembered(config: TrainingConfig, *_: object, **__: object) -> SFTRecord:
        seen.append(config)
        return SFTRecord(
            config=config, num_rows=1, num_validation_rows=0, packing=False, steps=1, validation_losses={}
        )

    monkeypatch.setattr(trainables.single, "train_sft", remembered)
    data = str(PROJECT_ROOT / "tiny/data/sft_sample.jsonl")
    words = ["train", "sft", "--data", data, "--output", str(tmp_path / "o"), "--prompt", "sung"]
    assert "got 'sung'; correct it, or name the file" in refusal(words, capsys)
    assert run([*words, "--prompts-file", str(prompts)]) == 0
    assert [(config.prompts.config_generation, config.system_prompt) for config in seen] == [
        ("sung", "Sing.")
    ]
    capsys.readouterr()
    prompts.write_text("sung: {version: 1.1.0, description: '', template: Sing!}")
    line = refusal([*words, "--prompts-file", str(prompts)], capsys)
    assert (
        f"{prompts}: prompt 'sung' is registered as version 1.0.0, got another text as version 1.1.0" in line
    )
