"""Knobs of sampling and of the loss, seen in sampled completions and in TRL's loss of known tensors."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch

from common.errors import UserError
from tests.trainables.knobs.bench import Bench, Knob
from trainables.grpo import grpo_arguments

if TYPE_CHECKING:
    from common.training_config import TrainingConfig

__all__ = ["KNOBS"]


def completions_differ(bench: Bench, config: TrainingConfig) -> bool:
    """Whether the two completions of some prompt differ, which greedy ones never do."""
    texts: dict[str, set[str]] = {}
    for row in bench.steps(config).rollouts:
        texts.setdefault(row["prompt_id"], set()).add(row["completion"])
    return any(len(found) > 1 for found in texts.values())


def longest_completion(bench: Bench, config: TrainingConfig) -> int:
    return int(max(row["num_tokens"] for row in bench.steps(config).rollouts))


def asks_for_vllm(bench: Bench, config: TrainingConfig) -> tuple[bool, str]:
    """Whether TRL is told to use it, and how the trial ends."""
    asked = grpo_arguments(config, bench.folder, [0.2, 0.3]).use_vllm
    try:
        bench.steps(config)
    except UserError as error:
        return asked, str(error)[:23]
    return asked, "finished"


def vllm_share(bench: Bench, config: TrainingConfig) -> float:
    return float(grpo_arguments(config, bench.folder, [0.2, 0.3]).vllm_gpu_memory_utilization)


def loss(bench: Bench, config: TrainingConfig, *, advantages: list[float], drift: float, items: int) -> float:
    """TRL's loss of two completions, of 2 and of 4 tokens, by a policy that is as it was when it wrote them.

    Args:
        bench: has the trainer.
        config: of the trainer.
        advantages: of the two.
        drift: log-probability of every token under the reference, less that under the policy.
        items: tokens that `dapo` divides by.
    """
    trainer = bench.trainer(config)
    trainer.current_gradient_accumulation_steps = 1
    inputs: dict[str, Any] = {
        "prompt_ids": torch.tensor([[2, 3, 50, 4], [2, 3, 60, 4]]),
        "prompt_mask": torch.ones(2, 4, dtype=torch.long),
        "completion_ids": torch.tensor([[70, 71, 0, 0], [80, 81, 82, 83]]),
        "completion_mask": torch.tensor([[1, 1, 0, 0], [1, 1, 1, 1]]),
        "advantages": torch.tensor(advantages),
        "num_items_in_batch": torch.tensor(items),
    }
    with torch.no_grad():
        ids = torch.cat([inputs["prompt_ids"], inputs["completion_ids"]], dim=1)
        mask = torch.cat([inputs["prompt_mask"], inputs["completion_mask"]], dim=1)
        written, _, _ = trainer._get_per_token_logps_and_entropies(trainer.model, ids, mask, 4)
        inputs["ref_per_token_logps"] = written + drift
        return float(trainer._compute_loss(trainer.model, inputs))


def token_loss(bench: Bench, config: TrainingConfig) -> float:
    return loss(bench, config, advantages=[1.0, -2.0], drift=0.0, items=8)


def penalty(bench: Bench, config: TrainingConfig) -> float:
    return loss(bench, config, advantages=[0.0, 0.0], drift=0.5, items=6)


def advantages(bench: Bench, config: TrainingConfig) -> list[float]:
    """What TRL made of the rewards of the 4 completions, rounded; the rewards do not depend on the knob."""
    found = list(bench.steps(config).trainer._logs["advantages"])
    assert len(found) == 4
    assert any(found)
    return [round(value, 3) for value in found]


def expected_advantages(bench: Bench, config: TrainingConfig) -> list[float]:
    """The same from the ledger: r = 0.2 format + 0.3 schema, in groups of two."""
    rows = bench.steps(config).rollouts
    parts = torch.tensor([[row["format"], row["schema"]] for row in rows], dtype=torch.float64)
    weights = torch.tensor([0.2, 0.3], dtype=torch.float64)
    if config.grpo.multi_objective_aggregation == "normalize_then_sum":
        grouped = parts.view(-1, 2, 2)
        scaled = (grouped - grouped.mean(1, keepdim=True)) / (grouped.std(1, keepdim=True) + 1e-4)
        rewards = (scaled.view(-1, 2) * weights).sum(1)
        found = (rewards - rewards.mean()) / (rewards.std() + 1e-4)
    else:
        rewards = ((parts * weights).sum(1)).view(-1, 2)
        group, batch = rewards.std(1, keepdim=True), rewards.std()
        scales = {"group": group + 1e-4, "batch": batch + 1e-4, "none": torch.ones(())}
        scale = scales[config.grpo.scale_rewards]
        found = ((rewards - rewards.mean(1, keepdim=True)) / scale).view(-1)
    return [round(value, 3) for value in found.tolist()]


def off_by(bench: Bench, config: TrainingConfig) -> tuple[str, bool]:
    """The advantages, and whether they are the expected ones."""
    found, expected = advantages(bench, config), expected_advantages(bench, config)
    return str(found), all(math.isclose(a, b, abs_tol=2e-3) for a, b in zip(found, expected, strict=True))


class _AsExpected:
    """Equal to advantages that are the expected ones."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, tuple) and other[1] is True

    __hash__ = None  # type: ignore[assignment]  # compared only


AS_EXPECTED = _AsExpected()

# k3 = exp(d) - d - 1 at every token.
K3 = math.exp(0.5) - 0.5 - 1

KNOBS = {
    "grpo.beta": Knob(penalty, [(0.0, 0.0), (0.04, 0.04 * K3), (1.0, K3)]),
    "grpo.temperature": Knob(completions_differ, [(1.0, True), (0.001, False)]),
    "grpo.top_p": Knob(completions_differ, [(1.0, True), (1e-6, False)]),
    "grpo.top_k": Knob(completions_differ, [(0, True), (1, False)]),
    "grpo.max_completion_length": Knob(longest_completion, [(12, 12), (3, 3)]),
    # vLLM needs a GPU: what is seen is that TRL is asked for it, and that a trial without one is refused.
    "grpo.generation": Knob(
        asks_for_vllm, [("transformers", (False, "finished")), ("vllm", (True, "grpo.generation must be"))]
    ),
    "grpo.vllm_memory_share": Knob(vllm_share, [(0.3, 0.3), (0.5, 0.5)]),
    # Token losses are -advantage: -1 twice and 2 four times.
    "grpo.loss_type": Knob(
        token_loss,
        [
            ("grpo", 0.5),  # the mean of -1 and 2
            ("bnpo", 1.0),  # (-2 + 8) / 6 tokens
            ("dr_grpo", 0.25),  # 6 / (2 completions of at most 12)
            ("dapo", 0.75),  # 6 / 8 tokens of the generation batch
        ],
    ),
    "grpo.scale_rewards": Knob(
        off_by, [("group", AS_EXPECTED), ("batch", AS_EXPECTED), ("none", AS_EXPECTED)], {"seed": 3}
    ),
    "grpo.multi_objective_aggregation": Knob(
        off_by, [("sum_then_normalize", AS_EXPECTED), ("normalize_then_sum", AS_EXPECTED)], {"seed": 3}
    ),
}
