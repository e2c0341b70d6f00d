"""`vibesweep doctor`: its lines, its JSON and its exit code, without a network."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from vibesweep.cli import run

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)


def test_a_machine_that_is_fit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor", "--storage", str(tmp_path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["fit"] is True
    assert [finding["check"] for finding in found["findings"]] == [
        "python", "packages", "pairs", "gpu", "ray", "ports", "storage", "hub", "tiny models", "hub models",
    ]  # fmt: skip


def test_each_finding_is_one_line_with_its_cure_and_a_failure_ends_with_4(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    (tmp_path / "file").write_text("")
    assert run(["doctor", "--storage", str(tmp_path / "file")]) == 4
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 10
    [failure] = [line for line in lines if line.startswith("fail")]
    assert failure.startswith("fail  storage      ")
    assert failure.endswith("cannot be written: Not a directory; cure: give another with --storage")


def test_a_cluster_that_is_not_reached_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # Port 9 (discard) is below those that a program of the user's could have opened.
    assert run(["doctor", "--storage", str(tmp_path), "--address", "http://127.0.0.1:9"]) == 4
    assert "http://127.0.0.1:9 is not reached" in capsys.readouterr().out


def test_it_takes_little_time_and_imports_neither_ray_nor_torch(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom vibesweep.cli import run\n"
        f"code = run(['doctor', '--storage', {str(tmp_path)!r}])\n"
        "assert not {'ray', 'torch', 'transformers'} & sys.modules.keys()\n"
        "sys.exit(code)"
    )
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert time.monotonic() - began < 20  # 1.5 s alone; a machine may be busy


@pytest.mark.ray
@pytest.mark.slow
def test_a_local_ray_is_started_where_that_is_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["doctor", "--storage", str(tmp_path), "--start-ray"]) == 0
    assert ", started" in capsys.readouterr().out
