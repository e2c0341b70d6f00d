"""A damaged checkpoint is passed over, out loud, and the trial ends as if nothing had been."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from safetensors.torch import load_file

from common.records import FallbacksRecord
from trainables.checkpoints import (
    Checkpoint,
    begin_checkpoint,
    find_start,
    finish_checkpoint,
    mark_complete,
    set_aside,
    take_over,
)
from trainables.checksums import CHECKSUMS_FILE
from trainables.trial import run_trial

if TYPE_CHECKING:
    from rewards.scorer import Scorer
    from tests.trainables.conftest import ReadLedger
    from trainables.spec import Progress, TrialSpec

Damage = Callable[[Path], None]

SETTINGS = {"max_steps": 6, "logging__eval_steps": 3}
"""Checkpoints at 2, 4 and 6, evaluations at 0, 3 and 6."""

FILES = {
    "adapter_config.json",
    "adapter_model.safetensors",
    "chat_template.jinja",
    CHECKSUMS_FILE,
    "optimizer.pt",
    "rng_state.pth",
    "scheduler.pt",
    "tokenizer.json",
    "tokenizer_config.json",
    "trainer_state.json",
    "training_args.bin",
}
"""What a checkpoint consists of."""


class StoppedError(Exception):
    """What a killed trial is to its code."""


def stop_at_five(progress: Progress) -> None:
    if progress.step == 5:
        raise StoppedError


def quiet(progress: Progress) -> None:
    pass


def truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def flip_a_byte(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def delete(file: Path) -> None:
    file.unlink()


DAMAGES = {"truncated": truncate, "one bit flipped": flip_a_byte, "deleted": delete}


def stopped_trial(spec: TrialSpec, scorer: Scorer) -> Path:
    """Checkpoints at 2 and 4; the step after it was taken, and evaluated at 3, and lost."""
    with pytest.raises(StoppedError):
        run_trial(spec, scorer, scorer, stop_at_five)
    return Path(spec.directory) / "checkpoints"


def adapter(spec: TrialSpec) -> dict[str, torch.Tensor]:
    weights: dict[str, torch.Tensor] = load_file(
        Path(spec.directory) / "adapter" / "adapter_model.safetensors"
    )
    return weights


def check_equal(spec: TrialSpec, whole: TrialSpec, read_ledger: ReadLedger) -> None:
    weights = adapter(spec)
    for name, expected in adapter(whole).items():
        assert torch.equal(weights[name], expected), name
    assert read_ledger(spec.directory) == read_ledger(whole.directory)


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_damage_to_any_file_of_a_checkpoint_is_noticed(
    make_spec: Callable[..., TrialSpec], stub_scorer: Scorer, damage: Damage
) -> None:
    spec = make_spec(**SETTINGS)
    newest = stopped_trial(spec, stub_scorer) / "checkpoint-4"
    assert {file.name for file in newest.iterdir()} == FILES
    for file in sorted(newest.iterdir()):
        start = find_start(Path(spec.directory))
        assert (start.step, start.passed_over) == (4, ())
        content = file.read_bytes()
        damage(file)
        start = find_start(Path(spec.directory))
        assert start.checkpoint == (2, newest.with_name("checkpoint-2")), file.name
        ((passed_over, reason),) = start.passed_over
        assert passed_over == (4, newest)
        assert file.name in reason or file.name == CHECKSUMS_FILE
        file.write_bytes(content)


@pytest.mark.slow
@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_trial_with_any_file_damaged_ends_as_an_undamaged_one(
    make_spec: Callable[..., TrialSpec], stub_scorer: Scorer, read_ledger: ReadLedger, damage: Damage
) -> None:
    whole, stopped = make_spec("whole", **SETTINGS), make_spec("stopped", **SETTINGS)
    run_trial(whole, stub_scorer, stub_scorer, quiet)
    stopped_trial(stopped, stub_scorer)
    for file in sorted(FILES):
        spec = make_spec(file, **SETTINGS)
        shutil.copytree(stopped.directory, spec.directory)
        damage(Path(spec.directory) / "checkpoints" / "checkpoint-4" / file)
        run_trial(spec, stub_scorer, stub_scorer, quiet)
        assert len(FallbacksRecord.read(Path(spec.directory)).notices) == 1, file
        check_equal(spec, whole, read_ledger)


@pytest.mark.parametrize(("damaged", "step"), [((4,), 2), ((2, 4), 0)], ids=["the newest", "all"])
def test_a_trial_goes_on_from_what_is_whole_and_says_so(
    make_spec: Callable[..., TrialSpec],
    stub_scorer: Scorer,
    read_ledger: ReadLedger,
    *,
    caplog: pytest.LogCaptureFixture,
    damaged: tuple[int, ...],
    step: int,
) -> None:
    whole, spec = make_spec("whole", **SETTINGS), make_spec("t000-s1", **SETTINGS)
    run_trial(whole, stub_scorer, stub_scorer, quiet)
    checkpoints = stopped_trial(spec, stub_scorer)
    for number in damaged:
        flip_a_byte(checkpoints / f"checkpoint-{number}" / "optimizer.pt")

    seen: list[Progress] = []
    parts: list[list[str]] = []

    def watch(progress: Progress) -> None:
        seen.append(progress)
        parts.append(sorted(part.stem for part in Path(spec.directory).glob("ledger/*.parquet")))

    run_trial(spec, stub_scorer, stub_scorer, watch)
    goes_on = {2: "goes on from step 2", 0: "starts from the beginning"}[step]
    reasons = "; ".join(f"checkpoint-{number}: optimizer.pt is damaged" for number in damaged[::-1])
    notice = f"{goes_on}, as a later checkpoint cannot be used ({reasons})"
    assert f"t000-s1: {notice}" in caplog.messages
    assert FallbacksRecord.read(Path(spec.directory)).notices == (notice,)
    assert [(p.step, p.total_steps, p.notice) for p in seen if p.notice] == [(step, 6, notice)]
    # Rows of later steps have left the ledger before anything is done again.
    assert parts[0] == {2: ["held-out-000000", "train-000002"], 0: ["held-out-000000"]}[step]
    check_equal(spec, whole, read_ledger)
    assert sorted(path.name for path in checkpoints.iterdir()) == [
        "checkpoint-4",
        "checkpoint-6",
        *(f"damaged-{number}" for number in damaged),
    ]
    assert find_start(Path(spec.directory)).passed_over == ()


def test_an_undamaged_trial_says_nothing(
    make_spec: Callable[..., TrialSpec], stub_scorer: Scorer, caplog: pytest.LogCaptureFixture
) -> None:
    spec = make_spec(**SETTINGS)
    stopped_trial(spec, stub_scorer)
    seen: list[Progress] = []
    run_trial(spec, stub_scorer, stub_scorer, seen.append)
    assert {progress.notice for progress in seen} == {None}
    assert caplog.messages == []
    assert not (Path(spec.directory) / FallbacksRecord.FILE).exists()


def test_a_checkpoint_appears_whole_and_two_are_kept(tmp_path: Path) -> None:
    for step in (2, 4, 6):
        staging = begin_checkpoint(tmp_path)
        (staging / f"checkpoint-{step}").mkdir()
        (staging / f"checkpoint-{step}" / "weights").write_text(str(step))
        there = sorted(path.name for path in tmp_path.glob("checkpoint-*"))
        assert there == {2: [], 4: ["checkpoint-2"], 6: ["checkpoint-2", "checkpoint-4"]}[step]
        finish_checkpoint(tmp_path, step)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint-4", "checkpoint-6"]

    # What a kill leaves in the middle of the next one.
    (tmp_path / "unfinished" / "checkpoint-8").mkdir(parents=True)
    (tmp_path / "unfinished" / "checkpoint-8" / "weights").write_text("half")
    assert sorted(path.name for path in tmp_path.glob("checkpoint-*")) == ["checkpoint-4", "checkpoint-6"]
    staging = begin_checkpoint(tmp_path)
    assert [*staging.iterdir()] == []
    (staging / "checkpoint-8").mkdir()
    finish_checkpoint(tmp_path, 8)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint-6", "checkpoint-8"]


def checkpoint(folder: Path, step: int, text: str) -> Checkpoint:
    path = folder / f"checkpoint-{step}"
    path.mkdir(parents=True)
    (path / "weights").write_text(text)
    mark_complete(path)
    return Checkpoint(step, path)


def test_a_damaged_checkpoint_of_another_trial_falls_back_to_its_own(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    own = checkpoint(one / "checkpoints", 4, "own")
    take_over(checkpoint(other / "checkpoints", 4, "other"), one)
    taken = one / "taken-over" / "checkpoint-4"
    assert find_start(one).checkpoint == (4, taken)
    flip_a_byte(taken / "weights")
    start = find_start(one)
    assert start.checkpoint == own
    assert start.passed_over == (((4, taken), "weights is damaged"),)
    set_aside(start)
    assert find_start(one) == (own, ())
    assert (one / "taken-over" / "damaged-4" / "weights").is_file()


def test_a_folder_without_checksums_was_not_written_to_the_end(tmp_path: Path) -> None:
    whole = checkpoint(tmp_path / "checkpoints", 20, "weights")
    (tmp_path / "checkpoints" / "checkpoint-100").mkdir()
    start = find_start(tmp_path)
    assert start.checkpoint == whole
    assert [reason for _, reason in start.passed_over] == [
        "it was not completely written (checksums.json is missing)"
    ]


def test_a_checkpoint_from_outside_the_trials_folder_is_not_loaded(tmp_path: Path) -> None:
    # Optimizer and random state are pickles, which are trusted only where the sweep itself wrote them.
    trial, elsewhere = tmp_path / "trial", tmp_path / "elsewhere"
    for folder in (trial / "checkpoints" / "checkpoint-2", elsewhere, trial / "checkpoints" / "checkpoint-6"):
        folder.mkdir(parents=True)
        (folder / "optimizer.pt").write_bytes(b"state")
        mark_complete(folder)
    (trial / "checkpoints" / "checkpoint-4").symlink_to(elsewhere)
    linked = trial / "checkpoints" / "checkpoint-6" / "optimizer.pt"
    linked.unlink()
    linked.symlink_to(elsewhere / "optimizer.pt")

    start = find_start(trial)
    assert start.step == 2
    assert [reason for _, reason in start.passed_over] == [
        "checkpoint-6/optimizer.pt is a link to outside the trial's folder",
        "checkpoint-4 is a link to outside the trial's folder",
    ]
