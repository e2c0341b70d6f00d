"""The notebooks run from top to bottom, define nothing, and are stored without outputs."""

from __future__ import annotations

import ast
import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
import pytest
from nbclient import NotebookClient

from common.random_configs import random_config
from tests.analysis.conftest import SweepWriter

if TYPE_CHECKING:
    from collections.abc import Mapping

FOLDER = Path(__file__).parents[2] / "analysis" / "notebooks"
NOTEBOOKS = ("compare_sweeps", "listen", "rank_outcomes", "reward_mixture")


def outputs_of(name: str) -> str:
    """Execute a notebook; every output's text, as one."""
    notebook = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
    NotebookClient(notebook, timeout=240).execute()
    return "".join(str(cell.outputs) for cell in notebook.cells if cell.cell_type == "code")


def test_the_notebooks_are_those_that_are_executed_here() -> None:
    assert tuple(sorted(path.stem for path in FOLDER.glob("*.ipynb"))) == NOTEBOOKS


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_is_a_thin_view_without_outputs(name: str) -> None:
    cells = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4).cells
    assert cells[0].source.startswith("# ")
    for cell in cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None
            kinds = (ast.FunctionDef, ast.ClassDef, ast.Lambda)
            assert not [node for node in ast.walk(ast.parse(cell.source)) if isinstance(node, kinds)]


def test_rank_outcomes_runs_on_a_stored_sweep(
    small_sweep: SweepWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIBESWEEP_SWEEP", str(small_sweep.directory))
    outputs = outputs_of("rank_outcomes")
    assert "Best configuration: lora.r=8, beta=0.02" in outputs
    assert "Importance is not told" in outputs
    assert "No trial was stopped." in outputs
    assert "application/vnd.plotly.v1+json" in outputs


@pytest.mark.slow
def test_reward_mixture_runs_on_a_stored_sweep(
    small_sweep: SweepWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    rollouts = {2: [[(1.0, 1.0, 0.1), (1.0, 0.5, 0.6)]]}
    small_sweep.trial("taught", {4: [0.3, 0.4, 0.5]}, params={"lora.r": 16}, rollouts=rollouts)
    monkeypatch.setenv("VIBESWEEP_SWEEP", str(small_sweep.directory))
    outputs = outputs_of("reward_mixture")
    assert "taught" in outputs
    assert "0.1 format + 0.2 schema + 0.7 audio" in outputs
    assert outputs.count("application/vnd.plotly.v1+json") == 2


@pytest.mark.slow
def test_compare_sweeps_runs_on_two_stored_sweeps(
    small_sweep: SweepWriter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = SweepWriter(tmp_path / "runs" / "other")
    other.trial("lora.r=8, grpo.beta=0.02", {4: [0.5, 0.4, 0.9]}, params={"lora.r": 8, "grpo.beta": 0.02})
    monkeypatch.setenv("VIBESWEEP_SWEEP", str(small_sweep.directory))
    monkeypatch.setenv("VIBESWEEP_OTHER_SWEEP", str(other.directory))
    outputs = outputs_of("compare_sweeps")
    assert "other against small" in outputs
    assert "small + other" in outputs


@pytest.mark.slow
def test_listen_plays_what_the_configurations_wrote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(0)

    def heard(vibe: int) -> Mapping[str, Any]:
        return {"music_config": random_config(rng).model_dump_json()}

    sweep = SweepWriter(tmp_path / "runs" / "small")
    sweep.untrained([0.0, 0.1], heard=heard)
    sweep.trial("a", {4: [0.3, 0.4]}, heard=heard)
    monkeypatch.setenv("VIBESWEEP_SWEEP", str(sweep.directory))
    monkeypatch.setenv("VIBESWEEP_SECONDS", "0.5")
    outputs = outputs_of("listen")
    # Both vibes share their words, so they are one group: a clip for each of two policies and two vibes.
    assert outputs.count("data:audio/wav;base64") == 4
