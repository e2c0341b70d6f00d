"""`vibesweep sweep plan`, and the budget that `sweep run` keeps."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from cluster.calibrations import Calibration, calibration_key, calibrations_file, store_calibrations
from cluster.machine import this_machine
from common.errors import UserError
from common.training_config import PROJECT_ROOT
from search_spaces import load_sweep_file
from vibesweep.cli import run

if TYPE_CHECKING:
    from pathlib import Path

SWEEPS = sorted((PROJECT_ROOT / "sweeps").glob("*.yaml"))
SMALL = """
name: small
base: {base_model: tiny, max_steps: 3, grpo.max_completion_length: 112}
space: {lora.r: [4, 8, 4], batch.batch_size: [4, 16], grpo.num_generations: [8]}
constraints: [lora.r + batch.batch_size < 24]
seeds: [0, 1]
objective: {num_vibes: 8}
resources: {scorers: 1, cpus_per_scorer: 0}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(SMALL)
    return path


def planned(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert run(["sweep", "plan", *arguments, "--json"]) == 0
    plan: dict[str, Any] = json.loads(capsys.readouterr().out)
    return plan


def calibrate(file: Path) -> None:
    """Store what --calibrate would have measured: a second for everything."""
    sweep = load_sweep_file(file)
    key = calibration_key(sweep.base_config(), sweep.objective, sweep.resources, this_machine())
    seconds = dict.fromkeys(
        (
            "start_s",
            "generate_s",
            "learn_s",
            "score_s",
            "evaluation_generate_s",
            "evaluation_score_s",
            "scorer_start_s",
        ),
        1.0,
    )
    store_calibrations(calibrations_file(), [Calibration(key=key, **seconds)])


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.stem)
def test_every_shipped_sweep_has_a_plan(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = planned(capsys, str(path))
    sweep = load_sweep_file(path)
    assert (plan["name"], plan["mode"]) == (path.stem, sweep.search.mode)
    assert plan["num_trials"] == plan["num_points"] * len(sweep.seeds)
    assert plan["num_points"] == {
        "everything": 48, "grpo_beta": 9, "learning_rate": 5, "lora_rank": 5, "prompts": 2, "quickstart": 4,
        "reward_mixture": 24, "tiny_full": 2,
    }.get(path.stem, plan["num_points"])  # fmt: skip
    assert len(plan["trials"]) == (plan["num_trials"] if sweep.search.mode in ("grid", "random") else 0)
    assert {trial["status"] for trial in plan["trials"]} <= {"ready"}
    assert plan["cost"]["known"] is False


def test_json_has_the_keys_that_scripts_rely_on(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = planned(capsys, str(file))
    assert list(plan) == [
        "name", "mode", "num_points", "num_trials", "num_baselines", "trials", "space", "cells", "duplicates",
        "excluded", "invalid", "warnings", "code", "cost", "smallest_detectable", "budget",
    ]  # fmt: skip
    # 4 x 4, 4 x 16, 8 x 4 and the last 4 again; 8 + 16 = 24 is left out
    assert (plan["num_points"], plan["num_trials"], plan["num_baselines"]) == (3, 6, 3)
    first = plan["trials"][0]
    assert first["params"] == {"lora.r": 4, "batch.batch_size": 4, "grpo.num_generations": 8}
    assert list(first) == [
        "trial_id", "number", "seed", "label", "params", "config_hash", "off_policy_depth", "steps", "status",
        "reason",
    ]  # fmt: skip
    # Groups of 8 from 4 completions a step take 2 steps.
    assert [trial["off_policy_depth"] for trial in plan["trials"]] == [2, 2, 1, 1, 2, 2]
    assert [one["number"] for one in plan["duplicates"]] == [0, 1]
    assert [one["params"]["batch.batch_size"] for one in plan["excluded"]] == [16]
    assert plan["invalid"] == []
    assert plan["warnings"][0].startswith("the off-policy depth differs within the sweep: 1, 2 ")
    assert plan["cost"]["reason"].endswith("`vibesweep sweep plan FILE --calibrate` finds it out")
    assert plan["budget"] == {}


def test_the_table_names_what_runs_what_does_not_and_the_command_for_the_cost(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["sweep", "plan", str(file)]) == 0
    shown = capsys.readouterr().out
    assert "small: grid, 3 points x 2 seeds = 6 trials, and 3 baselines" in shown
    for words in ("equal", "runs as point 0", "left out", "must hold", "warnings", "off-policy depth"):
        assert words in shown
    assert f"`vibesweep sweep plan {file} --calibrate` finds it out" in shown


def test_the_table_of_a_learning_search_has_its_axes(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["sweep", "plan", str(PROJECT_ROOT / "sweeps" / "everything.yaml")]) == 0
    shown = capsys.readouterr().out
    for words in (
        "everything: mixed, 48 points x 1 seed = 48 trials",
        "0.0003 to 0.005, float, log",
        "4 to 32, int, power of two",
        "weights that sum to 1, some of them 0",
        "4 combinations of grpo.loss_type, lora.r, 12 points each",
        "budget       hours unknown of 8",
    ):
        assert words in shown


def test_a_calibrated_sweep_has_a_cost_and_a_best_split(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    calibrate(file)
    cost = planned(capsys, str(file), "--cpus", "4")["cost"]
    # 4 completions a step; 8 evaluated vibes; start-up and each completion take 1 s a part.
    assert cost["known"] is True
    assert cost["parts"] == {
        "start_s": 1,
        "generation_s_per_step": 4,
        "scoring_s_per_step": 4,
        "learning_s_per_step": 4,
        "generation_s_per_evaluation": 8,
        "scoring_s_per_evaluation": 8,
        "steps": 3,
        "evaluations": 2,
    }
    # Scorer seconds: 4 trials of 3 x 4 + 2 x 8 = 28, 2 of 3 x 16 + 16 = 64, baselines 8 each: 264 s for one
    # scorer, which 4 trials at once keep busy; it loads 1 s before.
    assert (cost["split"]["scorers"], cost["split"]["wall_s"], cost["split"]["bound"]) == (1, 265, "scorers")
    assert cost["hours"] == 265 / 3600
    assert cost["gpu_hours"] == 0
    assert [one["scorers"] for one in cost["splits"]] == [1, 2, 3, 4]
    assert cost["best"]["wall_s"] == min(one["wall_s"] for one in cost["splits"])
    assert run(["sweep", "plan", str(file), "--cpus", "4"]) == 0
    shown = capsys.readouterr().out
    assert "a step       12.00 s: generation 4.00, scoring 4.00, learning 4.00" in shown
    assert (
        "cost         4.4 min, 0.00 GPU-hours: 4 trials at once, 1 scorer; the scorers take longest" in shown
    )
    assert "best split" in shown


def test_seeds_change_the_plan(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = planned(capsys, str(file), "--seeds", "7")
    assert [trial["trial_id"] for trial in plan["trials"]] == ["t000-s7", "t001-s7", "t002-s7"]


def test_a_sweep_over_its_budget_is_refused_in_one_line(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(f"{SMALL}budget: {{trials: 5}}\n")
    assert run(["sweep", "run", str(file), "--storage", str(tmp_path / "runs")]) == 3
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        "vibesweep: budget.trials: the sweep must keep its budget of 5, got a plan of 6; raise it, shrink "
        "the sweep, or add --force to run until the budget ends"
    ]
    assert not (tmp_path / "runs").exists()


def test_hours_are_refused_once_they_are_known(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def reached(*_: Any, **__: Any) -> None:
        raise UserError("reached")

    monkeypatch.setattr("cluster.sweep.run_sweep", reached)
    file.write_text(f"{SMALL}budget: {{hours: 0.01}}\n")
    assert run(["sweep", "run", str(file)]) == 2
    unchecked, ran = capsys.readouterr().err.splitlines()
    assert unchecked.startswith(
        "budget: hours cannot be checked before the sweep runs: tiny was not measured"
    )
    assert ran == "vibesweep: reached"
    calibrate(file)
    assert run(["sweep", "run", str(file)]) == 3
    assert "budget.hours: the sweep must keep its budget of 0.01" in capsys.readouterr().err
    assert run(["sweep", "run", str(file), "--force"]) == 2
    assert capsys.readouterr().err == "vibesweep: reached\n"


def test_a_smoke_run_says_what_it_leaves_out_and_has_a_folder_of_its_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    called: dict[str, Any] = {}

    def reached(sweep: Any, directory: Path, *, overwrite: bool) -> None:
        called.update(name=sweep.name, directory=directory, overwrite=overwrite)
        raise UserError("reached")

    monkeypatch.setattr("cluster.sweep.run_sweep", reached)
    file = PROJECT_ROOT / "sweeps" / "prompts.yaml"
    assert run(["sweep", "run", str(file), "--smoke", "--storage", str(tmp_path)]) == 2
    assert called == {
        "name": "prompts-smoke",
        "directory": tmp_path / "prompts-smoke",
        "overwrite": True,
    }
    assert capsys.readouterr().err.splitlines()[0] == (
        "smoke: space.prompts.config_generation is dropped: the tiny policy was taught to read the vibe alone"
    )


def test_on_a_cluster_this_machines_cost_refuses_nothing(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def reached(*_: Any, **__: Any) -> None:
        raise UserError("reached")

    monkeypatch.setattr("cluster.sweep.run_sweep", reached)
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    calibrate(file)
    file.write_text(f"{SMALL}budget: {{hours: 0.01}}\n")
    assert run(["sweep", "run", str(file)]) == 2
    assert capsys.readouterr().err == "vibesweep: reached\n"
    file.write_text(f"{SMALL}budget: {{hours: 0.01, trials: 5}}\n")
    assert run(["sweep", "run", str(file)]) == 3
    assert "budget.trials: the sweep must keep its budget of 5" in capsys.readouterr().err


def test_labels_with_brackets_are_shown_as_they_are(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(
        "name: x\nbase: {base_model: tiny}\n"
        "space: {grpo.reward.clap.bad_sounds: [['[red]', hum], ['[/x]', hiss]]}\n"
    )
    assert run(["sweep", "plan", str(file)]) == 0
    shown = capsys.readouterr().out
    assert "['[red]', 'hum']" in shown
    assert "['[/x]', 'hiss']" in shown


def test_a_point_that_cannot_train_is_listed_with_its_tokens(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text("name: x\nbase: {base_model: tiny}\nspace: {data.max_seq_length: [256, 4096]}\n")
    plan = planned(capsys, str(file))
    assert [trial["status"] for trial in plan["trials"]] == ["infeasible", "ready"]
    assert "must fit data.max_seq_length 256, got" in plan["trials"][0]["reason"]
    assert run(["sweep", "plan", str(file)]) == 0
    shown = capsys.readouterr().out
    assert re.search(
        r"infeasible\n  point 0: .* got \d+ prompt tokens \+ grpo.max_completion_length 1024", shown
    )


def test_a_plan_names_the_users_own_code(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    renderer = "num_vibes: 8, scorer: {renderer: 'no_such_module:render'}"
    file.write_text(SMALL.replace("num_vibes: 8", renderer))
    # Named, and not imported: it is not there.
    assert run(["sweep", "plan", str(file)]) == 0
    shown = capsys.readouterr().out
    assert "runs code of yours\n  no_such_module:render (objective.scorer.renderer)\n" in shown
