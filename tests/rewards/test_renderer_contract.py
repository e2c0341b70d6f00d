"""Our renderer and the example keep the contract; whoever breaks a rule is told which, and how."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from common.random_configs import random_config
from common.reward_config import ClapScorerConfig
from common.training_config import PROJECT_ROOT
from rewards.clap import ClapScorer
from rewards.renderer_contract import RendererContract
from vibesweep.cli import run

BROKEN = "tests.rewards.broken_renderers"


class TestOurRenderer(RendererContract):
    renderer = "rewards.render:render"


class TestTheExample(RendererContract):
    renderer = "examples.sine_renderer:render"


@pytest.mark.parametrize(
    ("name", "check", "problem"),
    [
        ("mono", "two_channels", r"must have shape \(6, 2, 48000\), got \(6, 1, 48000\)"),
        ("double", "two_channels", r"must be torch.float32, got torch.float64"),
        ("loud", "finite_and_within_1", r"must lie within -1 to 1, got 1\.\d+"),
        ("undefined", "finite_and_within_1", r"must be finite, got \d+ samples that are not"),
        ("offset", "dc", r"a channel's mean must be within ±0.001, got 0.01"),
        ("silent", "silent", r"RMS must be >= 0.001, got 0 for config \d"),
        ("same_for_all", "different_configs", r"must differ by > 0.001, got 0 between config 0"),
        ("globally_random", "whatever_the_global", "a second call must give bit-equal samples"),
        ("reseeding", "state_alone", "must not move the state of torch;"),
        ("salted", "another_process", "must give the same samples in another process"),
        ("normalized_over_the_batch", "neighbours", r"order \[5, 4, .* let no clip depend"),
        ("louder_in_company", "size_of_a_batch", r"batch of 1 must be within 0.0001 of one of 6, got 0.\d+"),
        ("always_one_second", "seconds_and", r"10 s at 48000 Hz must have shape \(1, 2, 480000\)"),
        ("deaf_to_the_rate", "pitch", r"24 kHz must sound like 48 kHz, got likeness"),
        ("emptying", "inputs", "must not change the list of configs"),
        ("reusing_memory", "memory_of_its_own", "must return new memory, got the same twice"),
    ],
)
def test_a_broken_rule_is_named(name: str, check: str, problem: str) -> None:
    contract = type("Broken", (RendererContract,), {"renderer": f"{BROKEN}:{name}"})()
    [rule] = [rule for rule in vars(RendererContract) if rule.startswith("test_") and check in rule]
    with pytest.raises(AssertionError, match=problem):
        getattr(contract, rule)()


def test_the_command_prints_a_line_for_each_rule(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check-renderer", "examples.sine_renderer:render"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 15
    assert all(line.startswith("ok    ") for line in lines)
    assert run(["check-renderer", f"{BROKEN}:refusing_large_seeds"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 15
    assert [line for line in lines if not line.startswith("ok    ")] == [
        "FAIL  every seed is taken: raised OverflowError: seed too large"
    ]


def test_the_command_finds_a_module_of_the_folder_it_is_called_in(tmp_path: Path) -> None:
    shutil.copy(PROJECT_ROOT / "examples" / "sine_renderer.py", tmp_path / "mine.py")
    command = [str(Path(sys.executable).with_name("vibesweep")), "check-renderer", "mine:render"]
    # As a user's shell has it: the test run's own path is not theirs.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert done.stdout.count("ok    ") == 15


def test_the_guide_has_every_rule_in_its_words() -> None:
    text = (PROJECT_ROOT / "docs" / "renderer-plugins.md").read_text()
    rules = [name.removeprefix("test_") for name in vars(RendererContract) if name.startswith("test_")]
    assert [rule for rule in rules if f"\n| {rule.replace('_', ' ')} | " not in text] == []


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("my_renderer", "RENDERER must be module:callable"),
        ("no_such_module:render", "must be module:callable of an importable module"),
        ("examples.sine_renderer:play", "must name a callable, got no such name"),
        ("examples.sine_renderer:RENDERER_ID", "must name a callable, got a str"),
        ("broken_module:render", "got SyntaxError: "),
    ],
)
def test_what_cannot_be_imported_is_refused_in_one_line(
    path: str,
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "broken_module.py").write_text("def render(:\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert run(["check-renderer", path]) == 2
    captured = capsys.readouterr()
    [line] = captured.err.splitlines()
    assert message in line
    assert captured.out == ""


def test_the_example_is_scored_by_the_tiny_clap() -> None:
    settings = ClapScorerConfig(renderer="examples.sine_renderer:render", device="cpu", microbatch=2)
    scorer = ClapScorer(settings)
    assert scorer.renderer_id == "sine-1:10s:seed0"
    configs = [random_config(random.Random(seed)) for seed in range(3)]
    scores = scorer(["a low hum"] * 3, configs)
    assert all(-3 <= score <= 1 for score in scores)
    assert len(set(scores)) == 3
    assert ClapScorer(settings)(["a low hum"], configs[2:]) == scores[2:]
