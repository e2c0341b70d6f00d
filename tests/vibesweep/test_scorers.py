"""`vibesweep score --scorers`: a file's lines scored by Ray actors."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pyarrow.parquet as pq
import pytest

from common.training_config import PROJECT_ROOT
from vibesweep.cli import run

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.timeout(300)
def test_actors_give_the_scores_of_this_process(tmp_path: Path) -> None:
    lines = (PROJECT_ROOT / "tiny/data/sft_sample.jsonl").read_text().splitlines()[:9]
    pairs = tmp_path / "pairs.jsonl"
    pairs.write_text("\n".join(lines) + "\n")
    out, by_actors = tmp_path / "here.parquet", tmp_path / "by_actors.parquet"
    assert run(["score", str(pairs), str(out)]) == 0
    words = ["score", str(pairs), str(by_actors), "--scorers", "2", "--batch", "5"]
    assert run(words) == 0
    here, there = pq.read_table(out).to_pylist(), pq.read_table(by_actors).to_pylist()
    # Threads may differ: one for an actor, as many as this process has here.
    assert [row["audio"] for row in there] == pytest.approx([row["audio"] for row in here], abs=1e-4)
    for name in ("line", "vibe", "config_hash", "format", "schema", "scorer_id", "renderer_id"):
        assert [row[name] for row in there] == [row[name] for row in here]


@pytest.mark.ray
def test_more_scorers_than_the_machine_has_room_for_are_refused(tmp_path: Path) -> None:
    pairs = tmp_path / "pairs.jsonl"
    pairs.write_text('{"vibe": "rain", "completion": "no music"}\n')
    words = ["score", str(pairs), str(tmp_path / "out.parquet"), "--scorers", "999"]
    # In a process of its own: it asks the Ray that it starts, not one that another test has left running.
    ended = subprocess.run(
        [sys.executable, "-m", "vibesweep", *words], capture_output=True, text=True, check=False, timeout=120
    )
    assert ended.returncode == 2
    assert "999 scorers must fit at once with 999 CPUs, got " in ended.stderr
    assert "take fewer --scorers" in ended.stderr


def test_scorers_are_for_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "one.json"
    config.write_text("{}")
    assert run(["score", str(config), "--vibe", "rain", "--scorers", "2"]) == 2
    assert "--scorers must be left out for one config" in capsys.readouterr().err
