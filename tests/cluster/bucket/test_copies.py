"""What the driver and a trial see of a sweep in a bucket, and what they leave there."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cluster.bucket.driver import opened_bucket
from cluster.bucket.lease import bucket_lease, is_driven_there
from cluster.bucket.remote import Remote
from cluster.bucket.sweep_place import kept_at, stored_at
from cluster.bucket.trial import at_work
from cluster.driver_lease import DriverRecord
from cluster.sweep_directory import claimed, sweep_record
from cluster.task import SweepTask, TrialCode
from common.errors import ClusterError, UserError
from common.objective import ObjectiveConfig
from common.records import ResultRecord, StopRecord, write_text_atomically

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from search_spaces.sweep_file import SweepFile
    from tests.cluster.conftest import MakeSweep

ELSEWHERE = DriverRecord(host="node-7", pid=12, since=1.0)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return (tmp_path / "store" / "stand-in").as_uri()


def work(url: str, sweep: SweepFile, trial: str, *, overwrite: bool = False) -> None:
    with opened_bucket(url) as copy, claimed(copy.directory, sweep_record(sweep), overwrite=overwrite):
        copy.begin(overwrite=overwrite)
        write_text_atomically(copy.directory / "trials" / trial / "result.json", "{}")


def test_what_a_driver_writes_is_there_when_it_leaves(make_sweep: MakeSweep, url: str) -> None:
    sweep = make_sweep()
    work(url, sweep, "t000-s0")
    assert Remote.at(url).files() == ["sweep.json", "trials/t000-s0/result.json"]
    assert stored_at(url).sweep == sweep
    with pytest.raises(UserError, match=r"must hold this same sweep, got another one"):
        work(url, make_sweep(seeds=[7]), "t000-s0")
    assert stored_at(url).sweep == sweep


def test_overwriting_leaves_nothing_of_what_was_there(make_sweep: MakeSweep, url: str) -> None:
    work(url, make_sweep(), "t000-s0")
    remote = Remote.at(url)
    remote.write("trials/t000-s0/checkpoints/checkpoint-4/weights", b"")  # which the driver has no copy of
    remote.write("tensorboard/t000-s0/events", b"")
    work(url, make_sweep(seeds=[7]), "t001-s0", overwrite=True)
    assert remote.files() == ["sweep.json", "trials/t001-s0/result.json"]
    assert stored_at(url).sweep.seeds == (7,)


def fail(url: str, sweep: SweepFile) -> None:
    with opened_bucket(url) as copy, claimed(copy.directory, sweep_record(sweep), overwrite=False):
        copy.begin(overwrite=False)
        raise ClusterError("no scorer")


def test_a_start_that_fails_leaves_nothing_unless_a_trial_has_worked(make_sweep: MakeSweep, url: str) -> None:
    remote = Remote.at(url)
    with pytest.raises(ClusterError, match="no scorer"):
        fail(url, make_sweep())
    assert remote.files() == []
    with opened_bucket(url) as copy, claimed(copy.directory, sweep_record(make_sweep()), overwrite=False):
        write_text_atomically(copy.directory / "trials" / "t000-s0" / "trial.json", "{}")
    remote.write("trials/t000-s0/checkpoints/checkpoint-4/weights", b"")
    with pytest.raises(ClusterError, match="no scorer"):
        fail(url, make_sweep())
    assert remote.files() == [
        "sweep.json", "trials/t000-s0/checkpoints/checkpoint-4/weights", "trials/t000-s0/trial.json",
    ]  # fmt: skip


def test_a_place_of_something_else_is_never_touched(make_sweep: MakeSweep, url: str) -> None:
    remote = Remote.at(url)
    remote.write("thesis.tex", b"years of work")
    with pytest.raises(UserError, match=r"must be empty or a sweep's place, got .* with 'thesis.tex'"):
        work(url, make_sweep(), "t000-s0", overwrite=True)
    assert remote.files() == ["thesis.tex"]
    with pytest.raises(UserError, match=r"must be a sweep, got nothing named sweep.json"):
        stored_at(url)


def test_trials_of_several_workers_are_refused_in_a_bucket(make_sweep: MakeSweep, url: str) -> None:
    sweep = make_sweep(base={"base_model": "tiny", "infra.num_workers": 2})
    with (
        pytest.raises(UserError, match=r"several workers must share a folder, got file:/"),
        kept_at(sweep, url),
    ):
        pass


def test_a_silent_driver_is_replaced_and_one_that_beats_is_not(url: str) -> None:
    remote = Remote.at(url)
    remote.write(DriverRecord.FILE, ELSEWHERE.model_dump_json().encode())
    assert is_driven_there(remote)
    with bucket_lease(remote, every_s=0.05, silent_after_s=0.3) as beats:
        with pytest.raises(UserError, match=r"must have one driver"), bucket_lease(remote):
            pass
        remote.delete(DriverRecord.FILE)
        deadline = time.monotonic() + 10
        while remote.read(DriverRecord.FILE) is None:
            assert time.monotonic() < deadline, "no beat"
        # Another one, which does not hear this one, writes its record.
        remote.write(DriverRecord.FILE, ELSEWHERE.model_dump_json().encode())
        with pytest.raises(KeyboardInterrupt):
            time.sleep(10)
        assert beats.was_replaced
    assert remote.read(DriverRecord.FILE) is not None, "that is the other one's"


def task(url: str) -> SweepTask:
    return SweepTask("stand-in", "/nowhere", "", "", ObjectiveConfig(), None, TrialCode(), bucket=url)


def test_a_trial_keeps_before_it_tells_and_hears_of_a_stop(url: str, cache: Path) -> None:
    remote = Remote.at(url)
    remote.write("trials/t000-s0/trial.json", b"{}")
    heard: list[str] = []

    def tell(progress: Mapping[str, Any]) -> None:
        heard.extend(remote.files())
        remote.write(StopRecord.FILE, StopRecord(asked=True).model_dump_json().encode())

    with at_work(task(url), "t000-s0") as place:
        folder = Path(place.task.directory)
        assert folder.is_relative_to(cache)
        assert (folder / "trials" / "t000-s0" / "trial.json").read_text() == "{}"
        assert not StopRecord.read(folder).asked
        for name in ("trials/t000-s0/ledger/held-out-000002.parquet", "tensorboard/t000-s0/events"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text("2")
        place.telling(tell)({"step": 2})
        assert heard == ["trials/t000-s0/ledger/held-out-000002.parquet", "trials/t000-s0/trial.json"]
        assert StopRecord.read(folder).asked
        ResultRecord(status="finished").write(folder / "trials" / "t000-s0")
    assert "trials/t000-s0/result.json" in remote.files()
    assert "tensorboard/t000-s0/events" in remote.files()
    assert not folder.exists()
