"""A Ray head that was started by hand, with token authentication, and the commands that talk to it."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
OBJECT_STORE_BYTES = 128 * 2**20
"""Of a node; they share the machine's memory."""


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(condition: Callable[[], bool], seconds: float = 240.0, every_s: float = 1.0) -> None:
    """Wait for something that must happen."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(every_s)


class Head:
    """A running Ray head, and the commands that talk to it."""

    def __init__(self, temp: Path) -> None:
        self.temp = temp
        self.port = free_port()
        """Where other nodes join it, on 127.0.0.1."""
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

    def vibesweep(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a command of ours against the head, with variables more or replaced."""
        return subprocess.run(
            [sys.executable, "-m", "vibesweep", *arguments],
            env=self.env | {"RAY_API_SERVER_ADDRESS": self.address} | variables,
            cwd=ROOT, capture_output=True, text=True, timeout=600, check=False,
        )  # fmt: skip

    @contextmanager
    def begun(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """A command of ours that runs beside the test, and no longer than it."""
        process = subprocess.Popen(
            [sys.executable, "-m", "vibesweep", *arguments],
            env=self.env | {"RAY_API_SERVER_ADDRESS": self.address},
            cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        try:
            yield process
        finally:
            process.kill()
            process.wait()
            if process.stdout:
                process.stdout.close()

    def submit(self, *command: str) -> subprocess.CompletedProcess[str]:
        return self.ray("job", "submit", "--address", self.address, "--working-dir", ".", "--", *command)


@contextmanager
def running_head(num_cpus: int = 2) -> Iterator[Head]:
    """A head with so many CPUs, and nothing left of it afterwards."""
    # Ray's sockets live below its temporary folder, and a socket's path has at most 107 characters.
    temp = Path("/tmp") / f"vs-{secrets.token_hex(3)}"
    temp.mkdir()
    head = Head(temp)
    process = subprocess.Popen(
        [
            str(BIN / "ray"), "start", "--head", "--block", f"--num-cpus={num_cpus}", f"--temp-dir={temp}",
            f"--object-store-memory={OBJECT_STORE_BYTES}", f"--port={head.port}",
            f"--dashboard-port={head.address.rpartition(':')[2]}",
            f"--dashboard-agent-listen-port={free_port()}", f"--ray-client-server-port={free_port()}",
        ],
        env=head.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    for _ in range(60):
        if head.ray("job", "list", "--address", head.address).returncode == 0:
            break
    else:
        pytest.fail("the Ray head did not start")
    try:
        yield head
    finally:
        # --block makes the command the parent of everything it started, and end it all when it is ended.
        process.terminate()
        process.wait(timeout=60)
        # Some of it may still write its last words.
        shutil.rmtree(temp, ignore_errors=True)
