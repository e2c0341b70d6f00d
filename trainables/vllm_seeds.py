"""vLLM's completions from seeds of the trial's: TRL seeds a colocated engine by its process number alone."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from trainables.sampling import stream_seed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["SeededRequests"]


class SeededRequests:
    """An engine's `generate` that gives every request a seed of its own.

    The seed follows from the trial's seed, the optimizer step, the worker and the place in its batch, so
    trials of other seeds draw other completions, and one that goes on from a checkpoint draws those that it
    would have drawn. One seed for all requests would write a group's completions all alike.

    Source: vllm.LLM.generate, which takes one SamplingParams for all prompts or one for each.
    """

    def __init__(
        self, generate: Callable[..., Any], *, seed: int, worker: int, step: Callable[[], int]
    ) -> None:
        """
        Args:
            generate: the engine's.
            seed: the trial's.
            worker: number of this process in the trial.
            step: gives the optimizer steps taken so far.
        """
        self._generate = generate
        self._seed = seed
        self._worker = worker
        self._step = step

    def __call__(self, prompts: Sequence[Any], *, sampling_params: Any, **options: Any) -> Any:
        """The engine's outputs, one for each prompt."""
        batch = f"rollouts of step {self._step()} on worker {self._worker}"
        each = [copy.copy(sampling_params) for _ in prompts]
        for place, params in enumerate(each):
            params.seed = stream_seed(self._seed, batch, place)
        return self._generate(prompts, sampling_params=each, **options)
