"""No batch or group size is rounded: what the plan says of them is what real trials do."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from math import lcm
from pathlib import Path

import pyarrow.parquet as pq
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.ray, pytest.mark.timeout(900)]

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SWEEP = HERE / "batch_pairs.yaml"
STEPS = 8


def vibesweep(*arguments: str) -> str:
    command = [sys.executable, "-m", "vibesweep", *arguments]
    process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stdout + process.stderr
    return process.stdout


def test_every_batch_is_scored_whole_and_learned_from_as_often_as_planned(tmp_path: Path) -> None:
    planned = json.loads(vibesweep("sweep", "plan", str(SWEEP), "--json"))["trials"]
    vibesweep("sweep", "run", str(SWEEP), "--storage", str(tmp_path))
    depths = set()
    for trial in planned:
        batch = trial["params"]["batch.batch_size"]
        group = trial["params"]["grpo.num_generations"]
        # The fewest batches that hold whole groups: batch 4 with 7 generations needs 28 rollouts, 7 batches.
        depth = lcm(batch, group) // batch
        assert trial["off_policy_depth"] == depth
        depths.add(depth)
        ledger = (tmp_path / "batch_pairs" / "trials" / trial["trial_id"] / "ledger").glob("train-*.parquet")
        rows = [row for part in ledger for row in pq.read_table(part).to_pylist()]
        # Rollouts are made at the first step of each cycle, for all of its steps, and at no other.
        assert Counter(row["step"] for row in rows) == dict.fromkeys(range(0, STEPS, depth), batch * depth)
        groups = Counter((row["step"], row["prompt_id"]) for row in rows)
        assert set(groups.values()) == {group}
        assert {row["off_policy_depth"] for row in rows} == {depth}
        assert {row["unscored_reason"] for row in rows} == {None}
    assert depths == {1, 2, 3, 5, 7}
