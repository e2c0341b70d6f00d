"""A sweep of the tiny policy in a bucket: killed in the middle with all that its node knew."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cluster.bucket.driving import actors_below, is_alive, names, wait_for
from tests.comparable_ledger import comparable_ledger

ROOT = Path(__file__).parents[3]
SWEEP = """
name: real
base:
  base_model: tiny
  max_steps: 3
  logging.save_steps: 1
  logging.eval_steps: 1
  batch.batch_size: 4
  grpo.num_generations: 2
  grpo.max_completion_length: 160
space: {grpo.beta: [0.04]}
objective: {num_vibes: 2, max_completion_length: 160}
resources: {scorers: 1, cpus_per_scorer: 0}
"""


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "vibesweep", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def vibesweep(*arguments: str) -> str:
    process = start(*arguments)
    printed, errors = process.communicate()
    assert process.returncode == 0, printed + errors
    return printed


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.timeout(1200)
def test_a_real_sweep_in_a_bucket_survives_its_node_and_ends_as_one_in_a_folder(
    bucket: str, cache: Path, tmp_path: Path
) -> None:
    file, storage = tmp_path / "real.yaml", f"{bucket}/runs"
    file.write_text(SWEEP)
    url = f"{storage}/real"
    vibesweep("sweep", "run", str(file), "--storage", str(tmp_path / "folder"))

    driver = start("sweep", "run", str(file), "--storage", storage)
    # Its process has yet to start, and the baselines go before the trial.
    wait_for(lambda: "trials/baseline-untrained/trial.json" in names(url), 300.0)
    status = json.loads(vibesweep("status", url, "--json"))
    assert (status["name"], status["driven"]) == ("real", True)
    assert status["trials"]["open"] >= 1
    wait_for(lambda: "trials/t000-s0/checkpoints/checkpoint-1/checksums.json" in names(url), 300.0)
    actors = list(actors_below(driver.pid))
    # All at once, as with the machine's power: until Ray misses a driver, its trial could end.
    for pid in (driver.pid, *actors):
        os.kill(pid, signal.SIGKILL)
    driver.wait()
    wait_for(lambda: not any(map(is_alive, actors)), 60.0)
    assert "trials/t000-s0/result.json" not in names(url)
    shutil.rmtree(cache)

    printed = vibesweep("sweep", "resume", url)
    assert f"sweep        {url}\nreport       {url}/report/index.html (here in {cache}" in printed
    assert f"again        vibesweep rank {url}\n" in printed
    assert comparable_ledger(url).equals(comparable_ledger(tmp_path / "folder" / "real"))
    adapter = "trials/t000-s0/adapter/adapter_model.safetensors"
    assert {adapter, "report/index.html"} <= names(url)
    assert "beta=0.04" in vibesweep("rank", url)
    assert not json.loads(vibesweep("status", url, "--json"))["driven"]
    assert [name for name in names(url) if name.startswith("tensorboard/t000-s0/events.")]


def test_a_bucket_that_cannot_be_written_is_one_line_before_anything_starts(
    bucket: str, cache: Path, tmp_path: Path
) -> None:
    file = tmp_path / "real.yaml"
    file.write_text(SWEEP)
    for storage, said in (
        (f"{bucket}-not/runs", "storage must be a bucket that can be written, got "),
        ("s3://me:hush@bucket/runs", "storage must be a URL without credentials, got some in 's3://bucket/"),
        ("ftp://host/runs", "storage must be a folder or a URL of s3://, gs://, gcs://, file://, got "),
    ):
        process = start("sweep", "run", str(file), "--storage", storage)
        printed, errors = process.communicate()
        assert (process.returncode, printed) == (2, "")
        assert errors.startswith(f"vibesweep: {said}")
        assert errors.count("\n") == 1
        assert "hush" not in errors
    assert not (cache / "sweeps").exists()
