"""Nodes that join a Ray head on this machine, each with its own processes, and are lost as machines are."""

from __future__ import annotations

import subprocess
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.cluster.ray_head import BIN, OBJECT_STORE_BYTES, Head, free_port, running_head

if TYPE_CHECKING:
    from collections.abc import Iterator

START_S = 120.0


class WorkerNode:
    """A node of one CPU that has joined."""

    def __init__(self, head: Head, number: int) -> None:
        """Start it, and wait until the head knows it.

        Args:
            head: what it joins.
            number: from 1 on; of all nodes that have ever joined that head.
        """
        self.name = name = f"node-{number}"
        said = head.temp / f"{name}.log"
        # A folder of its own, as on a machine of its own: a node deletes the job's files when it needs them
        # no more, and must not delete those that the others still need.
        temp = head.temp / name
        with said.open("w") as log:
            self._process = psutil.Popen(
                [
                    str(BIN / "ray"), "start", "--block", f"--address=127.0.0.1:{head.port}", "--num-cpus=1",
                    # An address of its own: a driver connects to any of the nodes that have its machine's.
                    f"--node-ip-address=127.0.1.{number}",
                    f"--object-store-memory={OBJECT_STORE_BYTES}", f"--temp-dir={temp}",
                    f"--dashboard-agent-listen-port={free_port()}",
                ],
                env=head.env, stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip
        deadline = time.monotonic() + START_S
        while "Ray runtime started" not in said.read_text():
            if self._process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"the node did not start:\n{said.read_text()}")
            time.sleep(0.2)

    def actors(self, kind: str) -> Iterator[psutil.Process]:
        """Its actors of a class."""
        for process in self._process.children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                if (process.cmdline() or [""])[0].startswith(f"ray::{kind}"):
                    yield process

    def scorers(self) -> list[psutil.Process]:
        """The scorers on it."""
        return list(self.actors("ScoringActor"))

    def trials(self) -> set[str]:
        """The trials that are at work on it; Tune lets each work in a folder that is named by it."""
        found = set()
        for process in self.actors("ImplicitFunc"):
            with suppress(psutil.NoSuchProcess):
                _, _, trial = Path(process.cwd()).name.partition("trial_id=")
                found |= {trial.partition("_")[0]} - {""}
        return found

    def kill(self) -> None:
        """Lose it: everything on it ends at once, without a word, as with a machine's power."""
        for process in [self._process, *self._process.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self._process.wait()


class Nodes:
    """A head that only drives, and the nodes that work for it."""

    def __init__(self, head: Head) -> None:
        self.head = head
        self.living: list[WorkerNode] = []
        self._num_started = 0

    def start(self) -> WorkerNode:
        """Let one more join."""
        self._num_started += 1
        node = WorkerNode(self.head, self._num_started)
        self.living.append(node)
        return node

    def kill(self, node: WorkerNode) -> None:
        """Lose one for good."""
        self.living.remove(node)
        node.kill()

    def with_scorer(self) -> WorkerNode:
        """The node on which the only scorer is."""
        (node,) = (node for node in self.living if node.scorers())
        return node


@contextmanager
def running_nodes(count: int) -> Iterator[Nodes]:
    """A head without CPUs and so many nodes with one each, and nothing left of them afterwards."""
    with running_head(num_cpus=0) as head:
        nodes = Nodes(head)
        try:
            for _ in range(count):
                nodes.start()
            yield nodes
        finally:
            for node in nodes.living:
                node.kill()
