"""What `vibesweep status` says of a sweep before, while and after it runs."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from ray.job_submission import JobStatus

from cluster.jobs.client import Job
from cluster.scoring.report import PoolReport
from cluster.spent import SpentRecord
from cluster.sweep_directory import claimed, stored_sweep, sweep_record
from common.errors import ClusterError
from common.records import ResultRecord, TrialRecord
from common.training_config import TrainingConfig
from search_spaces.sweep_file import SweepFile, load_sweep_file
from vibesweep.cli import run

if TYPE_CHECKING:
    from collections.abc import Iterator

QUICKSTART = Path(__file__).parents[2] / "sweeps" / "quickstart.yaml"


def put_trial(directory: Path, trial_id: str, kind: str = "trial", **result: object) -> None:
    folder = directory / "trials" / trial_id
    TrialRecord.model_validate(
        {
            "trial_id": trial_id,
            "kind": kind,
            "number": 0,
            "label": f"label of {trial_id}",
            "params": {},
            "seed": 3,
            "config_hash": "0",
            "config": TrainingConfig(),
        }
    ).write(folder)
    if result:
        ResultRecord.model_validate(result).write(folder)


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    """A sweep of eight trials under a driver, which has not stored its baselines."""
    with claimed(tmp_path / "sweep", sweep_record(load_sweep_file(QUICKSTART)), overwrite=False):
        yield tmp_path / "sweep"
        put_trial(tmp_path / "sweep", "kept")  # an empty claim would be taken back


def found(directory: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    assert run(["status", str(directory), "--json"]) == 0
    content: dict[str, object] = json.loads(capsys.readouterr().out)
    return content


def test_a_sweep_that_has_just_begun(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status = found(directory, capsys)
    assert status["driven"] is True
    assert status["trials"] == {"planned": 8, "added": 0, "open": 0, "finished": 0, "stopped": 0, "failed": 0}
    assert status["best"] is None
    assert status["scorers"] is None
    assert run(["status", str(directory)]) == 0
    assert "none ended" in capsys.readouterr().out


def test_trials_scorers_and_what_was_spent(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put_trial(directory, "base", kind="untrained_policy", status="finished", objective=0.9)
    put_trial(directory, "good", status="finished", objective=0.5)
    put_trial(directory, "bad", status="finished", objective=0.4)
    put_trial(directory, "gone", status="failed", reason="x")
    put_trial(directory, "open")
    SpentRecord(hours=1.5, gpu_hours=0.0).write(directory)
    PoolReport(
        at=time.time() - 7, scorers=1, wanted_scorers=2, answered=64, unscored=1, mean_batch=6.5,
        latency_p50_s=0.25, latency_p95_s=0.75, answers_per_s=20.0, hit_rate=0.125, lost_scorers=1,
    ).write(directory)  # fmt: skip
    status = found(directory, capsys)
    assert status["trials"] == {"planned": 9, "added": 0, "open": 1, "finished": 3, "stopped": 0, "failed": 1}
    assert status["best"] == {"objective": 0.5, "label": "label of good", "seed": 3}
    assert run(["status", str(directory)]) == 0
    text = " ".join(capsys.readouterr().out.split())
    for part in (
        "a driver is at work", "3 finished, 1 failed, 1 open", "0.500 label of good, seed 3", "1 of 2",
        "20.0 scores/s", "6.5 clips a batch", "12% from the cache", "0.25 s median, 0.75 s at 95 %",
        "64 answered, 1 unscored, 1 scorers lost, 7 s ago", "1.50 hours",
    ):  # fmt: skip
        assert part in text


def test_a_sweep_whose_driver_is_gone(
    directory: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    other = tmp_path / "other"
    with claimed(other, sweep_record(load_sweep_file(QUICKSTART)), overwrite=False):
        put_trial(other, "open")
    PoolReport(at=time.time(), scorers=2, wanted_scorers=2, answered=9, answers_per_s=5.0).write(other)
    assert found(other, capsys)["driven"] is False
    assert run(["status", str(other)]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "scorers gone with their driver" in text
    assert "9 answered" in text
    assert "scores/s" not in text
    assert found(directory, capsys)["driven"] is True


def test_another_folder_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["status", str(tmp_path)]) == 2
    assert "must be a sweep directory, got a folder without sweep.json" in capsys.readouterr().err
    assert run(["status", str(tmp_path / "nowhere")]) == 2
    assert "got no folder" in capsys.readouterr().err


def test_what_is_left_is_told_by_what_has_ended(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert found(directory, capsys)["left"] == {"hours": None, "budget": {}}
    for number in range(4):
        put_trial(directory, f"t{number}", status="finished", objective=0.5)
    SpentRecord(hours=2.0, gpu_hours=3.0).write(directory)
    # 4 of 8 took 2 hours, so the other 4 take 2; baselines count from when they are stored.
    assert found(directory, capsys)["left"] == {"hours": pytest.approx(2.0), "budget": {}}
    budget = {"hours": 2.5, "money": 5.0, "price_per_gpu_hour": 2.0}
    record = stored_sweep(directory)
    limited = SweepFile.model_validate(record.sweep.model_dump() | {"budget": budget})
    record.model_copy(update={"sweep": limited}).write(directory)
    # 3 GPU-hours at 2.0 are 6.0, beyond the 5.0.
    assert found(directory, capsys)["left"] == {
        "hours": pytest.approx(2.0),
        "budget": {"hours": pytest.approx(0.5), "money": 0.0},
    }
    assert run(["status", str(directory)]) == 0
    assert "about 2.0 h of trials; of the budget hours 0.5, money 0" in capsys.readouterr().out


class StandIn:
    """The jobs of a cluster with one job, whose head answers as Ray lets it: after lines of its own."""

    answer = 'Running entrypoint for job x\n{\n  "name": "far",\n  "driven": true\n}\n'

    def __init__(self, address: str) -> None:
        assert address == "http://far:8265"

    def find(self, job_id: str) -> Job:
        state, folder = JobStatus.FAILED, "/not/here"
        return Job(job_id, state, "python", "far", folder, "f", 1, None, 0, 1, None, None, "gcs://p.zip")

    def log(self, job_id: str) -> str:
        return "far: starting Ray\nfailed: t001-s0 (lora.r=4): out of memory\n"

    def ask(self, command: list[str], *, package: str | None) -> str:
        assert (command[3:], package) == (["status", "/not/here", "--json"], "gcs://p.zip")
        if not self.answer:
            raise ClusterError("a short command failed on the cluster: no such package")
        return self.answer


def test_a_job_is_told_with_its_end_and_the_folder_as_the_cluster_sees_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("cluster.jobs.client.Jobs", StandIn)
    words = ["status", "far-1124-093000", "--address", "http://far:8265"]
    assert run([*words, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["name"], told["job"]["exit_code"], told["job"]["state"]) == ("far", 1, "FAILED")
    assert told["job"]["reasons"] == ["failed: t001-s0 (lora.r=4): out of memory"]

    monkeypatch.setattr(StandIn, "answer", "")
    assert run(words) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert text == (
        "job far-1124-093000: some trials failed (exit code 1) failed: t001-s0 (lora.r=4): out of memory "
        "folder /not/here sweep a short command failed on the cluster: no such package"
    )
