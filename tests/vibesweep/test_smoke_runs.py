"""Every shipped sweep runs with `--smoke`: all parts real, all small."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from common.training_config import PROJECT_ROOT

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.ray, pytest.mark.timeout(600)]

SWEEPS = sorted((PROJECT_ROOT / "sweeps").glob("*.yaml"))


def vibesweep(*arguments: str) -> str:
    command = [sys.executable, "-m", "vibesweep", *arguments]
    done = subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.stem)
def test_a_smoke_run_ends_with_a_ranking(path: Path, tmp_path: Path) -> None:
    vibesweep("sweep", "run", str(path), "--smoke", "--storage", str(tmp_path))
    ranking = json.loads(vibesweep("rank", str(tmp_path / f"{path.stem}-smoke"), "--json"))
    trials = [row for row in ranking["rows"] if row["kind"] == "trial"]
    assert len(trials) == {"prompts": 1, "population": 4}.get(path.stem, 2)


def test_a_second_smoke_run_replaces_the_first(tmp_path: Path) -> None:
    quick = str(PROJECT_ROOT / "sweeps" / "quickstart.yaml")
    for _ in range(2):
        vibesweep("sweep", "run", quick, "--smoke", "--storage", str(tmp_path))
    assert [folder.name for folder in tmp_path.iterdir()] == ["quickstart-smoke"]
