"""The real job API: a head started by hand with token authentication, and a sweep submitted to it."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import ray

from common.records import ResultRecord

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Head:
    """A running Ray head, and the commands that talk to it."""

    def __init__(self, temp: Path) -> None:
        self.address = f"http://127.0.0.1:{free_port()}"
        self.env = os.environ | {
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": secrets.token_hex(32),
            "RAY_TMPDIR": str(temp),
            "RAY_USAGE_STATS_ENABLED": "0",
            "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        }
        self.env.pop("RAY_ADDRESS", None)

    def ray(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(BIN / "ray"), *arguments],
            env=self.env, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False,
        )  # fmt: skip

    def submit(self, *command: str) -> subprocess.CompletedProcess[str]:
        return self.ray("job", "submit", "--address", self.address, "--working-dir", ".", "--", *command)


@pytest.fixture(scope="module")
def head(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Head]:
    # Ray's sockets live below its temporary folder, and a socket's path has at most 107 characters.
    temp = Path("/tmp") / f"vs-{secrets.token_hex(3)}"
    temp.mkdir()
    head = Head(temp)
    process = subprocess.Popen(
        [
            str(BIN / "ray"), "start", "--head", "--block", "--num-cpus=2", f"--temp-dir={temp}",
            f"--port={free_port()}", f"--dashboard-port={head.address.rpartition(':')[2]}",
            f"--dashboard-agent-listen-port={free_port()}", f"--ray-client-server-port={free_port()}",
        ],
        env=head.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    for _ in range(60):
        if head.ray("job", "list", "--address", head.address).returncode == 0:
            break
    else:
        pytest.fail("the Ray head did not start")
    yield head
    # --block makes the command the parent of everything it started, and end it all when it is ended.
    process.terminate()
    process.wait(timeout=60)
    shutil.rmtree(temp)


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
