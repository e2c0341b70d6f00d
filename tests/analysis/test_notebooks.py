"""The notebooks run from top to bottom and define nothing."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
import pytest
from nbclient import NotebookClient

if TYPE_CHECKING:
    from tests.analysis.conftest import SweepWriter

NOTEBOOKS = sorted((Path(__file__).parents[2] / "analysis" / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_a_thin_view_without_outputs(path: Path) -> None:
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None
            kinds = (ast.FunctionDef, ast.ClassDef, ast.Lambda)
            assert not [node for node in ast.walk(ast.parse(cell.source)) if isinstance(node, kinds)]


def test_rank_outcomes_runs_on_a_stored_sweep(
    small_sweep: SweepWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIBESWEEP_SWEEP", str(small_sweep.directory))
    [path] = [path for path in NOTEBOOKS if path.stem == "rank_outcomes"]
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=120).execute()
    outputs = "".join(str(cell.outputs) for cell in notebook.cells if cell.cell_type == "code")
    assert "Best configuration: lora.r=8, beta=0.02" in outputs
    assert "application/vnd.plotly.v1+json" in outputs
