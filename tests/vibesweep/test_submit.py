"""What `vibesweep submit` refuses before anything is sent, and what it sends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from zipfile import ZipFile

import pytest
from ray.job_submission import JobStatus

from cluster.jobs.client import Job
from cluster.jobs.credentials import ALWAYS, SEALED
from vibesweep.cli import run

if TYPE_CHECKING:
    from pathlib import Path

TOKEN = "7" * 64
RUNNING = Job("old", JobStatus.RUNNING, "python", "s", "/shared/s", None, None, None, 0, None, 1, "n", None)


class StandIn:
    """A cluster that takes everything and keeps what it was sent."""

    sent: dict[str, Any]
    jobs: tuple[Job, ...] = ()

    def __init__(self, address: str) -> None:
        self.address = address

    def all(self) -> list[Job]:
        return list(self.jobs)

    def submit(self, command: list[str], *, package: Path, **how: Any) -> str:
        with ZipFile(package) as packed:
            type(self).sent = {"command": command, "files": packed.namelist(), **how}
        return str(how["job_id"])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a sweep of two points on data of its own, and a token."""
    monkeypatch.setattr("cluster.jobs.client.Jobs", StandIn)
    monkeypatch.setattr(StandIn, "jobs", ())
    monkeypatch.setattr(StandIn, "sent", {}, raising=False)
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", TOKEN)
    for name in ALWAYS:
        monkeypatch.delenv(name, raising=False)
    work = tmp_path / "work"
    work.mkdir()
    (work / "vibes.jsonl").write_text('{"vibe_noisy": "late night neon"}\n{"vibe_noisy": "soft rain"}\n')
    (work / "s.yaml").write_text(
        "name: s\nbase: {base_model: tiny, max_steps: 1}\ndata: {train: vibes.jsonl, held_out: vibes.jsonl}\n"
        "space: {grpo.beta: [0.0, 0.05]}\n"
    )
    monkeypatch.chdir(work)
    return work


def submitted(*words: str) -> int:
    return run(["submit", "s.yaml", "--address", "http://far:8265", *words])


def test_the_working_directory_goes_with_the_command_that_runs_the_sweep(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HF_TOKEN", "planted")
    assert submitted("--storage", "/shared/", "--seeds", "3,4", "--force") == 0
    sent, printed = StandIn.sent, capsys.readouterr()
    assert sent["command"] == [
        "python", "-m", "vibesweep", "sweep", "run", "s.yaml", "--storage", "/shared", "--seeds", "3,4",
        "--force",
    ]  # fmt: skip
    assert sent["files"] == ["s.yaml", "vibes.jsonl"]
    assert set(sent["environment"]) == {"RAY_JOB_STOP_WAIT_TIME_S", SEALED}
    assert (sent["metadata"]["sweep"], sent["metadata"]["directory"]) == ("s", "/shared/s")
    assert len(sent["metadata"]["fingerprint"]) == 64
    assert printed.out.strip() == sent["job_id"]
    assert "variables passed, sealed: HF_TOKEN\n" in printed.err
    assert "planted" not in printed.out + printed.err + str(sent)


def test_two_sweeps_of_one_name_that_are_sent_at_once_are_two_jobs(folder: Path) -> None:
    assert submitted("--storage", "/shared/one") == 0
    one = StandIn.sent["job_id"]
    assert submitted("--storage", "/shared/other") == 0
    other = StandIn.sent["job_id"]
    assert one.startswith("s-")
    assert one != other


def test_without_a_token_no_credential_goes(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    monkeypatch.setenv("HF_TOKEN", "planted")
    assert submitted("--storage", "/shared") == 0
    told = capsys.readouterr().err
    assert "not passed, for without a token it would be readable: HF_TOKEN\n" in told
    assert "warning: http://far:8265 takes jobs without a token" in told
    assert SEALED not in StandIn.sent["environment"]


def test_data_elsewhere_is_named_and_what_is_not_here_is_left_to_the_cluster(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (folder / "s.yaml").read_text()
    (folder / "s.yaml").write_text(text.replace("train: vibes.jsonl", "train: /mnt/none/vibes.jsonl"))
    assert submitted("--storage", "/shared") == 0
    assert "not sent, every node must have it: /mnt/none/vibes.jsonl\n" in capsys.readouterr().err
    assert "fingerprint" not in StandIn.sent["metadata"]


def refused(capsys: pytest.CaptureFixture[str], *words: str, code: int = 2) -> str:
    assert submitted(*words) == code
    assert StandIn.sent == {}
    return capsys.readouterr().err


def test_a_storage_that_does_not_last_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "storage must be absolute for a job" in refused(capsys)
    assert "got 'runs'; add --storage /a/shared/folder" in refused(capsys, "--storage", "runs")


def test_a_sweep_that_cannot_work_is_refused_here(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "vibes.jsonl").write_text('{"vibe": "no such field"}\n')
    assert "data.prompt_field" in refused(capsys, "--storage", "/shared")
    (folder / "s.yaml").write_text("name: s\nspace: {grpo.betta: [0.0]}\n")
    assert "grpo.betta" in refused(capsys, "--storage", "/shared")


def test_what_the_sweep_needs_and_the_package_leaves_out_is_named(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / ".vibesweepignore").write_text("*.jsonl\n")
    told = refused(capsys, "--storage", "/shared")
    assert "data.train must be sent with the job, got" in told
    (folder / ".vibesweepignore").write_text("s.yaml\n")
    assert "the sweep file must be among what is sent, got 's.yaml'" in refused(
        capsys, "--storage", "/shared"
    )
    (folder / ".vibesweepignore").unlink()
    (folder / "model").mkdir()
    text = (folder / "s.yaml").read_text()
    (folder / "s.yaml").write_text(text.replace("base_model: tiny", "base_model: ./model"))
    told = refused(capsys, "--storage", "/shared")
    assert "base.base_model must not lie in the working directory of a job" in told


def test_a_second_driver_of_a_folder_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(StandIn, "jobs", (RUNNING,))
    assert "/shared/s must have one driver, and has the job old" in refused(capsys, "--storage", "/shared")
    monkeypatch.setattr(StandIn, "jobs", (RUNNING._replace(state=JobStatus.STOPPED),))
    assert submitted("--storage", "/shared") == 0
