"""The adapter of the best evaluation: by the held-out objective, through a stop, beside the final one."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from safetensors.torch import load_file

from common.records import ResultRecord
from rewards.components import Components
from rewards.scorer import Scorer
from trainables.best_adapter import Best, BestAdapter, BestRecord
from trainables.policy import load_policy
from trainables.trial import run_trial

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from trainables.spec import Progress, TrialSpec


class Judge(Scorer):
    """Gives the evaluations of a trial the worths that it was told, one after the other."""

    def __init__(self, *worths: float) -> None:
        super().__init__(None)
        self.worths = list(worths)

    def score(self, vibes: Sequence[str], completions: Sequence[str]) -> list[Components]:
        worth = self.worths.pop(0)
        return [Components(0.0, worth, None, None) for _ in completions]


class StoppedError(Exception):
    """What a killed trial is to its code."""


def weights(folder: Path) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = load_file(folder / "adapter_model.safetensors")
    return found


def equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(tensor, other[name]) for name, tensor in one.items())


def quiet(progress: Progress) -> None:
    pass


@pytest.mark.parametrize("is_stopped", [False, True], ids=["in one go", "stopped and resumed"])
def test_the_best_evaluation_keeps_its_adapter(
    make_spec: Callable[..., TrialSpec], stub_scorer: Scorer, is_stopped: bool
) -> None:
    settings = {"max_steps": 4, "logging__eval_steps": 1, "logging__save_steps": 1}
    spec = make_spec(**settings)
    directory = Path(spec.directory)

    def stop_at_three(progress: Progress) -> None:
        if progress.objective_step == 3 and is_stopped:
            raise StoppedError

    # Step 0 is the untrained policy, which is no candidate however good; step 2 is the best of the others.
    if is_stopped:
        with pytest.raises(StoppedError):
            run_trial(spec, stub_scorer, Judge(0.9, 0.3, 0.5, 0.4), stop_at_three)
        result = run_trial(spec, stub_scorer, Judge(0.4), quiet)
    else:
        result = run_trial(spec, stub_scorer, Judge(0.9, 0.3, 0.5, 0.4, 0.4), quiet)

    # 0.3 x schema + 0.5 x the floor -1
    assert result.best_step == 2
    assert result.best_objective == pytest.approx(0.3 * 0.5 - 0.5, abs=1e-12)
    assert result.objective == pytest.approx(0.3 * 0.4 - 0.5, abs=1e-12)  # of the last one
    stored = ResultRecord.read(directory)
    assert stored is not None
    assert (stored.best_step, stored.best_objective) == (2, result.best_objective)
    # The adapter is the one of step 2, where another trial with the same configuration stops.
    two = make_spec("two", **settings)

    def stop_at_two(progress: Progress) -> None:
        if progress.objective_step == 2:
            raise StoppedError

    with pytest.raises(StoppedError):
        run_trial(two, stub_scorer, Judge(0, 0, 0), stop_at_two)
    kept = weights(directory / "adapter-best")
    assert equal(kept, weights(Path(two.directory) / "checkpoints" / "checkpoint-2"))
    assert not equal(kept, weights(directory / "adapter"))
    load_policy(str(directory / "adapter-best"))
    assert run_trial(spec, stub_scorer, Judge(), quiet) == result
    assert not list(directory.glob(".adapter-best*"))


@pytest.mark.parametrize("last", [0.5, 0.6], ids=["a tie", "better"])
def test_where_nothing_is_better_the_final_adapter_is_the_best(
    make_spec: Callable[..., TrialSpec], stub_scorer: Scorer, last: float
) -> None:
    spec = make_spec(max_steps=3, logging__eval_steps=1)
    result = run_trial(spec, stub_scorer, Judge(0.9, 0.2, 0.5, last), quiet)
    assert (result.best_step, result.best_objective) == (3, result.objective)
    assert not (Path(spec.directory) / "adapter-best").exists()


def test_a_step_that_is_evaluated_again_replaces_its_adapter(
    make_spec: Callable[..., TrialSpec], stub_scorer: Scorer
) -> None:
    spec = make_spec(max_steps=4, logging__eval_steps=1)  # checkpoints at 2 and 4

    def stop_at_three(progress: Progress) -> None:
        if progress.step == 3 and progress.objective_step == 3:
            raise StoppedError

    with pytest.raises(StoppedError):
        run_trial(spec, stub_scorer, Judge(0.9, 0.3, 0.4, 0.8), stop_at_three)
    # On another machine step 3 came out a little worse.
    result = run_trial(spec, stub_scorer, Judge(0.7, 0.1), quiet)
    assert result.best_step == 3
    assert result.best_objective == pytest.approx(0.3 * 0.7 - 0.5, abs=1e-12)


def test_killed_after_the_evaluation_and_before_its_adapter_was_kept(
    make_spec: Callable[..., TrialSpec], stub_scorer: Scorer
) -> None:
    spec = make_spec(max_steps=3, logging__eval_steps=1, logging__save_steps=1)
    directory = Path(spec.directory)

    def stop_at_two(progress: Progress) -> None:
        if progress.objective_step == 2:
            raise StoppedError

    with pytest.raises(StoppedError):
        run_trial(spec, stub_scorer, Judge(0.9, 0.3, 0.5), stop_at_two)
    kept = weights(directory / "adapter-best")
    shutil.rmtree(directory / "adapter-best")
    result = run_trial(spec, stub_scorer, Judge(0.1), quiet)
    assert result.best_step == 2
    assert equal(weights(directory / "adapter-best"), kept)


def test_killed_while_one_best_adapter_replaced_another(tmp_path: Path) -> None:
    BestRecord(step=2, objective=0.5).write(tmp_path / ".adapter-best.previous")
    assert BestAdapter(tmp_path, "tiny").settle(Best(4, 0.4)) == (2, 0.5)


def test_two_evaluations_have_no_best(make_spec: Callable[..., TrialSpec], stub_scorer: Scorer) -> None:
    spec = make_spec(max_steps=1)
    result = run_trial(spec, stub_scorer, stub_scorer, quiet)
    assert (result.best_step, result.best_objective) == (None, None)
    assert not (Path(spec.directory) / "adapter-best").exists()
