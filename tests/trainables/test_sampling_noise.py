"""Decoding noise that belongs to one (vibe, sample), and the distribution it gives."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from transformers import GenerationConfig

from trainables.policy import load_policy
from trainables.sampling import GumbelNoise, sample_completions, stream_seed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainables.policy import Policy


@pytest.fixture
def policy(small_policy: str) -> Policy:
    return load_policy(small_policy)


def prompts_of(policy: Policy, count: int) -> list[list[int]]:
    texts = [f"{'rain ' * (i % 5 + 1)}at night" for i in range(count)]
    return [policy.tokenizer(text)["input_ids"] for text in texts]


def sample(
    policy: Policy, prompts: Sequence[list[int]], seeds: Sequence[int], batch_size: int, length: int = 24
) -> list[tuple[str, int]]:
    sampled = sample_completions(
        policy,
        prompts,
        seeds,
        temperature=1.0,
        max_completion_length=length,
        batch_size=batch_size,
    )
    return [(completion.text, completion.num_tokens) for completion in sampled]


def test_completions_do_not_depend_on_their_batch(policy: Policy) -> None:
    # Padding to another length moves logits by about 1e-7: it takes a tie to that precision to turn a token,
    # which does not happen here in 32 x 24 tokens.
    prompts, seeds = prompts_of(policy, 32), [stream_seed(0, str(i), 0) for i in range(32)]
    whole = sample(policy, prompts, seeds, batch_size=32)
    assert sample(policy, prompts, seeds, batch_size=4) == whole
    assert sample(policy, prompts[::-1], seeds[::-1], batch_size=5) == whole[::-1]
    assert len(set(whole)) == 32


def test_the_global_random_state_is_neither_read_nor_moved(policy: Policy) -> None:
    prompts, seeds = prompts_of(policy, 2), [1, 2]
    torch.manual_seed(0)
    first = sample(policy, prompts, seeds, batch_size=2)
    after = torch.rand(1)
    torch.manual_seed(0)
    assert torch.rand(1) == after
    assert sample(policy, prompts, seeds, batch_size=2) == first


def test_a_models_own_sampling_defaults_have_no_say(policy: Policy) -> None:
    # gemma-3's generation_config.json has top_k 64 and top_p 0.95; a repetition penalty would do the same.
    prompts, seeds = prompts_of(policy, 4), [1, 2, 3, 4]
    plain = sample(policy, prompts, seeds, batch_size=4)
    policy.model.generation_config = GenerationConfig(
        do_sample=True,
        top_k=2,
        top_p=0.5,
        temperature=0.1,
        repetition_penalty=5.0,
        eos_token_id=1,
        max_length=20,
    )
    assert sample(policy, prompts, seeds, batch_size=4) == plain


def test_a_completion_ends_with_any_end_token(policy: Policy) -> None:
    tokens = policy.tokenizer
    text, length = sample(policy, prompts_of(policy, 1), [5], batch_size=1)[0]
    assert length == 24
    ids = tokens(text)["input_ids"]
    policy.model.generation_config.eos_token_id = [1, ids[0]]
    assert sample(policy, prompts_of(policy, 1), [5], batch_size=1)[0][1] == 1


def test_greedy_decoding_over_gumbel_noise_samples_the_softmax() -> None:
    logits, no_tokens = torch.FloatTensor([[2.0, 1.0, 0.0, -1.0]]), torch.LongTensor(1, 0)
    noise = GumbelNoise(0.5, seeds=[3])
    counts = torch.zeros(4)
    for _ in range(4000):
        counts[noise(no_tokens, logits).argmax()] += 1
    expected = torch.softmax(logits[0] / 0.5, dim=0)  # 0.865, 0.117, 0.016, 0.002
    # Standard error of a share near 0.1 of 4,000 draws: 0.005
    assert torch.allclose(counts / 4000, expected, atol=0.02)


def test_each_vibe_and_sample_has_its_own_stream() -> None:
    seeds = {stream_seed(d, p, s) for d in (0, 1) for p in ("a", "b") for s in (0, 1, 10)}
    assert len(seeds) == 12
    assert stream_seed(0, "a", 0) == stream_seed(0, "a", 0)
    assert all(0 <= seed < 2**63 for seed in seeds)
