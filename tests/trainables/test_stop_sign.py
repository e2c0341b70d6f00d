"""A trial that is told to stop leaves with a checkpoint, from which it ends as if nothing had been."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from safetensors.torch import load_file

from common.records import ResultRecord, StopRecord
from trainables.checkpoints import find_start
from trainables.stop_sign import StoppedError
from trainables.trial import run_trial

if TYPE_CHECKING:
    from collections.abc import Callable

    from rewards.scorer import Scorer
    from tests.trainables.conftest import ReadLedger
    from trainables.spec import Progress, TrialSpec


def quiet(progress: Progress) -> None:
    pass


@pytest.mark.parametrize("num_generations", [2, 3], ids=["on-policy", "three steps per rollout"])
def test_a_trial_that_is_told_leaves_at_the_next_cycles_end_and_ends_as_an_undisturbed_one(
    make_spec: Callable[..., TrialSpec], stub_scorer: Scorer, read_ledger: ReadLedger, num_generations: int,
    tmp_path: Path,
) -> None:  # fmt: skip
    # Checkpoints at 5 or 6 without the stop, evaluations at 3 and 6.
    settings = {
        "max_steps": 8, "grpo__num_generations": num_generations, "logging__eval_steps": 3,
        "logging__save_steps": 5, "logging__logging_steps": 1,
    }  # fmt: skip
    whole = make_spec("whole", **settings)
    run_trial(whole, stub_scorer, stub_scorer, quiet)

    told = replace(make_spec("told", **settings), stop_folder=str(tmp_path))

    def tell_at_two(progress: Progress) -> None:
        if progress.step == 2:
            StopRecord(asked=True).write(tmp_path)

    with pytest.raises(StoppedError):
        run_trial(told, stub_scorer, stub_scorer, tell_at_two)
    assert ResultRecord.read(Path(told.directory)) is None
    # The report of step 2 comes after its end; with three steps a rollout, 3 ends the cycle too, and its
    # evaluation is left for later.
    assert find_start(Path(told.directory)).step == 3

    StopRecord().write(tmp_path)
    run_trial(told, stub_scorer, stub_scorer, quiet)
    for name, weights in load_file(Path(whole.directory) / "adapter" / "adapter_model.safetensors").items():
        again = load_file(Path(told.directory) / "adapter" / "adapter_model.safetensors")[name]
        assert torch.equal(weights, again), name
    assert read_ledger(told.directory) == read_ledger(whole.directory)


def test_a_trial_that_is_told_before_it_trains_leaves_at_once(
    make_spec: Callable[..., TrialSpec], stub_scorer: Scorer, tmp_path: Path
) -> None:
    StopRecord(asked=True).write(tmp_path)
    spec = replace(make_spec(), stop_folder=str(tmp_path))
    with pytest.raises(StoppedError):
        run_trial(spec, stub_scorer, stub_scorer, quiet)
    assert find_start(Path(spec.directory)).checkpoint is None
    assert not list(Path(spec.directory).glob("ledger/*"))


def test_a_trial_that_is_told_in_its_last_step_ends_in_order(
    make_spec: Callable[..., TrialSpec], stub_scorer: Scorer, tmp_path: Path
) -> None:
    spec = replace(make_spec(max_steps=2, logging__logging_steps=1), stop_folder=str(tmp_path))

    def tell_at_two(progress: Progress) -> None:
        if progress.step == 2:
            StopRecord(asked=True).write(tmp_path)

    assert run_trial(spec, stub_scorer, stub_scorer, tell_at_two).steps == 2
