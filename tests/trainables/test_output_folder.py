"""The folder of a training run keeps what it holds until there is something to put in its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from common.errors import TrialError, UserError
from trainables.checkpoints import begin_checkpoint, finish_checkpoint
from trainables.output_folder import claimed_output

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A finished run."""
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "adapter_config.json").write_text("old")
    return folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def refuse(folder: Path, *, overwrite: bool, goes_on: bool = False) -> None:
    """A run that has begun to write when its input turns out to be bad."""
    with claimed_output(folder, overwrite=overwrite, goes_on=goes_on):
        if not goes_on:
            assert names(folder) == []
            (folder / "half").touch()
        raise UserError("a broken row")


def test_a_refused_run_leaves_what_it_was_to_replace(run: Path) -> None:
    with pytest.raises(UserError, match=r"^a broken row$"):
        refuse(run, overwrite=True)
    assert names(run) == ["adapter_config.json"]
    assert names(run.parent) == ["run"]


@pytest.mark.parametrize("ending", [None, TrialError("the loss is nan")])
def test_a_run_that_began_replaces_the_one_before(run: Path, ending: Exception | None) -> None:
    def train() -> None:
        with claimed_output(run, overwrite=True, goes_on=False):
            (run / "new").touch()
            if ending:
                raise ending

    if ending:
        with pytest.raises(TrialError):
            train()
    else:
        train()
    assert names(run) == ["new"]
    assert names(run.parent) == ["run"]


@pytest.mark.parametrize(
    ("checkpoint", "left"),
    [(False, ["adapter_config.json"]), (True, ["checkpoints"])],
    ids=["before", "after"],
)
def test_a_run_that_is_interrupted_replaces_the_one_before_once_it_can_go_on(
    run: Path, checkpoint: bool, left: list[str]
) -> None:
    with pytest.raises(KeyboardInterrupt), claimed_output(run, overwrite=True, goes_on=False):  # noqa: PT012
        begin_checkpoint(run / "checkpoints")
        if checkpoint:
            (run / "checkpoints/unfinished/checkpoint-2").mkdir()
            finish_checkpoint(run / "checkpoints", 2)
        raise KeyboardInterrupt
    assert names(run) == left
    assert names(run.parent) == ["run"]


def test_a_folder_that_holds_no_run_is_never_deleted(tmp_path: Path) -> None:
    folder = tmp_path / "papers"
    folder.mkdir()
    (folder / "thesis.txt").write_text("years")
    rule = r"^--overwrite replaces a training run only, got .*papers', which holds none; name another folder$"
    with pytest.raises(UserError, match=rule):
        refuse(folder, overwrite=True)
    assert names(folder) == ["thesis.txt"]


def test_the_working_directory_is_never_deleted(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (run / "inside").mkdir()
    monkeypatch.chdir(run / "inside")
    with pytest.raises(UserError, match=r"^--output must not hold the working directory, got '\.\.'"):
        refuse(type(run)(".."), overwrite=True)
    assert names(run) == ["adapter_config.json", "inside"]


def test_bad_input_leaves_no_folder_and_a_run_that_goes_on_stays(run: Path, tmp_path: Path) -> None:
    for folder, goes_on in ((tmp_path / "fresh", False), (run, True)):
        with pytest.raises(UserError, match=r"^a broken row$"):
            refuse(folder, overwrite=False, goes_on=goes_on)
    assert names(tmp_path) == ["run"]
    assert names(run) == ["adapter_config.json"]
