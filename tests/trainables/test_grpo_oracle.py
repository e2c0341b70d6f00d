"""GRPO's arithmetic against NumPy in float64, on the tensors of real steps of a real trial."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from rewards.components import Components
from rewards.scorer import Scorer
from trainables.grpo import VibeGRPOTrainer
from trainables.trial import run_trial

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from trainables.spec import TrialSpec

Array = npt.NDArray[np.float64]

BETA = 0.3
EPSILON = 0.2
TEMPERATURE = 0.7
WEIGHTS = np.array([0.2, 0.3])
NUM_GENERATIONS = 6
BATCH = 4
DEPTH = 3  # 6 / gcd(4, 6): each batch of 12 rollouts feeds three steps
LENGTH = 12


class Uneven(Scorer):
    """Two components with spread, and no score for one completion of each batch."""

    def __init__(self) -> None:
        super().__init__(None)

    def score(self, vibes: Sequence[str], completions: Sequence[str]) -> list[Components]:
        scores = [
            Components(float(len(text) % 2), sum(map(ord, text)) % 97 / 96, None, None)
            for text in completions
        ]
        scores[3] = Components.missing("a timeout")
        return scores


@dataclass
class Step:
    """What went into one loss, and what came out."""

    inputs: dict[str, Any]
    logps: Array
    """[B, T] log-probabilities under the policy, as the loss used them."""
    plain_logps: Array
    """[B, T] the same from the bare logits, in float64."""
    loss: float
    kl: float
    clipped: float


@dataclass
class Capture:
    """Everything that a trial computed."""

    rewards: list[Array] = field(default_factory=list)
    """[P x G, K] of each batch of rollouts."""
    advantages: list[Array] = field(default_factory=list)
    references: list[tuple[Array, Array, npt.NDArray[np.bool_]]] = field(default_factory=list)
    """[B, T] reference log-probabilities of a batch of rollouts: TRL's, those of the bare logits, and where
    there is a token."""
    steps: list[Step] = field(default_factory=list)


def plain_logps(model: Any, inputs: dict[str, Any]) -> Array:
    """[B, T] log-softmax of the logits over the temperature, at the completion's tokens."""
    ids = torch.cat([inputs["prompt_ids"], inputs["completion_ids"]], dim=1)
    mask = torch.cat([inputs["prompt_mask"], inputs["completion_mask"]], dim=1)
    with torch.no_grad():
        logits: Array = model(input_ids=ids, attention_mask=mask).logits.double().numpy() / TEMPERATURE
    length = inputs["completion_ids"].shape[1]
    logits = logits[:, -length - 1 : -1]
    logits -= logits.max(-1, keepdims=True)
    logps = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    chosen: Array = np.take_along_axis(logps, inputs["completion_ids"].numpy()[..., None], -1)[..., 0]
    return chosen


@pytest.fixture
def capture(monkeypatch: pytest.MonkeyPatch) -> Capture:
    """Listens to every trainer; changes nothing but that completions end at unlike lengths."""
    found = Capture()
    write = VibeGRPOTrainer._generate_single_turn
    rewards, generate = VibeGRPOTrainer._calculate_rewards, VibeGRPOTrainer._generate_and_score_completions
    loss, logps = VibeGRPOTrainer._compute_loss, VibeGRPOTrainer._get_per_token_logps_and_entropies
    last: list[torch.Tensor] = []

    def end_early(self: VibeGRPOTrainer, *args: Any) -> Any:
        completion_ids, logps = write(self, *args)
        return [ids[: 3 + 2 * (i % 5)] for i, ids in enumerate(completion_ids)], logps

    def listen_to_rewards(self: VibeGRPOTrainer, *args: Any) -> Any:
        result = rewards(self, *args)
        found.rewards.append(result.double().numpy())
        return result

    def listen_to_rollouts(self: VibeGRPOTrainer, inputs: Any) -> Any:
        result = generate(self, inputs)
        found.advantages.append(result["advantages"].double().numpy())
        with self.model.disable_adapter():
            reference = plain_logps(self.model, result)
        mask = result["completion_mask"].numpy() == 1
        found.references.append((result["ref_per_token_logps"].double().numpy(), reference, mask))
        return result

    def listen_to_logps(self: VibeGRPOTrainer, *args: Any, **kwargs: Any) -> Any:
        result = logps(self, *args, **kwargs)
        last[:] = [result[0].detach()]
        return result

    def listen_to_loss(self: VibeGRPOTrainer, model: Any, inputs: Any) -> Any:
        result = loss(self, model, inputs)
        metrics = self._metrics["train"]
        policy, plain = last[0].double().numpy(), plain_logps(model, inputs)
        found.steps.append(
            Step(
                inputs, policy, plain, result.item(), metrics["kl"][-1], metrics["clip_ratio/region_mean"][-1]
            )
        )
        return result

    monkeypatch.setattr(VibeGRPOTrainer, "_generate_single_turn", end_early)
    monkeypatch.setattr(VibeGRPOTrainer, "_calculate_rewards", listen_to_rewards)
    monkeypatch.setattr(VibeGRPOTrainer, "_generate_and_score_completions", listen_to_rollouts)
    monkeypatch.setattr(VibeGRPOTrainer, "_get_per_token_logps_and_entropies", listen_to_logps)
    monkeypatch.setattr(VibeGRPOTrainer, "_compute_loss", listen_to_loss)
    return found


def run(make_spec: Callable[..., TrialSpec], stub_scorer: Scorer, **grpo: str) -> TrialSpec:
    spec = make_spec(
        max_steps=2 * DEPTH,
        grpo__beta=BETA,
        grpo__num_generations=NUM_GENERATIONS,
        grpo__temperature=TEMPERATURE,
        grpo__reward__max_unscored_share=1.0,
        optimizer__learning_rate=0.05,  # large enough that ratios leave the clipped region
        optimizer__warmup_ratio=0.0,
        logging__save_strategy="no",
        **{f"grpo__{name}": value for name, value in grpo.items()},
    )
    assert spec.config.off_policy_depth == DEPTH
    run_trial(spec, Uneven(), stub_scorer, lambda progress: None)
    return spec


def oracle_advantages(rewards: Array, scale: str, aggregation: str) -> Array:
    """Group by group, completion by completion."""
    weighted = np.full(len(rewards), np.nan)
    for start in range(0, len(rewards), NUM_GENERATIONS):
        places = range(start, start + NUM_GENERATIONS)
        scored = [i for i in places if not np.isnan(rewards[i]).any()]
        for i in scored:
            parts = rewards[i]
            if aggregation == "normalize_then_sum":
                parts = (parts - rewards[scored].mean(0)) / (rewards[scored].std(0, ddof=1) + 1e-4)
            weighted[i] = (WEIGHTS * parts).sum()
    if aggregation == "normalize_then_sum":
        # TRL standardizes the sums once more, over the whole batch, whatever scale_rewards says.
        standard: Array = (weighted - np.nanmean(weighted)) / (np.nanstd(weighted, ddof=1) + 1e-4)
        return np.nan_to_num(standard, nan=0.0)
    advantages = np.zeros(len(rewards))
    for start in range(0, len(rewards), NUM_GENERATIONS):
        group = slice(start, start + NUM_GENERATIONS)
        centred = weighted[group] - np.nanmean(weighted[group])
        deviation = {
            "group": np.nanstd(weighted[group], ddof=1) + 1e-4,
            "batch": np.nanstd(weighted, ddof=1) + 1e-4,
            "none": 1.0,
        }[scale]
        advantages[group] = np.nan_to_num(centred / deviation, nan=0.0)
    return advantages


@pytest.mark.parametrize(
    ("scale", "aggregation"),
    [
        ("group", "sum_then_normalize"),
        ("batch", "sum_then_normalize"),
        ("none", "sum_then_normalize"),
        ("group", "normalize_then_sum"),
    ],
)
def test_advantages(
    make_spec: Callable[..., TrialSpec], stub_scorer: Scorer, capture: Capture, scale: str, aggregation: str
) -> None:
    run(make_spec, stub_scorer, scale_rewards=scale, multi_objective_aggregation=aggregation)
    assert len(capture.rewards) == 2
    for rewards, advantages in zip(capture.rewards, capture.advantages, strict=True):
        assert rewards.shape == (DEPTH * BATCH, 2)
        assert np.isnan(rewards[3]).all()
        assert np.isfinite(np.delete(rewards, 3, axis=0)).all()
        assert advantages[3] == 0
        assert np.abs(advantages).max() > 0.1
        expected = oracle_advantages(rewards, scale, aggregation)
        np.testing.assert_allclose(advantages, expected, rtol=2e-5, atol=2e-6)


def oracle_loss(step: Step, loss_type: str) -> tuple[float, float, float]:
    """Loss, KL and clipped share of one step, token by token.

    The KL of a token is the k3 estimator times the ratio to the policy that wrote it.
    """
    mask = step.inputs["completion_mask"].numpy()
    advantages = step.inputs["advantages"].double().numpy()
    old = step.inputs["old_per_token_logps"].double().numpy()
    reference = step.inputs["ref_per_token_logps"].double().numpy()
    sums, lengths, kl, clipped = [], [], 0.0, 0
    for b, advantage in enumerate(advantages):
        total = 0.0
        for t in np.flatnonzero(mask[b]):
            ratio = np.exp(step.logps[b, t] - old[b, t])
            surrogate = min(ratio * advantage, np.clip(ratio, 1 - EPSILON, 1 + EPSILON) * advantage)
            difference = reference[b, t] - step.logps[b, t]
            k3 = ratio * (np.exp(difference) - difference - 1)
            total += -surrogate + BETA * k3
            kl += k3
            clipped += (ratio > 1 + EPSILON and advantage > 0) or (ratio < 1 - EPSILON and advantage < 0)
        sums.append(total)
        lengths.append(mask[b].sum())
    tokens = sum(lengths)
    loss = {
        "grpo": np.mean([s / n for s, n in zip(sums, lengths, strict=True)]),
        "bnpo": sum(sums) / tokens,
        "dr_grpo": sum(sums) / (len(sums) * LENGTH),
        # By the tokens of all rollouts of the cycle, as many as the step would have on average.
        "dapo": sum(sums) / (step.inputs["num_items_in_batch"].item() / DEPTH),
    }[loss_type]
    return float(loss), kl / tokens, clipped / tokens


@pytest.mark.parametrize("loss_type", ["grpo", "bnpo", "dr_grpo", "dapo"])
def test_the_clipped_loss_and_its_kl(
    make_spec: Callable[..., TrialSpec], stub_scorer: Scorer, capture: Capture, loss_type: str
) -> None:
    run(make_spec, stub_scorer, loss_type=loss_type)
    assert len(capture.steps) == 2 * DEPTH
    for step in capture.steps:
        loss, kl, clipped = oracle_loss(step, loss_type)
        assert step.loss == pytest.approx(loss, rel=2e-5, abs=2e-6)
        assert step.kl == pytest.approx(kl, rel=2e-5, abs=2e-6)
        assert step.clipped == pytest.approx(clipped, abs=1e-6)
    # What makes the comparison worth it: the steps on old rollouts clip, and the policy leaves its reference.
    assert capture.steps[0].clipped == 0
    assert all(step.clipped > 0.05 for step in capture.steps[1:DEPTH])
    assert capture.steps[-1].kl > 0.01
    # Completions of unlike length, or the averages of the loss types would be the same.
    lengths = {n for step in capture.steps for n in step.inputs["completion_mask"].sum(1).tolist()}
    assert len(lengths) > 2


def test_log_probabilities_are_those_of_the_sampling_temperature(
    make_spec: Callable[..., TrialSpec], stub_scorer: Scorer, capture: Capture
) -> None:
    run(make_spec, stub_scorer)
    for step in capture.steps:
        mask = step.inputs["completion_mask"].numpy() == 1
        np.testing.assert_allclose(step.logps[mask], step.plain_logps[mask], atol=2e-5)
    assert len(capture.references) == 2
    for theirs, ours, mask in capture.references:
        # The reference stays the base model, whatever the adapter has learned by the second time.
        np.testing.assert_allclose(theirs[mask], ours[mask], atol=2e-5)
