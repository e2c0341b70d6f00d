"""Several workers of one trial learn, write and fail as one would with the same completions."""

from __future__ import annotations

import multiprocessing
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import torch
from safetensors.torch import load_file

from common.records import ResultRecord
from tests.trainables.canned_trial import CannedTrainer, LengthScorer, run_beside
from trainables import trial, workers

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.trainables.conftest import ReadLedger
    from trainables.spec import TrialSpec

SETTINGS: dict[str, Any] = {
    "max_steps": 3,
    "optimizer.name": "sgd",  # Adam would make a large step of a rounding error
    "optimizer.learning_rate": 20.0,
    "grpo.beta": 0.1,
    "logging.save_steps": 1,
    "logging.eval_steps": 2,
}


class Batching(NamedTuple):
    """How two workers make up the batch of eight that one takes at once."""

    size: int
    accumulation: int
    generations: int


def weights(spec: TrialSpec, folder: str) -> dict[str, torch.Tensor]:
    tensors: dict[str, torch.Tensor] = load_file(Path(spec.directory) / folder / "adapter_model.safetensors")
    return tensors


def run_together(size: int, meeting: Path, spec: TrialSpec) -> None:
    spawn = multiprocessing.get_context("spawn")
    processes = [
        spawn.Process(target=run_beside, args=(rank, size, str(meeting), spec)) for rank in range(size)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * size


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "batching",
    [
        Batching(size=4, accumulation=1, generations=4),  # a group on each worker
        Batching(size=4, accumulation=1, generations=8),  # one group on both
        Batching(size=2, accumulation=2, generations=4),  # a group on each, in micro-steps
    ],
)
def test_two_workers_update_as_one_does_with_the_same_completions(
    make_spec: Callable[..., TrialSpec],
    read_ledger: ReadLedger,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    batching: Batching,
) -> None:
    settings = SETTINGS | {"grpo.num_generations": batching.generations}
    alone = make_spec("alone", **settings, **{"batch.batch_size": 8})
    monkeypatch.setattr(trial, "VibeGRPOTrainer", CannedTrainer)
    trial.run_trial(alone, LengthScorer(), LengthScorer(), lambda _: None)

    together = make_spec(
        "together",
        **settings,
        **{
            "batch.batch_size": batching.size,
            "batch.gradient_accumulation_steps": batching.accumulation,
            "infra.num_workers": 2,
            "infra.cpus_per_trial": 2,
        },
    )
    run_together(2, tmp_path / "meeting", together)

    # One writer: every row once, the same completions with the same scores, at each step.
    theirs, ours = read_ledger(together.directory), read_ledger(alone.directory)
    assert {key for key in theirs if key.split == "train"} == {key for key in ours if key.split == "train"}
    for key in ours:
        if key.split == "train" or key.step == 0:
            assert theirs[key]["completion"] == ours[key]["completion"]
            assert theirs[key]["schema"] == ours[key]["schema"]
    first, last = weights(alone, "checkpoints/checkpoint-2"), weights(alone, "adapter")
    moved = max(float((last[name] - first[name]).abs().max()) for name in last)
    assert moved > 1e-4
    for name, tensor in weights(together, "adapter").items():
        torch.testing.assert_close(tensor, last[name], rtol=0, atol=1e-3 * moved)
    results = [ResultRecord.read(Path(spec.directory)) for spec in (together, alone)]
    assert [result and (result.status, result.steps) for result in results] == [("finished", 3)] * 2


def test_alone_a_worker_has_everything_and_waits_for_nobody() -> None:
    assert (workers.num_workers(), workers.is_first()) == (1, True)
    assert workers.share("abc") == "abc"
    assert workers.everyones("abc") == ["a", "b", "c"]
    assert workers.first_does(lambda: 7) == 7
    workers.wait_for_all()
