"""A sweep of real trials sent as a job to three nodes, and what gets lost on the way: nothing of its ledger.

The nodes share this machine's disk. All sweeps here are the same one, so each must have the same ledger.
"""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple

import psutil
import pyarrow.compute as pc
import pytest

from cluster.driver_lease import DriverRecord
from cluster.scoring.report import PoolReport
from common.records import ResultRecord
from tests.cluster.ray_head import until
from tests.cluster.ray_nodes import Nodes, WorkerNode, running_nodes
from tests.comparable_ledger import comparable_ledger
from trainables.checkpoints import find_start

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

    import pyarrow as pa

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(1200)]

SWEEP = "tests/cluster/several_nodes.yaml"
STEPS = 6
TRIALS = {"t000-s0", "t001-s0"}
ALL = TRIALS | {"baseline-untrained", "baseline-random", "baseline-retrieval"}
DEADLINE_S = 500.0


@pytest.fixture(scope="module")
def cluster() -> Iterator[Nodes]:
    with running_nodes(2) as nodes:
        yield nodes


@pytest.fixture
def nodes(cluster: Nodes) -> Nodes:
    """Two nodes beside the head, whatever an earlier test has lost."""
    while len(cluster.living) < 2:
        cluster.start()
    return cluster


@contextmanager
def submitted(nodes: Nodes, storage: Path) -> Iterator[subprocess.Popen[str]]:
    with nodes.head.begun("submit", SWEEP, "--storage", str(storage), "--wait") as job:
        yield job


def outcome(job: subprocess.Popen[str]) -> tuple[int, str]:
    """Its exit code, and the line that says how it ended, once it has."""
    said, _ = job.communicate(timeout=DEADLINE_S)
    print(said)
    return job.returncode, said.splitlines()[-1].partition(": ")[2]


class Undisturbed(NamedTuple):
    outcome: tuple[int, str]
    directory: Path
    ledger: pa.Table
    trials_on: dict[str, set[str]]
    """Which trials were seen on which node."""


@pytest.fixture(scope="module")
def undisturbed(cluster: Nodes, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    storage = tmp_path_factory.mktemp("undisturbed")
    trials_on: dict[str, set[str]] = {node.name: set() for node in cluster.living}

    def is_over() -> bool:
        for node in cluster.living:
            trials_on[node.name] |= node.trials()
        return job.poll() is not None

    with submitted(cluster, storage) as job:
        until(is_over, DEADLINE_S, every_s=0.2)
        ended = outcome(job)
    directory = storage / "several"
    return Undisturbed(ended, directory, comparable_ledger(directory), trials_on)


def ended(directory: Path) -> dict[str, str]:
    """What each trial that has ended ended with."""
    return {path.parent.name: path.read_text() for path in directory.glob("trials/*/result.json")}


def is_midway(directory: Path, trial_id: str) -> bool:
    """Whether a trial has a checkpoint to go on from, and far to go."""
    folder = directory / "trials" / trial_id
    return any(folder.glob("checkpoints/checkpoint-[1-3]")) and ResultRecord.read(folder) is None


def wait_until_midway(directory: Path, job: subprocess.Popen[str]) -> None:
    def is_now() -> bool:
        assert job.poll() is None, outcome(job)
        return any(is_midway(directory, trial_id) for trial_id in TRIALS)

    until(is_now, DEADLINE_S, every_s=0.1)


def kept_parts(directory: Path, trial_id: str) -> dict[Path, int]:
    """The ledger's parts up to a trial's last checkpoint, and when each was written, in ns."""
    folder = directory / "trials" / trial_id
    step = find_start(folder).step
    assert 0 < step < STEPS
    parts = {path: path.stat().st_mtime_ns for path in folder.glob("ledger/*.parquet")}
    kept = {path: at for path, at in parts.items() if int(path.stem.rpartition("-")[2]) <= step}
    assert len(kept) == 1 + step  # the evaluation before the first step, and the rollouts of each
    return kept


def parts_of_unfinished(directory: Path) -> dict[Path, int]:
    """`kept_parts` of the trials that have not ended and have a checkpoint."""
    left = TRIALS - set(ended(directory))
    with_checkpoint = [one for one in left if find_start(directory / "trials" / one).step]
    return {path: at for one in with_checkpoint for path, at in kept_parts(directory, one).items()}


def are_as_they_were(parts: dict[Path, int]) -> bool:
    """Whether nothing was done again that the checkpoint had seen."""
    return {path: path.stat().st_mtime_ns for path in parts} == parts


def test_a_submitted_sweep_runs_its_trials_on_every_node_with_room(undisturbed: Undisturbed) -> None:
    assert undisturbed.outcome == (0, "all trials ended")
    results = {name: ResultRecord.read(undisturbed.directory / "trials" / name) for name in ALL}
    assert {name: result and result.status for name, result in results.items()} == dict.fromkeys(
        ALL, "finished"
    )
    one, other = undisturbed.trials_on.values()
    assert one
    assert other
    assert one | other >= TRIALS
    # Two trials of 6 steps x 8 rollouts and 8 vibes before and after; three baselines of 8 vibes.
    ledger = undisturbed.ledger
    assert ledger.num_rows == 2 * (48 + 16) + 3 * 8
    assert ledger["unscored_reason"].null_count == ledger.num_rows
    assert pc.count_distinct(ledger["audio"]).as_py() > 20


def test_a_lost_node_loses_nothing_that_had_ended_and_its_trial_goes_on_elsewhere(
    undisturbed: Undisturbed, nodes: Nodes, tmp_path: Path
) -> None:
    directory = tmp_path / "several"
    with submitted(nodes, tmp_path) as job:
        lost: list[tuple[WorkerNode, str]] = []

        def one_is_midway() -> bool:
            assert job.poll() is None, outcome(job)
            lost.extend(
                (node, trial_id)
                for node in nodes.living
                for trial_id in node.trials() & TRIALS
                if not node.scorers() and is_midway(directory, trial_id)
            )
            return bool(lost)

        until(one_is_midway, DEADLINE_S, every_s=0.1)
        (node, trial_id), *_ = lost
        nodes.kill(node)
        before, parts = ended(directory), kept_parts(directory, trial_id)
        assert before
        assert trial_id not in before
        assert outcome(job) == (0, "all trials ended")
    assert ended(directory).items() >= before.items()
    assert are_as_they_were(parts)
    assert comparable_ledger(directory).equals(undisturbed.ledger)


def test_a_scorer_lost_with_its_node_comes_back_on_another_for_those_who_wait(
    undisturbed: Undisturbed, nodes: Nodes, tmp_path: Path
) -> None:
    directory = tmp_path / "several"
    with submitted(nodes, tmp_path) as job:
        wait_until_midway(directory, job)
        # It is on the driver's node, the head, with which alone the pool is lost.
        assert not any(list(node.actors("ScoringDispatcher")) for node in nodes.living)
        node = nodes.with_scorer()
        (scorer,) = node.scorers()
        # Until it owes something to both who run: nobody asks for more than 8 completions at once.
        scorer.suspend()
        until(lambda: PoolReport.read(directory).unanswered > 8)
        nodes.kill(node)
        (other,) = nodes.living
        until(lambda: len(other.scorers()) == 1, every_s=0.1)
        parts = parts_of_unfinished(directory)
        assert outcome(job) == (0, "all trials ended")
    report = PoolReport.read(directory)
    assert (report.lost_scorers, report.unscored) == (1, 0)
    assert are_as_they_were(parts)
    assert comparable_ledger(directory).equals(undisturbed.ledger)


def test_a_sweep_whose_driver_was_killed_is_finished_by_the_same_command(
    undisturbed: Undisturbed, nodes: Nodes, tmp_path: Path
) -> None:
    directory = tmp_path / "several"
    with submitted(nodes, tmp_path) as job:
        wait_until_midway(directory, job)
        (scorer,) = nodes.with_scorer().scorers()
        scorer.suspend()  # so that no trial ends before it hears of its driver's death
        os.kill(DriverRecord.read(directory).pid, signal.SIGKILL)
        code, said = outcome(job)
    assert (code, "submit it again" in said) == (4, True)
    until(lambda: not any(node.trials() for node in nodes.living))
    with suppress(psutil.NoSuchProcess):
        scorer.resume()
    until(lambda: not any(node.scorers() for node in nodes.living))
    before = ended(directory)
    assert set(before) < ALL
    parts = parts_of_unfinished(directory)
    assert parts

    with submitted(nodes, tmp_path) as job:
        assert outcome(job) == (0, "all trials ended")
    assert ended(directory).items() >= before.items()
    assert are_as_they_were(parts)
    assert comparable_ledger(directory).equals(undisturbed.ledger)


def test_two_sweeps_of_one_name_at_once_are_each_as_if_alone(
    undisturbed: Undisturbed, nodes: Nodes, tmp_path: Path
) -> None:
    storages = tmp_path / "one", tmp_path / "other"
    with submitted(nodes, storages[0]) as one, submitted(nodes, storages[1]) as other:
        until(lambda: sum(len(node.scorers()) for node in nodes.living) == 2, DEADLINE_S, every_s=0.5)
        assert outcome(one) == (0, "all trials ended")
        assert outcome(other) == (0, "all trials ended")
    for storage in storages:
        assert comparable_ledger(storage / "several").equals(undisturbed.ledger)
