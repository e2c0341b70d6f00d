"""The real job API: a head started by hand with token authentication, and a sweep submitted to it."""

from __future__ import annotations

import hashlib
import json
import secrets
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import ray

from common.records import ResultRecord
from tests.cluster.ray_head import ROOT, Head, running_head, until
from trainables.checkpoints import find_start

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def head() -> Iterator[Head]:
    with running_head() as head:
        yield head


def test_a_submitted_sweep_ends_with_a_ranking(head: Head, tmp_path: Path) -> None:
    sweep = ("python", "-m", "vibesweep", "sweep", "run", "tests/cluster/smallest_sweep.yaml")
    job = head.submit(*sweep, "--storage", str(tmp_path))
    assert job.returncode == 0, job.stdout + job.stderr
    assert "untrained policy" in job.stdout
    result = ResultRecord.read(tmp_path / "smallest" / "trials" / "t000-s0")
    assert result is not None
    assert result.status == "finished"

    # The same command again finds its sweep finished.
    again = head.submit(*sweep, "--storage", str(tmp_path))
    assert again.returncode == 0, again.stdout + again.stderr
    assert "nothing was left to run" in again.stdout


def test_a_relative_storage_is_refused_inside_a_job(head: Head) -> None:
    job = head.submit("python", "-m", "vibesweep", "sweep", "run", "tests/cluster/smallest_sweep.yaml")
    assert job.returncode != 0
    assert "storage must be absolute inside a submitted job" in job.stdout


def test_the_doctor_reaches_the_cluster_with_its_token_only(head: Head, tmp_path: Path) -> None:
    doctor = [
        sys.executable,
        "-m",
        "vibesweep",
        "doctor",
        "--address",
        head.address,
        "--storage",
        str(tmp_path),
    ]
    env = head.env | {"HF_HUB_OFFLINE": "1"}
    reached = subprocess.run(doctor, env=env, cwd=ROOT, capture_output=True, text=True, check=False)
    assert reached.returncode == 0, reached.stdout + reached.stderr
    assert f"{ray.__version__} at {head.address}, 1 node\n" in reached.stdout
    env["RAY_AUTH_MODE"] = "disabled"
    refused = subprocess.run(doctor, env=env, cwd=ROOT, capture_output=True, text=True, check=False)
    assert refused.returncode == 4
    assert "export RAY_AUTH_MODE=token" in refused.stdout


# Not to be found in this file, which is sent with the job.
SECRETS = {name: f"planted-{secrets.token_hex(8)}" for name in ("WANDB_API_KEY", "HF_TOKEN", "MINE")}


def files_with(text: str, *folders: Path) -> list[str]:
    found = []
    for path in (path for folder in folders for path in folder.rglob("*")):
        if path.is_file() and not path.is_symlink():
            content = path.read_bytes()
            if text.encode() in content:
                found.append(str(path))
    return found


def test_credentials_reach_the_trials_and_stand_nowhere(head: Head, tmp_path: Path) -> None:
    job = head.vibesweep(
        "submit", "tests/cluster/jobs/seeing_secrets.yaml", "--storage", str(tmp_path), "--wait",
        "--env-var", "MINE", "--env-var", "SEEN_IN",
        **SECRETS, SEEN_IN=str(tmp_path / "seen"),
    )  # fmt: skip
    assert job.returncode == 0, job.stdout + job.stderr
    assert "variables passed, sealed: MINE, SEEN_IN, WANDB_API_KEY, HF_TOKEN\n" in job.stderr
    assert (
        "runs code of yours: tests.cluster.jobs.seeing_renderer:render (objective.scorer.renderer"
        in job.stdout
    )
    assert "all trials ended" in job.stderr
    # The renderer saw each of them, in the process that it runs in.
    digests = {name: hashlib.sha256(value.encode()).hexdigest() for name, value in SECRETS.items()}
    assert json.loads((tmp_path / "seen").read_text()) == digests

    listed = head.ray("job", "list", "--address", head.address)
    ours = head.vibesweep("list", "--json")
    (job_id,) = (job["id"] for job in json.loads(ours.stdout) if job["sweep"] == "seeing-secrets")
    assert job_id in listed.stdout
    told = head.vibesweep("status", job_id)
    said = job.stdout + job.stderr + listed.stdout + listed.stderr + ours.stdout + told.stdout
    # The folder: sweep.json, ledger, TensorBoard, Tune's files. Ray's own: every log, the packages.
    assert files_with("seeing-secrets", tmp_path)
    assert files_with(job_id, head.temp)
    for value in SECRETS.values():
        assert value not in said
        assert files_with(value, tmp_path, head.temp) == []


ASKED = """
import json, sys
from cluster.jobs.client import Jobs
from vibesweep.status import _of_job
jobs = Jobs(sys.argv[1])
print(json.dumps(_of_job(jobs, jobs.find(sys.argv[2])._replace(fingerprint=None))))
"""


def sent(head: Head, storage: Path) -> str:
    job = head.vibesweep("submit", "tests/cluster/jobs/long_sweep.yaml", "--storage", str(storage))
    assert job.returncode == 0, job.stderr
    return job.stdout.strip()


def status(head: Head, job_id: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(head.vibesweep("status", job_id, "--json").stdout)
    return found


def test_a_stop_lets_trials_write_checkpoints_and_a_second_ends_at_once(head: Head, tmp_path: Path) -> None:
    trial = tmp_path / "long" / "trials" / "t000-s0"
    job_id = sent(head, tmp_path)
    again = head.vibesweep("submit", "tests/cluster/jobs/long_sweep.yaml", "--storage", str(tmp_path))
    assert (again.returncode, f"has the job {job_id}" in again.stderr) == (2, True)
    # Once it trains: one that is told to stop before has nothing to write.
    until((trial / "ledger" / "held-out-000000.parquet").is_file)
    assert status(head, job_id)["job"]["means"] == "runs"
    assert "is stopping" in head.vibesweep("stop", job_id).stdout
    until(lambda: status(head, job_id)["job"]["state"] == "STOPPED")
    # No checkpoint was due before step 1,000.
    stopped_at = find_start(trial).step
    assert 0 < stopped_at < 1000
    assert ResultRecord.read(trial) is None
    found = status(head, job_id)
    assert found["job"]["exit_code"] == 130
    assert found["trials"]["open"] == 1
    assert found["driven"] is False
    # Where the folder is not to be seen, or not known to be the same, the cluster's head is asked.
    asked = subprocess.run(
        [sys.executable, "-c", ASKED, head.address, job_id],
        env=head.env, cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert json.loads(asked.stdout)["trials"] == found["trials"]

    job_id = sent(head, tmp_path)
    until(lambda: "t000-s0 starts" in head.vibesweep("logs", job_id).stdout)
    head.vibesweep("stop", job_id)
    assert "ends at once" in head.vibesweep("stop", job_id).stdout
    until(lambda: status(head, job_id)["job"]["state"] == "STOPPED", 30.0)
    assert find_start(trial).step >= stopped_at
    assert "has ended: it was stopped" in head.vibesweep("stop", job_id).stdout


def test_the_exit_code_of_a_job_is_its_sweeps(head: Head) -> None:
    job = head.vibesweep(
        "submit", "tests/cluster/smallest_sweep.yaml", "--storage", "/proc/nowhere", "--wait"
    )
    assert job.returncode == 2, job.stdout + job.stderr
    assert "storage must be a folder that can be written" in job.stdout
    assert "something is to be corrected first (exit code 2)" in job.stderr


def test_without_the_token_nothing_is_taken(head: Head, tmp_path: Path) -> None:
    sweep = ("submit", "tests/cluster/smallest_sweep.yaml", "--storage", str(tmp_path))
    for how in ({"RAY_AUTH_MODE": "disabled"}, {"RAY_AUTH_TOKEN": "0" * 64}):
        refused = head.vibesweep(*sweep, **how)
        assert refused.returncode == 4
        assert "asks for its token; export RAY_AUTH_MODE=token" in refused.stderr
    refused = head.vibesweep(*sweep, "--env-var", "MINE", RAY_AUTH_MODE="disabled", MINE="planted-mine-5d20")
    assert refused.returncode == 2
    assert "--env-var must have a token to be sealed with" in refused.stderr
    assert "planted" not in refused.stderr
