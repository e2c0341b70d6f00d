"""A sweep directory belongs to one sweep and one driver."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cluster.sweep_directory import claimed, stored_sweep, sweep_directory, sweep_record
from common.errors import ClusterError, UserError
from common.records import write_text_atomically

if TYPE_CHECKING:
    from search_spaces.sweep_file import SweepFile
    from tests.cluster.conftest import MakeSweep


def test_the_directory_is_absolute_below_the_storage(
    make_sweep: MakeSweep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert sweep_directory(make_sweep()) == tmp_path / "runs" / "stand-in"
    assert sweep_directory(make_sweep(storage="a")) == tmp_path / "a" / "stand-in"
    assert sweep_directory(make_sweep(storage="a"), "/b/c") == Path("/b/c/stand-in")


def test_a_job_must_name_an_absolute_storage(make_sweep: MakeSweep, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", "{}")
    for storage in (None, "out"):
        with pytest.raises(UserError, match=r"storage must be absolute inside a submitted job"):
            sweep_directory(make_sweep(), storage)
    assert sweep_directory(make_sweep(), "/b") == Path("/b/stand-in")


def test_a_url_is_the_storage_of_a_sweep_too(make_sweep: MakeSweep, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", "{}")
    assert sweep_directory(make_sweep(storage="s3://bucket/x/")) == "s3://bucket/x/stand-in"
    url = "s3://bucket/x?endpoint_override=127.0.0.1%3A9000"
    assert sweep_directory(make_sweep(), url) == url.replace("/x?", "/x/stand-in?")
    with pytest.raises(UserError, match=r"without credentials"):
        sweep_directory(make_sweep(), "s3://me:hush@bucket/x")
    with pytest.raises(UserError, match=r"without credentials"):
        sweep_directory(make_sweep(storage="s3://me:hush@bucket/x"), "/b")


def test_the_record_names_data_by_content_and_the_code_that_ran(make_sweep: MakeSweep) -> None:
    record = sweep_record(make_sweep())
    # Both splits are the same file here.
    assert record.data_sha256["train"] == record.data_sha256["held_out"]
    assert record.versions["ray"].startswith("2.")
    assert record.git_revision is None or len(record.git_revision) >= 40


def claim(directory: Path, sweep: SweepFile, *, overwrite: bool = False) -> None:
    with claimed(directory, sweep_record(sweep), overwrite=overwrite):
        write_text_atomically(directory / "trials" / "t000-s0" / "result.json", "{}")


def test_the_same_sweep_goes_on_and_another_is_refused_without_overwrite(
    make_sweep: MakeSweep, tmp_path: Path
) -> None:
    directory = tmp_path / "sweep"
    claim(directory, make_sweep())
    claim(directory, make_sweep(resources={"scorers": 3}))
    with pytest.raises(UserError, match=r"must hold this same sweep, .*--overwrite"):
        claim(directory, make_sweep(seeds=[7]))
    assert stored_sweep(directory).sweep.seeds == (0,)

    (directory / "leftover").write_text("x")
    claim(directory, make_sweep(seeds=[7]), overwrite=True)
    assert stored_sweep(directory).sweep.seeds == (7,)
    assert not (directory / "leftover").exists()


def test_a_longer_search_and_a_larger_budget_replace_the_stored_ones(
    make_sweep: MakeSweep, tmp_path: Path
) -> None:
    def searched(trials: int, hours: float) -> SweepFile:
        return make_sweep(search={"mode": "random", "trials": trials}, budget={"hours": hours})

    directory = tmp_path / "sweep"
    claim(directory, searched(2, 1))
    first = stored_sweep(directory)
    first.model_copy(update={"git_revision": "of its start"}).write(directory)
    claim(directory, searched(5, 2))
    now = stored_sweep(directory)
    assert (now.sweep.search.trials, now.sweep.budget.hours) == (5, 2)
    assert (now.fingerprint, now.git_revision) == (first.fingerprint, "of its start")


def test_a_folder_of_something_else_is_never_touched(make_sweep: MakeSweep, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    for overwrite in (False, True):
        with pytest.raises(UserError, match=r"must be empty or a sweep directory, .*'thesis.tex'"):
            claim(tmp_path, make_sweep(), overwrite=overwrite)
    assert {path.name for path in tmp_path.iterdir()} == {"thesis.tex", "vibes.jsonl"}


def test_what_cannot_be_written_is_refused(make_sweep: MakeSweep, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"storage must be a folder, got the file"):
        claim(tmp_path / "file", make_sweep())
    with pytest.raises(UserError, match=r"storage must be a folder that can be written"):
        claim(tmp_path / "file" / "below", make_sweep())


def test_a_second_driver_is_refused_while_the_first_works(make_sweep: MakeSweep, tmp_path: Path) -> None:
    directory = tmp_path / "sweep"
    record = sweep_record(make_sweep())
    with claimed(directory, record, overwrite=False):
        write_text_atomically(directory / "trials" / "t000-s0" / "result.json", "{}")
        with (
            pytest.raises(UserError, match=r"must have one driver"),
            claimed(directory, record, overwrite=True),
        ):
            pass
        assert (directory / "trials").is_dir()
    claim(directory, make_sweep())


def fail_after_writing(file: str, directory: Path, sweep: SweepFile) -> None:
    with claimed(directory, sweep_record(sweep), overwrite=False):
        write_text_atomically(directory / "trials" / "t000-s0" / file, "{}")
        raise ClusterError("no scorer")


def test_a_start_that_fails_leaves_nothing(make_sweep: MakeSweep, tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match=r"no scorer"):
        fail_after_writing("trial.json", tmp_path / "sweep", make_sweep())
    assert not (tmp_path / "sweep").exists()


def test_a_failure_after_work_was_done_keeps_everything(make_sweep: MakeSweep, tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match=r"no scorer"):
        fail_after_writing("result.json", tmp_path / "sweep", make_sweep())
    assert (tmp_path / "sweep" / "sweep.json").is_file()


def test_a_folder_without_a_record_is_no_sweep(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"must be a sweep directory, got a folder without sweep.json"):
        stored_sweep(tmp_path)
    (tmp_path / "sweep.json").write_text("{}")
    with pytest.raises(UserError, match=r"must be a sweep record of this version"):
        stored_sweep(tmp_path)
