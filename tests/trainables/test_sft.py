"""SFT lowers the loss of its responses, and GRPO goes on from its adapter."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import torch

from common.errors import UserError
from trainables.chat import PromptFormat
from trainables.policy import load_policy
from trainables.sft import run_sft
from trainables.trial import run_trial

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from common.training_config import TrainingConfig
    from rewards.scorer import Scorer
    from tests.trainables.conftest import ReadLedger
    from trainables.spec import Progress, TrialSpec


@pytest.fixture
def pairs(tmp_path: Path) -> str:
    """Vibes whose responses, half text and half object, are one payload."""
    payload = {"title": "rain"}
    rows = [
        {"vibe_noisy": f"rain {i}", "config_payload": payload if i % 2 else json.dumps(payload)}
        for i in range(8)
    ]
    path = tmp_path / "pairs.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def response_loss(name: str, text: str = '{"title":"rain"}') -> float:
    """Mean negative log-likelihood (nats) of the response and its end token."""
    policy = load_policy(name)
    prompt = PromptFormat.of(policy.tokenizer, "").token_ids("rain 1")
    answer = [*policy.tokenizer(text, add_special_tokens=False)["input_ids"], policy.tokenizer.eos_token_id]
    ids = torch.tensor([prompt + answer])
    labels = torch.tensor([[-100] * len(prompt) + answer])
    with torch.no_grad():
        return float(policy.model(ids, labels=labels).loss)


def test_grpo_goes_on_from_an_sft_adapter_of_another_rank(
    make_config: Callable[..., TrainingConfig],
    make_spec: Callable[..., TrialSpec],
    pairs: str,
    stub_scorer: Scorer,
    read_ledger: ReadLedger,
) -> None:
    seen: list[Progress] = []
    config = make_config(
        max_steps=30, lora__r=8, lora__alpha=32, optimizer__learning_rate=2e-2, logging__logging_steps=10
    )
    adapter = run_sft(config, pairs, f"{pairs}.sft", seen.append)
    before, after = response_loss(config.base_model), response_loss(str(adapter))
    assert after < 0.5 * before
    assert [(p.step, p.total_steps) for p in seen][:3] == [(10, 30), (20, 30), (30, 30)]

    spec = make_spec(base_model=str(adapter), lora__r=4, max_steps=1, grpo__beta=0.5)
    run_trial(spec, stub_scorer, stub_scorer, lambda progress: None)
    baseline = make_spec("untrained", kind="untrained_policy", base_model=str(adapter))
    run_trial(baseline, stub_scorer, stub_scorer, lambda progress: None)
    # The fresh LoRA starts at zero: step 0 is the SFT policy.
    start = {k: r["completion"] for k, r in read_ledger(spec.directory).items() if k[:2] == (0, "held_out")}
    assert start == {k: r["completion"] for k, r in read_ledger(baseline.directory).items()}
    assert response_loss(f"{spec.directory}/adapter") == pytest.approx(after, abs=0.1)


def test_rows_that_are_too_long_are_named(
    make_config: Callable[..., TrainingConfig], pairs: str, tmp_path: Path
) -> None:
    with pytest.raises(
        UserError, match=r"row 1: prompt and response must fit data.max_seq_length 16, got \d+ \+ \d+"
    ):
        run_sft(make_config(data__max_seq_length=16), pairs, str(tmp_path / "sft"), lambda progress: None)
    assert not (tmp_path / "sft").exists()
