"""A trial whose rollouts are given: the same for one worker and for several, and so comparable."""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING, Any

import torch.distributed as dist

from rewards.components import Components
from rewards.scorer import Scorer
from trainables import trial
from trainables.grpo import VibeGRPOTrainer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainables.spec import TrialSpec

__all__ = ["CannedTrainer", "LengthScorer", "run_beside"]


class LengthScorer(Scorer):
    """Scores a text by its characters, without sound."""

    def __init__(self) -> None:
        super().__init__(None)
        self.scorer_id = "characters"

    def score(self, vibes: Sequence[str], completions: Sequence[str]) -> list[Components]:
        return [
            Components(format=0.0, schema=sum(map(ord, text)) % 97 / 96, audio=None, renderable=None)
            for text in completions
        ]


class CannedTrainer(VibeGRPOTrainer):
    """Writes random tokens that depend on the step and the place in the batch of all workers alone."""

    def _generate_single_turn(self, prompt_ids: Sequence[Any], *_: Any, **__: Any) -> tuple[Any, None]:
        first = self.accelerator.process_index * len(prompt_ids)
        completions = []
        for place in range(first, first + len(prompt_ids)):
            rng = random.Random(f"{self.state.global_step} {place}")
            completions.append([rng.randrange(5, 200) for _ in range(rng.randrange(3, 12))])
        return completions, None


def run_beside(rank: int, size: int, meeting: str, spec: TrialSpec) -> None:
    """One worker's part of the trial, in a process that has nothing else to do."""
    # What Ray Train sets, and accelerate looks at.
    place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": size, "LOCAL_WORLD_SIZE": size, "MASTER_PORT": 0}
    os.environ |= {name: str(value) for name, value in place.items()} | {"MASTER_ADDR": "127.0.0.1"}
    dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=size)
    setattr(trial, "VibeGRPOTrainer", CannedTrainer)  # noqa: B010 - in this process alone
    try:
        trial.run_trial(spec, LengthScorer(), LengthScorer(), lambda _: None)
    finally:
        dist.destroy_process_group()
