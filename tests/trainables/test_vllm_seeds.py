"""Every request to vLLM has a seed that trial, step, worker and place decide."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from common.errors import UserError
from trainables.grpo import check_packages, grpo_arguments
from trainables.vllm_seeds import SeededRequests

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from common.training_config import TrainingConfig


@dataclass
class Params:
    """What of vLLM's SamplingParams is looked at."""

    temperature: float
    seed: int | None = None


class Engine:
    """Answers with what it was asked, as no machine here can run vLLM."""

    def generate(
        self, prompts: Sequence[Any], *, sampling_params: Sequence[Params], use_tqdm: bool
    ) -> list[Params]:
        assert len(prompts) == len(sampling_params)
        assert not use_tqdm
        return list(sampling_params)


def seeds(seed: int = 1, worker: int = 0, step: int = 5, prompts: int = 4) -> list[int | None]:
    """Of the requests of one batch."""
    generate = SeededRequests(Engine().generate, seed=seed, worker=worker, step=lambda: step)
    shared = Params(temperature=0.7)
    answered = generate([{"prompt_token_ids": [1]}] * prompts, sampling_params=shared, use_tqdm=False)
    assert shared.seed is None
    assert {params.temperature for params in answered} == {0.7}
    return [params.seed for params in answered]


def test_no_two_requests_share_a_seed() -> None:
    of_trials = [seeds(), seeds(seed=2), seeds(worker=1), seeds(step=6)]
    assert len({seed for batch in of_trials for seed in batch}) == 16


def test_the_same_batch_has_the_same_seeds_again() -> None:
    assert seeds() == seeds()
    assert seeds(prompts=2) == seeds()[:2]


def test_vllm_needs_a_gpu_and_the_extra(make_config: Callable[..., TrainingConfig]) -> None:
    rule = r"^grpo\.generation must be 'transformers' here, got 'vllm'; it needs a CUDA device and vllm: pip "
    with pytest.raises(UserError, match=rule):
        check_packages(make_config(**{"grpo.generation": "vllm"}))


def test_vllm_and_its_share_of_the_gpu_reach_the_trainer(
    make_config: Callable[..., TrainingConfig], tmp_path: Path
) -> None:
    config = make_config(**{"grpo.generation": "vllm", "grpo.vllm_memory_share": 0.4})
    arguments = grpo_arguments(config, tmp_path, (1.0, 1.0))
    asked = (arguments.use_vllm, arguments.vllm_mode, arguments.vllm_gpu_memory_utilization)
    assert asked == (True, "colocate", 0.4)
    assert not grpo_arguments(make_config(), tmp_path, (1.0, 1.0)).use_vllm
