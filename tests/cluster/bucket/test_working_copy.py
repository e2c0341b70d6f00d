"""A copy and its bucket: what is new or gone on one side comes to be on the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pyarrow.fs import FileSystem

from cluster.bucket.remote import Remote
from cluster.bucket.working_copy import BEST_FILE, WorkingCopy, is_kept
from common.errors import ClusterError
from common.records import EvaluationsRecord, ResultRecord
from trainables.best_adapter import BestRecord
from trainables.checkpoints import begin_checkpoint, find_start, finish_checkpoint

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

TRIAL = "trials/t000-s0"


class CutRemote(Remote):
    """Fails for good after so many writes and removals, as if its process had been killed."""

    left = 1_000_000

    def _count(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise OSError("Permission denied: cut off")

    def _put(self, name: str, chunks: Iterable[bytes]) -> None:
        self._count()
        super()._put(name, chunks)

    def _delete(self, name: str) -> None:
        self._count()
        super()._delete(name)


def store(folder: Path) -> CutRemote:
    filesystem, root = FileSystem.from_uri((folder / "store").as_uri())
    return CutRemote(filesystem, root, (folder / "store").as_uri(), waits_s=())


def test_half_written_files_and_those_of_the_driver_stay_here() -> None:
    assert is_kept("trials/t0/ledger/train-000004.parquet")
    for name in (
        "driver.json", ".lock", "tune/x/tuner.pkl", "trials/t0/.trial.json.12",
        "trials/t0/checkpoints/unfinished/checkpoint-4/weights", "trials/t0/ledger/train-000004.tmp12",
    ):  # fmt: skip
        assert not is_kept(name)


def test_the_record_of_the_best_adapter_is_the_one_that_is_meant() -> None:
    assert BestRecord.FILE == BEST_FILE


def test_changes_go_there_and_come_back(tmp_path: Path) -> None:
    remote = store(tmp_path)
    one, two = (WorkingCopy(remote, tmp_path / name) for name in ("one", "two"))
    (one.folder / TRIAL).mkdir(parents=True)
    (one.folder / TRIAL / "a").write_text("1")
    (one.folder / "root.json").write_text("1")
    one.push("", deep=False)
    assert remote.files() == ["root.json"]
    one.push()
    two.pull()
    assert (two.folder / TRIAL / "a").read_text() == "1"

    (one.folder / TRIAL / "a").unlink()
    (one.folder / TRIAL / "b").write_text("2")
    one.push(TRIAL)
    (two.folder / "root.json").write_text("mine")
    two.pull()
    assert sorted(path.name for path in two.folder.rglob("*") if path.is_file()) == ["b", "root.json"]
    assert (two.folder / "root.json").read_text() == "mine", "what was changed here is newer"
    two.push()
    assert remote.read("root.json") == b"mine"


def test_nothing_is_written_twice_and_what_was_not_pulled_is_left_alone(tmp_path: Path) -> None:
    remote = store(tmp_path)
    copy = WorkingCopy(remote, tmp_path / "one")
    (copy.folder / TRIAL).mkdir(parents=True)
    (copy.folder / TRIAL / "a").write_text("1")
    remote.write(f"{TRIAL}/checkpoints/checkpoint-4/weights", b"w")
    copy.pull(takes=lambda name: "checkpoints" not in name)
    copy.push()
    remote.left = 0
    copy.push()
    assert remote.files() == [f"{TRIAL}/a", f"{TRIAL}/checkpoints/checkpoint-4/weights"]


def work_to(trial: Path, step: int) -> None:
    """What a trial does between two checkpoints, in its order: rollouts, checkpoint, evaluation."""
    (trial / "ledger").mkdir(parents=True, exist_ok=True)
    (trial / "ledger" / f"train-{step:06d}.parquet").write_text(str(step))
    staging = begin_checkpoint(trial / "checkpoints") / f"checkpoint-{step}"
    staging.mkdir()
    for name in ("weights", "optimizer", "random"):
        (staging / name).write_text(f"{name} {step}")
    finish_checkpoint(trial / "checkpoints", step)
    (trial / "ledger" / f"held-out-{step:06d}.parquet").write_text(str(step))
    EvaluationsRecord.read(trial).with_evaluation(step, 0.1 * step, 1.0).write(trial)


@pytest.mark.parametrize("num_written", range(20))
def test_a_push_that_is_cut_off_leaves_what_a_trial_can_go_on_from(num_written: int, tmp_path: Path) -> None:
    remote = store(tmp_path)
    copy = WorkingCopy(remote, tmp_path / "work")
    trial = copy.folder / TRIAL
    for step in (2, 4):
        work_to(trial, step)
        copy.push(TRIAL)
    # The checkpoint of step 6 replaces that of 2, and with 8 the trial has ended: two ledger parts each, four
    # files of each of two checkpoints, two records; eight files are removed: 22 operations.
    work_to(trial, 6)
    work_to(trial, 8)
    ResultRecord(status="finished", objective=0.8).write(trial)
    remote.left = num_written
    with pytest.raises(ClusterError, match="cut off"):
        copy.push(TRIAL)

    remote.left = 1_000
    found = WorkingCopy(remote, tmp_path / "again")
    found.pull(TRIAL)
    start = find_start(found.folder / TRIAL)
    assert start.step in (4, 6, 8)
    steps = range(2, start.step + 1, 2)
    parts = {path.name for path in (found.folder / TRIAL / "ledger").iterdir()}
    assert {f"train-{step:06d}.parquet" for step in steps} <= parts, "rows it has seen are lost"
    told = EvaluationsRecord.read(found.folder / TRIAL).objectives
    assert {f"held-out-{step:06d}.parquet" for step in told} <= parts, "told of what the ledger has not"
    if ResultRecord.read(found.folder / TRIAL) is not None:
        assert (start.step, set(told)) == (8, {2, 4, 6, 8})
