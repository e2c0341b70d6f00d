"""Whole sweeps with every part real: Ray, TRL, the tiny policy, the renderer, the tiny CLAP."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import nbformat
import pyarrow.compute as pc
import pytest
from nbclient import NotebookClient
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from analysis import compute_ranking, load_sweep
from common.ledger import KEY
from tests.comparable_ledger import comparable_ledger
from tests.hparams_table import hparams_table

pytestmark = [pytest.mark.slow, pytest.mark.ray, pytest.mark.timeout(900)]

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
TRIALS = {"t000-s0", "t000-s1", "t001-s0", "t001-s1"}


def start(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "vibesweep", *arguments]
    return subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def vibesweep(*arguments: str) -> str:
    process = start(*arguments)
    printed, errors = process.communicate()
    assert process.returncode == 0, printed + errors
    return printed


def run_sweep(storage: Path, *options: str) -> str:
    return vibesweep("sweep", "run", str(HERE / "real_sweep.yaml"), "--storage", str(storage), *options)


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A finished sweep's folder and what its command printed."""
    storage = tmp_path_factory.mktemp("stored")
    return storage / "real", run_sweep(storage)


def test_a_sweep_ends_with_its_table_and_its_paths(stored: tuple[Path, str]) -> None:
    directory, printed = stored
    assert {path.parent.name for path in directory.glob("trials/*/result.json")} == TRIALS | {
        "baseline-untrained",
        "baseline-random",
        "baseline-retrieval",
    }
    for words in (
        "untrained policy",
        "random valid configs",
        "nearest vibe's config",
        "beta=0.04",
        f"rank {directory}",
    ):
        assert words in printed
    for trial in TRIALS:
        assert (directory / "trials" / trial / "adapter" / "adapter_model.safetensors").is_file()


def test_the_ranking_as_json_has_the_keys_that_scripts_rely_on(stored: tuple[Path, str]) -> None:
    answer = json.loads(vibesweep("rank", str(stored[0]), "--json"))
    assert answer["objective"] == "held_out_objective"
    rows: list[dict[str, Any]] = answer["rows"]
    assert [row["rank"] for row in rows] == [1, 2, 3, 4, 5]
    assert [row["mean"] for row in rows] == sorted((row["mean"] for row in rows), reverse=True)
    for row in rows:
        assert row["low"] <= row["mean"] <= row["high"]
    trials = {row["params"]["grpo.beta"]: row["num_seeds"] for row in rows if row["kind"] == "trial"}
    assert trials == {0.0: 2, 0.04: 2}
    assert {row["label"] for row in rows if row["kind"] == "baseline"} == {
        "untrained policy",
        "random valid configs",
        "nearest vibe's config",
    }


def test_the_ledger_has_every_completion_once_with_its_components(stored: tuple[Path, str]) -> None:
    rows = comparable_ledger(stored[0])
    # Trained: 4 trials x (2 steps x 8 rollouts + 8 vibes at steps 0 and 2); baselines: 8 vibes each.
    assert rows.num_rows == 4 * (16 + 16) + 3 * 8
    assert rows.group_by(list(KEY)).aggregate([]).num_rows == rows.num_rows
    assert rows["unscored_reason"].null_count == rows.num_rows
    renderable = rows.filter(pc.field("renderable"))
    assert renderable["audio"].null_count == 0
    assert pc.stddev(renderable["audio"]).as_py() > 0.05


def test_before_its_first_step_every_trial_is_the_untrained_policy(stored: tuple[Path, str]) -> None:
    rows = comparable_ledger(stored[0])
    columns = ["prompt_id", "sample", "completion", "format", "schema", "audio"]
    at_start = rows.filter((pc.field("step") == 0) & (pc.field("split") == "held_out"))
    [untrained] = [at_start.filter(pc.field("kind") == "untrained_policy").select(columns)]
    for trial in TRIALS:
        assert at_start.filter(pc.field("trial_id") == trial).select(columns).equals(untrained), trial


def test_the_same_sweep_gives_the_same_ledger_bit_for_bit(stored: tuple[Path, str], tmp_path: Path) -> None:
    run_sweep(tmp_path)
    assert comparable_ledger(tmp_path / "real").equals(comparable_ledger(stored[0]))


def test_a_killed_sweep_goes_on_and_ends_like_an_undisturbed_one(
    stored: tuple[Path, str], tmp_path: Path
) -> None:
    driver = start("sweep", "run", str(HERE / "real_sweep.yaml"), "--storage", str(tmp_path))
    directory = tmp_path / "real"
    deadline = time.monotonic() + 300
    # In the middle: a trial has a checkpoint, and the sweep is not done.
    while not list(directory.glob("trials/t*/checkpoints/checkpoint-1")):
        assert driver.poll() is None, driver.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.2)
    os.killpg(driver.pid, signal.SIGKILL)
    driver.wait()
    assert len(list(directory.glob("trials/*/result.json"))) < len(TRIALS) + 3
    printed = vibesweep("sweep", "resume", str(directory))
    assert "untrained policy" in printed
    assert comparable_ledger(directory).equals(comparable_ledger(stored[0]))


def test_another_sweep_in_its_folder_is_refused(stored: tuple[Path, str]) -> None:
    directory, _ = stored
    other = [
        "sweep",
        "run",
        str(HERE / "real_sweep.yaml"),
        "--storage",
        str(directory.parent),
        "--seeds",
        "7",
    ]
    process = start(*other)
    printed, errors = process.communicate()
    assert (process.returncode, printed) == (2, "")
    [line] = errors.splitlines()
    assert "must hold this same sweep" in line
    assert "nothing was left to run" in vibesweep_errors("sweep", "run", *other[2:5])


def vibesweep_errors(*arguments: str) -> str:
    process = start(*arguments)
    _, errors = process.communicate()
    assert process.returncode == 0, errors
    return errors


def test_tensorboard_has_curves_and_the_hparams_of_every_trial(stored: tuple[Path, str]) -> None:
    directory, _ = stored
    for trial in TRIALS:
        tags: set[str] = set()
        plugins: set[str] = set()
        for folder in {path.parent for path in (directory / "tensorboard" / trial).rglob("events.*")}:
            events = EventAccumulator(str(folder)).Reload()
            tags |= set(events.Tags()["scalars"])
            plugins |= set(
                events.summary_metadata
                and {meta.plugin_data.plugin_name for meta in events.summary_metadata.values()}
            )
        assert any("objective" in tag for tag in tags), tags
        assert any("reward" in tag for tag in tags), tags
        assert "hparams" in plugins


def test_the_hparams_table_agrees_with_the_ranking(stored: tuple[Path, str]) -> None:
    directory, _ = stored
    table = hparams_table(directory / "tensorboard", "held_out/objective")
    ranking = compute_ranking(load_sweep(directory))
    assert set(table) == {trial for row in ranking.configurations for trial in row.trial_ids} | {
        "baseline-untrained"
    }
    means = []
    for row in ranking.configurations:
        of_seeds = [table[trial] for trial in row.trial_ids]
        assert {settings["seed"] for settings, _ in of_seeds} == set(row.seeds)
        for settings, _ in of_seeds:
            assert {path: settings[path] for path in row.params} == row.params
        means.append(sum(value for _, value in of_seeds) / len(of_seeds))
    # Events hold 32 bits.
    assert means == pytest.approx([row.objective.mean for row in ranking.configurations], abs=1e-6)
    assert means == sorted(means, reverse=True)
    [untrained] = [row for row in ranking.rows if row.baseline == "untrained_policy"]
    assert table["baseline-untrained"][1] == pytest.approx(untrained.objective.mean, abs=1e-6)


def test_the_notebook_runs_on_a_real_sweep(stored: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIBESWEEP_SWEEP", str(stored[0]))
    notebook = nbformat.read(ROOT / "analysis/notebooks/rank_outcomes.ipynb", as_version=4)
    NotebookClient(notebook, timeout=300).execute()
    outputs = "".join(str(cell.outputs) for cell in notebook.cells if cell.cell_type == "code")
    assert "application/vnd.plotly.v1+json" in outputs
    assert "untrained policy" in outputs


def test_an_optuna_sweep_runs_its_trials(tmp_path: Path) -> None:
    text = (HERE / "real_sweep.yaml").read_text()
    text = text.replace(
        "space: {grpo.beta: [0.0, 0.04]}", "space: {grpo.beta: {range: [0.01, 0.16], scale: log}}"
    )
    file = tmp_path / "optuna.yaml"
    file.write_text(text + "search: {mode: optuna, trials: 2, seed: 0}\n")
    vibesweep("sweep", "run", str(file), "--storage", str(tmp_path))
    rows = json.loads(vibesweep("rank", str(tmp_path / "real"), "--json"))["rows"]
    betas = [row["params"]["grpo.beta"] for row in rows if row["kind"] == "trial"]
    assert len(set(betas)) == 2
    assert all(0.01 <= beta <= 0.16 for beta in betas)
