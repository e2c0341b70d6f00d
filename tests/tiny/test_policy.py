"""The shipped tiny policy: loads like any model, is small, and writes payloads that keep the contract."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, Gemma3ForCausalLM

from common.training_config import BASE_MODELS, resolve_model
from tiny.corpus import generate, payload_json
from tiny.policy_quality import held_out_quality, read_payload
from tiny.train_policy import IGNORED, completion_loss, rate_factor, tokenize
from trainables.policy import Policy, load_policy

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = Path(resolve_model("tiny", BASE_MODELS))


@cache
def policy() -> Policy:
    return load_policy("tiny")


def stored_quality() -> dict[str, dict[str, float]]:
    """What was measured on the held-out vibes, by sampling temperature."""
    held_out: dict[str, dict[str, float]] = json.loads((FOLDER / "quality.json").read_text())["held_out"]
    return held_out


def test_it_loads_through_the_auto_classes() -> None:
    model = AutoModelForCausalLM.from_pretrained(FOLDER)
    tokenizer = AutoTokenizer.from_pretrained(FOLDER)
    assert isinstance(model, Gemma3ForCausalLM)
    assert model.dtype == torch.float32
    # embedding 2048 * 192; per layer attention 192 * (192 + 48 + 48 + 192), MLP 3 * 192 * 512, norms
    # 4 * 192 + 2 * 48; last norm 192: 393,216 + 4 * (92,160 + 294,912 + 864) + 192 = 1,945,152.
    assert model.num_parameters() == 1_945_152
    assert model.config.max_position_embeddings >= 4096
    assert model.generation_config.eos_token_id == tokenizer.eos_token_id == 1
    assert model.generation_config.pad_token_id == tokenizer.pad_token_id == 0


def test_the_weights_of_both_tiny_models_take_at_most_20_mb() -> None:
    weights = list((FOLDER.parent).glob("*/*.safetensors"))
    assert FOLDER / "model.safetensors" in weights
    assert (FOLDER / "model.safetensors").stat().st_size <= 8_000_000
    assert sum(path.stat().st_size for path in weights) <= 20_000_000


def test_the_measured_quality_is_there_and_good_enough() -> None:
    held_out = stored_quality()
    assert held_out["temperature 0.8"]["validity"] >= 0.9
    for measured in held_out.values():
        # Conditioned on the vibe, with headroom for GRPO.
        assert measured["overlap_random"] + 0.1 < measured["overlap"] < measured["overlap_generator"]


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Steps this small only wait for each other on more threads, for minutes on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
def test_nine_of_ten_held_out_completions_at_temperature_0_8_keep_the_contract() -> None:
    # Another seed than the card's, so this does not repeat its samples.
    measured = held_out_quality(policy(), temperature=0.8, samples_per_vibe=2, seed=1)
    assert measured.num_completions == 236
    assert measured.validity >= 0.9


def test_a_payload_is_read_only_as_a_whole() -> None:
    text = next(payload_json(pair.payload) for pair in generate(1, seed=0))
    assert read_payload(text) is not None
    assert read_payload(f"{text} done") is None
    assert read_payload(text[:-1]) is None
    assert read_payload("") is None


def test_only_the_completion_is_learned() -> None:
    pairs = [(pair.vibe, payload_json(pair.payload)) for pair in generate(2, seed=0)]
    batch = [tokenize(policy().tokenizer, vibe, payload) for vibe, payload in pairs]
    # One pair at a time, without padding, through the model's own logits.
    total, count = 0.0, 0
    for prompt, completion in batch:
        logits = policy().model(input_ids=torch.tensor([prompt + completion])).logits[0]
        picked = logits[len(prompt) - 1 : -1].log_softmax(-1).gather(1, torch.tensor(completion)[:, None])
        total, count = total - picked.sum().item(), count + len(completion)
    assert completion_loss(policy().model, batch).item() == pytest.approx(total / count, rel=1e-5)
    assert IGNORED == -100  # what transformers' loss leaves out


def test_the_learning_rate_rises_to_its_peak_and_falls_to_zero() -> None:
    # 2 % of 100 steps are 2: half of the peak at step 0, the peak at step 1 (less the cosine's start).
    assert rate_factor(0, 100) == 0.5
    assert rate_factor(1, 100) == pytest.approx(1.0, abs=1e-3)
    assert rate_factor(50, 100) == pytest.approx(0.5)
    assert rate_factor(100, 100) == pytest.approx(0.0)
