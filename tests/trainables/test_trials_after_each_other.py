"""A worker runs trials one after the other: none sees another's traces, and none leaves anything."""

from __future__ import annotations

import gc
import random
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pytest
import torch
from accelerate.state import AcceleratorState, GradientState
from safetensors.torch import load_file
from torch.nn.modules import module as torch_module
from transformers import PreTrainedModel, Trainer, TrainerCallback

from common.errors import TrialError
from rewards.components import Components
from rewards.scorer import Scorer
from trainables.trial import run_trial

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.trainables.conftest import ReadLedger
    from trainables.spec import Progress, TrialSpec

OTHER_IN_EVERYTHING: dict[str, Any] = {
    "seed": 7,
    "max_steps": 2,
    "lora__r": 4,
    "lora__alpha": 8,
    "lora__dropout": 0.1,
    "lora__target_modules": ("q_proj", "v_proj"),
    "optimizer__name": "adafactor",
    "optimizer__learning_rate": 0.01,
    "optimizer__lr_scheduler": "constant",
    "batch__batch_size": 6,
    "batch__gradient_accumulation_steps": 2,
    "grpo__num_generations": 3,
    "grpo__beta": 0.5,
    "grpo__temperature": 0.7,
    "grpo__top_k": 5,
    "grpo__max_completion_length": 9,
    "grpo__loss_type": "grpo",
    "grpo__scale_rewards": "none",
    "grpo__reward__reward_type": "custom",
    "grpo__reward__custom_scorer_path": "some.module:scorer",
    "noise__error_rate": 0.5,
    "system_prompt": "Compose.",
    "logging__save_steps": 1,
}


class CustomScorer(Scorer):
    """Scores by length, and breaks after some batches if it is told so."""

    def __init__(self, breaks_after: int | None = None) -> None:
        super().__init__(None)
        self.left = breaks_after

    def score(self, vibes: Sequence[str], completions: Sequence[str]) -> list[Components]:
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise RuntimeError("the scorer is broken")
        return [
            Components(format=1.0, schema=1 / (1 + len(text)), audio=len(text) / 99, renderable=True)
            for text in completions
        ]


class NeverScores(Scorer):
    """Leaves everything unscored."""

    def score(self, vibes: Sequence[str], completions: Sequence[str]) -> list[Components]:
        return [Components.missing("nobody answers") for _ in completions]


def quiet(progress: Progress) -> None:
    pass


def stop_at_one(progress: Progress) -> None:
    if progress.step == 1:
        raise SystemExit  # what a scheduler's stop is


def to_its_end(spec: TrialSpec) -> None:
    run_trial(spec, CustomScorer(), CustomScorer(), quiet)


def failing(spec: TrialSpec) -> None:
    with pytest.raises(TrialError, match="nobody answers"):
        run_trial(spec, NeverScores(None), CustomScorer(), quiet)


def crashing(spec: TrialSpec) -> None:
    with pytest.raises(RuntimeError, match="the scorer is broken"):
        run_trial(spec, CustomScorer(breaks_after=1), CustomScorer(), quiet)


def stopped_within_an_epoch(spec: TrialSpec) -> None:
    with pytest.raises(SystemExit):
        run_trial(spec, CustomScorer(), CustomScorer(), stop_at_one)


BETWEEN = [to_its_end, failing, crashing, stopped_within_an_epoch]


class Traces(NamedTuple):
    """What a trial could leave in its process."""

    threads: list[str]
    num_models: int
    num_trainers: int
    num_callbacks: int
    hooks: list[int]
    torch_threads: int
    default_dtype: torch.dtype
    grad_enabled: bool
    accelerate: dict[str, object]

    @classmethod
    def now(cls) -> Traces:
        kinds = [type(thing) for thing in gc.get_objects()]
        models, trainers, callbacks = (
            sum(issubclass(kind, wanted) for kind in kinds)
            for wanted in (PreTrainedModel, Trainer, TrainerCallback)
        )
        return cls(
            threads=sorted(thread.name for thread in threading.enumerate()),
            num_models=models,
            num_trainers=trainers,
            num_callbacks=callbacks,
            hooks=[
                len(value)
                for name, value in sorted(vars(torch_module).items())
                if name.startswith("_global_") and hasattr(value, "__len__")
            ],
            torch_threads=torch.get_num_threads(),
            default_dtype=torch.get_default_dtype(),
            grad_enabled=torch.is_grad_enabled(),
            accelerate={**AcceleratorState._shared_state, **GradientState._shared_state},
        )


@pytest.mark.parametrize("between", BETWEEN)
def test_the_same_trial_before_and_after_another_is_the_same_bit_by_bit(
    make_spec: Callable[..., TrialSpec],
    stub_scorer: Scorer,
    read_ledger: ReadLedger,
    between: Callable[[TrialSpec], None],
) -> None:
    first = make_spec("a1", max_steps=2, lora__dropout=0.05)
    run_trial(first, stub_scorer, stub_scorer, quiet)
    before = Traces.now()
    between(make_spec("b", **OTHER_IN_EVERYTHING))
    gc.collect()  # an error held everything until it was gone
    assert Traces.now() == before
    # Whatever it drew, too.
    random.seed(3)
    np.random.seed(3)
    torch.manual_seed(3)
    again = make_spec("a2", max_steps=2, lora__dropout=0.05)
    run_trial(again, stub_scorer, stub_scorer, quiet)
    assert Traces.now() == before

    weights = load_file(Path(again.directory) / "adapter" / "adapter_model.safetensors")
    for name, expected in load_file(Path(first.directory) / "adapter" / "adapter_model.safetensors").items():
        assert torch.equal(weights[name], expected), name
    assert read_ledger(again.directory) == read_ledger(first.directory)


def test_a_trial_of_another_policy_with_more_threads_changes_nothing_either(
    make_spec: Callable[..., TrialSpec],
    other_policies: dict[str, str],
    stub_scorer: Scorer,
    read_ledger: ReadLedger,
) -> None:
    first, again = make_spec("a1", max_steps=1), make_spec("a2", max_steps=1)
    run_trial(first, stub_scorer, stub_scorer, quiet)
    before = Traces.now()
    other = {"base_model": other_policies["qwen3"], "system_prompt": "Compose."}
    between = make_spec("b", max_steps=1, infra__cpus_per_trial=2, grpo__max_completion_length=4, **other)
    run_trial(between, stub_scorer, stub_scorer, quiet)
    assert Traces.now() == before
    assert before.num_models == 2, "the one that is kept, and the network inside it, which is a model too"
    run_trial(again, stub_scorer, stub_scorer, quiet)
    assert read_ledger(again.directory) == read_ledger(first.directory)
