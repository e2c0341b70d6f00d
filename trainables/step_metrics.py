"""What TRL does not say of a step: where its time went, and which components its rewards vary by."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Literal

from transformers import TrainerCallback

from common.reward_variance import reward_variance

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, MutableMapping, Sequence

    import torch

    from common.reward_variance import Aggregation

__all__ = [
    "FLAT_GROUPS",
    "PHASES",
    "TOKENS_PER_S",
    "StepClock",
    "seconds_of",
    "variance_metrics",
    "variance_share_of",
]

Phase = Literal["generate", "score", "update"]
PHASES: Final[tuple[Phase, ...]] = ("generate", "score", "update")

FLAT_GROUPS: Final = "flat_groups"
"""Log entry: share of the groups whose rewards are all the same."""
TOKENS_PER_S: Final = "tokens_per_s"
"""Log entry: completion tokens per second of generation."""


def seconds_of(phase: Phase) -> str:
    """The log entry with the seconds of an optimizer step that a phase took."""
    return f"seconds/{phase}"


def variance_share_of(component: str) -> str:
    """The log entry with a component's share in the within-group variance of the reward."""
    return f"variance_share/{component}"


class StepClock(TrainerCallback):  # type: ignore[misc]  # transformers has no types
    """Times the phases of every optimizer step.

    `generate` writes the rollouts, `score` is what the step waited for their scores, `update` is the rest:
    log-probabilities, gradient, optimizer. A step that learns from rollouts of an earlier one has 0 seconds
    of the first two, so that means over steps add up. Evaluations and checkpoints are not part of a step.
    """

    def __init__(self, metrics: MutableMapping[str, list[float]]) -> None:
        """
        Args:
            metrics: where the trainer keeps values until they are logged as their mean.
        """
        self._metrics = metrics
        self._started = 0.0
        self._seconds: dict[Phase, float] = dict.fromkeys(PHASES, 0.0)

    @contextmanager
    def phase(self, phase: Phase) -> Iterator[None]:
        """Count what happens inside to a phase."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self._seconds[phase] += time.perf_counter() - started

    def generated(self, num_tokens: int, seconds: float) -> None:
        """A batch of rollouts was written."""
        self._metrics[TOKENS_PER_S].append(num_tokens / seconds)

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._started = time.perf_counter()
        self._seconds = dict.fromkeys(PHASES, 0.0)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        whole = time.perf_counter() - self._started
        self._seconds["update"] = whole - self._seconds["generate"] - self._seconds["score"]
        for phase, seconds in self._seconds.items():
            self._metrics[seconds_of(phase)].append(seconds)


def variance_metrics(
    rewards: torch.Tensor,
    weights: torch.Tensor,
    components: Sequence[str],
    *,
    num_generations: int,
    aggregation: Aggregation,
) -> Mapping[str, float]:
    """The log entries of one batch of rollouts: variance shares, where any group varies, and flat groups.

    Args:
        rewards: [B, K] raw components as TRL has them; B is whole groups, one after the other.
        weights: [K] their weights.
        components: [K] their names.
        num_generations: completions per group.
        aggregation: `grpo.multi_objective_aggregation`.
    """
    groups = rewards.detach().double().cpu().numpy().reshape(-1, num_generations, len(components))
    found = reward_variance(groups, weights.detach().double().cpu().numpy(), aggregation)
    entries = {FLAT_GROUPS: found.flat_groups}
    if found.shares is not None:
        entries |= dict(zip(map(variance_share_of, components), found.shares, strict=True))
    return entries
