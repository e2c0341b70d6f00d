"""What ends a trial with its step and cause: memory, and scores that nothing can be learned from."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
import trl

from common.errors import TrialError
from common.records import ResultRecord
from common.training_config import PROJECT_ROOT
from rewards.backends import InProcessBackend
from rewards.scorer import Scorer
from trainables.guards import memory_explained
from trainables.trial import run_trial

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from common.music_schema import MusicConfig
    from rewards.components import Components
    from trainables.spec import Progress, TrialSpec


def quiet(progress: Progress) -> None:
    pass


def failure(spec: TrialSpec, training: Scorer, evaluation: Scorer) -> str:
    """Why the trial fails, as it is stored."""
    with pytest.raises(TrialError) as raised:
        run_trial(spec, training, evaluation, quiet)
    stored = ResultRecord.read(Path(spec.directory))
    assert stored is not None
    assert (stored.status, stored.reason) == ("failed", str(raised.value))
    return str(raised.value)


def too_much(*_: Any, **__: Any) -> Any:
    """Ask torch for 4 EiB; the message is torch's own."""
    return torch.empty(2**60)


def out_of_gpu_memory(*_: Any, **__: Any) -> Any:
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nGPU 0 has a total of")


def test_memory_that_learning_does_not_get_is_explained(
    make_spec: Callable[..., TrialSpec], stub_scorer: Scorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trl.GRPOTrainer, "_compute_loss", too_much)
    reason = failure(make_spec(), stub_scorer, stub_scorer)
    assert reason.startswith(
        "step 0, learning: out of memory; lower batch.batch_size and raise batch.gradient_accumulation_steps "
        "by as much, or lower grpo.max_completion_length ("
    )


def test_memory_that_generation_does_not_get_is_explained(
    make_spec: Callable[..., TrialSpec], stub_scorer: Scorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trl.GRPOTrainer, "_generate_single_turn", out_of_gpu_memory)
    reason = failure(make_spec(), stub_scorer, stub_scorer)
    assert reason.startswith("step 0, generating 4 completions: out of memory; lower batch.batch_size")
    assert reason.endswith("(CUDA out of memory. Tried to allocate 2.00 GiB.)")


def test_memory_that_an_evaluation_does_not_get_is_explained(
    make_spec: Callable[..., TrialSpec], stub_scorer: Scorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainables.evaluation.sample_completions", too_much)
    reason = failure(make_spec(), stub_scorer, stub_scorer)
    assert reason.startswith("step 0, evaluating: out of memory; lower objective.batch_size (")


def test_only_a_lack_of_memory_is_explained_so() -> None:
    with (
        pytest.raises(TrialError, match=r"^here: out of memory; do less \(MemoryError\)$"),
        memory_explained("there", "do nothing"),
        memory_explained("here", "do less"),
    ):
        raise MemoryError
    with pytest.raises(RuntimeError, match=r"^shapes cannot be multiplied$"), memory_explained("here", "x"):
        raise RuntimeError("shapes cannot be multiplied")


class WritesConfigs(Scorer):
    """Takes every completion for a valid one, so that a custom scorer hears it."""

    def score(self, vibes: Sequence[str], completions: Sequence[str]) -> list[Components]:
        lines = (PROJECT_ROOT / "tiny/data/sft_sample.jsonl").read_text().splitlines()
        payload = json.loads(lines[0])["config_payload"]
        assert isinstance(payload, str)
        return super().score(vibes, [payload] * len(completions))


def broken(value: float) -> Scorer:
    def score(vibes: Sequence[str], configs: Sequence[MusicConfig]) -> list[float]:
        return [value, *[0.5] * (len(configs) - 1)]

    return WritesConfigs(InProcessBackend(score, "custom:broken", "custom"))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_custom_score_that_is_not_finite_fails_the_trial(
    make_spec: Callable[..., TrialSpec], stub_scorer: Scorer, value: float
) -> None:
    spec = make_spec(grpo__reward={"reward_type": "custom", "custom_scorer_path": "tests.broken:score"})
    reason = failure(spec, broken(value), stub_scorer)
    assert reason.startswith("step 0: 1 rollouts are unscored, more than reward.max_unscored_share 0.02")
    assert reason.endswith(f"scorer custom:broken gave a score that is not finite: {value}")


def test_a_reward_that_overflows_fails_the_trial(
    make_spec: Callable[..., TrialSpec], stub_scorer: Scorer
) -> None:
    spec = make_spec(grpo__reward={"reward_type": "custom", "custom_scorer_path": "tests.broken:score"})
    # 0.2 * 1 + 0.3 * 1 + 0.5 * 1e30
    reason = failure(spec, broken(1e30), stub_scorer)
    assert reason.startswith("step 0: the reward of a completion must be at most 1e+18 in size, got 5e+29")


def test_an_objective_that_is_not_finite_fails_the_trial(
    make_spec: Callable[..., TrialSpec], stub_scorer: Scorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainables.digest.objective_value", lambda *_: math.nan)
    reason = failure(make_spec(), stub_scorer, stub_scorer)
    assert reason == "step 0: the held-out objective is nan; a component is not finite"


def test_a_gradient_that_is_not_finite_fails_the_trial(
    make_spec: Callable[..., TrialSpec], stub_scorer: Scorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    compute_loss = trl.GRPOTrainer._compute_loss

    def steep(self: Any, model: Any, inputs: Any) -> torch.Tensor:
        loss: torch.Tensor = compute_loss(self, model, inputs)
        # sqrt has a finite value and an infinite slope at 0.
        return loss + (loss - loss.detach()).abs().sqrt()

    monkeypatch.setattr(trl.GRPOTrainer, "_compute_loss", steep)
    reason = failure(make_spec(), stub_scorer, stub_scorer)
    assert reason == "step 0: the gradient norm is nan; lower optimizer.learning_rate"
