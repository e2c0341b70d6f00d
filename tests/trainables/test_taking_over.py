"""A trial goes on from another's checkpoint, with its own configuration."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from safetensors.torch import load_file

from trainables.checkpoints import Checkpoint, mark_complete, starting_checkpoint, take_over
from trainables.grpo import VibeGRPOTrainer
from trainables.trial import run_trial

if TYPE_CHECKING:
    from collections.abc import Callable

    from rewards.scorer import Scorer
    from tests.trainables.conftest import ReadLedger
    from trainables.spec import Progress, TrialSpec


WAITING = {"logging__eval_steps": 2, "optimizer__warmup_ratio": 0.0}
"""Four steps, evaluated and stored after the second."""


class StoppedError(Exception):
    """What a paused trial is to its code."""


def stop_at_two(progress: Progress) -> None:
    if progress.objective_step == 2:
        raise StoppedError


def quiet(progress: Progress) -> None:
    pass


def adapter(directory: str) -> dict[str, torch.Tensor]:
    weights: dict[str, torch.Tensor] = load_file(Path(directory) / "adapter" / "adapter_model.safetensors")
    return weights


@pytest.fixture
def paused_trial(make_spec: Callable[..., TrialSpec], stub_scorer: Scorer) -> Callable[..., TrialSpec]:
    """A trial of four steps that waits at its evaluation and checkpoint of step 2."""

    def make(name: str, **overrides: Any) -> TrialSpec:
        spec = make_spec(name, **WAITING, **overrides)
        with pytest.raises(StoppedError):
            run_trial(spec, stub_scorer, stub_scorer, stop_at_two)
        return spec

    return make


def took_over(one: TrialSpec, other: TrialSpec) -> None:
    checkpoint = starting_checkpoint(Path(other.directory))
    assert checkpoint is not None
    assert checkpoint.step == 2
    take_over(checkpoint, Path(one.directory))


@pytest.mark.parametrize(("schedule", "factor"), [("constant", 1.0), ("linear", 0.5)])
def test_the_learning_rate_and_decay_after_a_change_are_the_new_ones(
    paused_trial: Callable[..., TrialSpec],
    make_spec: Callable[..., TrialSpec],
    stub_scorer: Scorer,
    monkeypatch: pytest.MonkeyPatch,
    *,
    schedule: str,
    factor: float,
) -> None:
    # Linear falls from 1 at step 0 to 0 at step 4, so step 3 is taken with half the rate.
    settings = {"optimizer__lr_scheduler": schedule}
    better = paused_trial("better", **settings, optimizer__learning_rate=1e-3, optimizer__weight_decay=0.1)
    paused_trial("worse", **settings, optimizer__learning_rate=1e-4)
    changed = make_spec(
        "worse", **WAITING, **settings, optimizer__learning_rate=8e-4, optimizer__weight_decay=0.05
    )
    took_over(changed, better)

    steps: list[tuple[float, set[float]]] = []
    training_step = VibeGRPOTrainer.training_step

    def watched(self: Any, *args: Any) -> torch.Tensor:
        groups = self.optimizer.param_groups
        steps.append((groups[0]["lr"], {group["weight_decay"] for group in groups}))
        return training_step(self, *args)

    monkeypatch.setattr(VibeGRPOTrainer, "training_step", watched)
    run_trial(changed, stub_scorer, stub_scorer, quiet)
    assert len(steps) == 2  # steps 3 and 4
    rate, decays = steps[0]
    assert rate == pytest.approx(8e-4 * factor, rel=1e-12)
    # The group without decay may be empty, but none has the other's 0.1.
    assert 0.05 in decays
    assert decays <= {0.0, 0.05}


def test_with_the_others_configuration_it_ends_where_the_other_would(
    paused_trial: Callable[..., TrialSpec],
    make_spec: Callable[..., TrialSpec],
    stub_scorer: Scorer,
    read_ledger: ReadLedger,
) -> None:
    better = paused_trial("better", optimizer__learning_rate=1e-3)
    worse = paused_trial("worse", optimizer__learning_rate=1e-5)
    before = {key: row for key, row in read_ledger(worse.directory).items() if key.step < 2}
    same = make_spec("worse", **WAITING, optimizer__learning_rate=1e-3)
    took_over(same, better)
    for spec in (better, same):
        run_trial(spec, stub_scorer, stub_scorer, quiet)
    for name, weights in adapter(better.directory).items():
        assert torch.equal(weights, adapter(same.directory)[name]), name
    ours, theirs = read_ledger(same.directory), read_ledger(better.directory)
    # What it did before it changed stays.
    assert {key: row for key, row in ours.items() if key.step < 2} == before
    assert {k: r for k, r in ours.items() if k.step > 2} == {k: r for k, r in theirs.items() if k.step > 2}


def checkpoint(folder: Path, step: int, text: str) -> Checkpoint:
    path = folder / f"checkpoint-{step}"
    path.mkdir(parents=True)
    (path / "weights").write_text(text)
    mark_complete(path)
    return Checkpoint(step, path)


def test_a_trial_starts_from_what_it_took_over_until_it_has_a_later_checkpoint(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    assert starting_checkpoint(one) is None
    own = checkpoint(one / "checkpoints", 4, "own")
    assert starting_checkpoint(one) == own
    take_over(checkpoint(other / "checkpoints", 4, "other"), one)
    taken = starting_checkpoint(one)
    assert taken == Checkpoint(4, one / "taken-over" / "checkpoint-4")
    assert (taken.path / "weights").read_text() == "other"
    later = checkpoint(one / "checkpoints", 6, "own")
    assert starting_checkpoint(one) == later
    # The next one takes the place of the last, also where a copy was cut off before.
    (one / "taken-over" / "unfinished").mkdir()
    for _ in range(2):
        take_over(Checkpoint(6, other / "checkpoints" / "checkpoint-4"), one)
    assert [path.name for path in (one / "taken-over").iterdir()] == ["checkpoint-4"]
