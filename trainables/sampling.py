"""Completions whose decoding noise belongs to them alone: the same for every trial, in any batch."""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING, NamedTuple

import torch
from transformers import GenerationConfig, LogitsProcessor, LogitsProcessorList

from trainables.merging import merged_adapter
from trainables.policy import eos_token_ids

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainables.constrained import ContractGrammar
    from trainables.policy import Policy

__all__ = ["GumbelNoise", "Sampled", "sample_completions", "stream_seed"]


class Sampled(NamedTuple):
    """One completion."""

    text: str
    num_tokens: int
    """With the end token, where there is one."""
    generate_s: float
    """Seconds of its batch, divided by the batch's completions."""


class GumbelNoise(LogitsProcessor):  # type: ignore[misc]  # transformers has no types
    """Makes greedy decoding sample: argmax(logits / T + Gumbel noise) follows softmax(logits / T).

    Row i of the batch draws from its own generator, so a completion does not depend on what else is in
    the batch, and two policies with like logits say like things (common random numbers).
    """

    def __init__(self, temperature: float, seeds: Sequence[int]) -> None:
        self.temperature = temperature
        self.generators = [torch.Generator().manual_seed(seed) for seed in seeds]

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.Tensor:
        """[B, V] perturbed scores of one decoding step."""
        # -log of a standard exponential variable is a standard Gumbel variable. Drawn on the CPU, so that
        # a GPU decodes with the same noise.
        noise = torch.empty(scores.shape, dtype=torch.float32)
        for row, generator in zip(noise, self.generators, strict=True):
            row.exponential_(generator=generator)
        return scores.float() / self.temperature - noise.log_().to(scores.device)


def stream_seed(decoding_seed: int, prompt_id: str, sample: int) -> int:
    """Seed in [0, 2^63) of the noise stream of one (vibe, sample)."""
    key = f"{decoding_seed} {prompt_id} {sample}".encode()
    return int.from_bytes(hashlib.sha256(key).digest()[:8], "big") >> 1


@torch.no_grad()
def sample_completions(
    policy: Policy,
    prompts: Sequence[Sequence[int]],
    seeds: Sequence[int] | None,
    *,
    temperature: float,
    max_completion_length: int,
    batch_size: int,
    grammar: ContractGrammar | None = None,
) -> list[Sampled]:
    """One completion per prompt.

    Args:
        policy: a model, with or without an adapter; it is left in the mode it came in.
        prompts: token ids, without padding.
        seeds: one noise stream per prompt; None decodes greedily, the likeliest token each time.
        temperature: of the sampling, > 0; greedy decoding has none.
        max_completion_length: tokens after which a completion is cut off.
        batch_size: completions generated together. Their padding moves logits by about 1e-7, which can
            turn a token only where two candidates tie to that precision.
        grammar: what a completion may say; anything by default.
    """
    was_training = policy.model.training
    policy.model.eval()
    try:
        completions = []
        with merged_adapter(policy.model):
            for start in range(0, len(prompts), batch_size):
                batch = slice(start, start + batch_size)
                # The mask first: noise leaves what is forbidden forbidden.
                processors = [grammar.processor(len(prompts[batch]))] if grammar else []
                if seeds is not None:
                    processors.append(GumbelNoise(temperature, seeds[batch]))
                completions += _sample_batch(policy, prompts[batch], processors, max_completion_length)
        return completions
    finally:
        policy.model.train(was_training)


def _sample_batch(
    policy: Policy,
    prompts: Sequence[Sequence[int]],
    processors: list[LogitsProcessor],
    max_completion_length: int,
) -> list[Sampled]:
    started = time.perf_counter()
    model, tokenizer = policy
    ends = eos_token_ids(policy)
    inputs = tokenizer.pad(
        {"input_ids": [list(prompt) for prompt in prompts]}, padding_side="left", return_tensors="pt"
    ).to(model.device)
    settings = GenerationConfig(
        do_sample=False,
        max_new_tokens=max_completion_length,
        eos_token_id=ends,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
    )
    # What these settings leave open, generate takes from the model's own: a repetition penalty, say.
    own, model.generation_config = model.generation_config, settings
    try:
        generated = model.generate(
            **inputs, logits_processor=LogitsProcessorList(processors), generation_config=settings
        )
    finally:
        model.generation_config = own
    rows = generated[:, inputs["input_ids"].shape[1] :].tolist()
    lengths = [next((i + 1 for i, token in enumerate(row) if token in ends), len(row)) for row in rows]
    texts = tokenizer.batch_decode(
        [row[:length] for row, length in zip(rows, lengths, strict=True)], skip_special_tokens=True
    )
    seconds = (time.perf_counter() - started) / len(rows)
    return [Sampled(text, length, seconds) for text, length in zip(texts, lengths, strict=True)]
