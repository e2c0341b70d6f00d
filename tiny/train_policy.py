"""Make the tiny policy: tokenizer, SFT on the generated corpus, quality on held-out vibes.

    python -m tiny.train_policy                      # rebuilds tiny/weights/policy in minutes on 2 cores

It is left imperfect on purpose, as what is scraped is: a share of the pairs is hasty, with a config that
does not look at the vibe. So the policy can do both, and GRPO has something to find out: that it pays to.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import torch
from transformers import Gemma3ForCausalLM, Gemma3TextConfig

from common.training_config import BASE_MODELS, resolve_model
from tiny.corpus import generate, payload_json
from tiny.policy_quality import held_out_quality
from tiny.tokenizer import MAX_LENGTH, VOCAB_SIZE, train_tokenizer
from trainables.checksums import write_checksums
from trainables.policy import Policy

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from transformers import PreTrainedTokenizerFast

__all__ = ["main", "policy_config", "train_policy"]

NUM_PAIRS: Final = 12_000
HASTY_SHARE: Final = 0.5
"""Of the pairs; what GRPO can learn to leave."""
BATCH_SIZE: Final = 16
MATRIX_LEARNING_RATE: Final = 0.02
"""Muon's, for the layers' matrices; the loss after 100 steps is AdamW's after 250."""
LEARNING_RATE: Final = 6e-3
"""AdamW's, for the embedding and the norms."""
WARMUP_SHARE: Final = 0.02
WEIGHT_RMS: Final = 0.05
"""Of the layers' matrices, about that of models trained with AdamW."""
IGNORED: Final = -100
"""Label of the tokens that are not learned: prompt and padding."""


class Example(NamedTuple):
    """One pair in tokens."""

    prompt: list[int]
    completion: list[int]


def policy_config(tokenizer: PreTrainedTokenizerFast) -> Gemma3TextConfig:
    """Gemma 3's architecture at 1.94 M parameters: 7.8 MB in fp32."""
    return Gemma3TextConfig(
        vocab_size=VOCAB_SIZE,
        hidden_size=192,
        intermediate_size=512,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=1,
        head_dim=48,
        query_pre_attn_scalar=48,
        # A payload and its vibe fit any window, so every layer sees all of it.
        layer_types=["full_attention"] * 4,
        max_position_embeddings=MAX_LENGTH,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )


def tokenize(tokenizer: PreTrainedTokenizerFast, vibe: str, payload: str) -> Example:
    """The pair through the chat template, cut where the policy starts to write."""
    turns = [{"role": "user", "content": vibe}, {"role": "assistant", "content": payload}]
    prompt = tokenizer.apply_chat_template(turns[:1], add_generation_prompt=True, return_dict=False)
    whole = tokenizer.apply_chat_template(turns, return_dict=False)
    return Example(prompt, whole[len(prompt) :])


def batches(examples: Sequence[Example], num_steps: int, rng: random.Random) -> Iterator[list[Example]]:
    """Yield `num_steps` batches, pass after pass over the shuffled examples."""
    queue: list[Example] = []
    for _ in range(num_steps):
        if len(queue) < BATCH_SIZE:
            queue += rng.sample(examples, len(examples))
        yield queue[:BATCH_SIZE]
        del queue[:BATCH_SIZE]


def completion_loss(model: Gemma3ForCausalLM, batch: Sequence[Example]) -> torch.Tensor:
    """Mean cross-entropy in nats per completion token. Padding is on the right: the causal mask suffices."""
    width = max(len(prompt) + len(completion) for prompt, completion in batch)
    tokens = torch.full((len(batch), width), model.config.pad_token_id)
    labels = torch.full((len(batch), width), IGNORED)
    for row, (prompt, completion) in enumerate(batch):
        end = len(prompt) + len(completion)
        tokens[row, :end] = torch.tensor(prompt + completion)
        labels[row, len(prompt) : end] = torch.tensor(completion)
    loss: torch.Tensor = model(input_ids=tokens, labels=labels, use_cache=False).loss
    return loss


def optimizers(model: Gemma3ForCausalLM) -> tuple[torch.optim.Optimizer, torch.optim.Optimizer]:
    """Muon for the layers' matrices, AdamW for the embedding and the norms."""
    matrices = [weight for weight in model.model.layers.parameters() if weight.ndim == 2]
    held = {id(weight) for weight in matrices}
    others = [weight for weight in model.parameters() if id(weight) not in held]
    return (
        torch.optim.Muon(matrices, lr=MATRIX_LEARNING_RATE, weight_decay=0.0, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(others, lr=LEARNING_RATE, betas=(0.9, 0.95), weight_decay=0.0),
    )


@torch.no_grad()
def rescale(model: Gemma3ForCausalLM) -> None:
    """Scale weights to an RMS of WEIGHT_RMS where a norm behind them makes the function the same.

    Muon leaves weights ten times as large as a large model's. A LoRA, whose initial scale is fixed, then
    moves the function hardly at all until both its factors are large, and from there on quadratically: no
    learning rate learns. Queries and keys have norms of their own; values and attention output, and the two
    linear MLP matrices, share the norm behind their block. The gate has none, and stays.
    """
    for layer in model.model.layers:
        attention, mlp = layer.self_attn, layer.mlp
        linear = (attention.q_proj, attention.k_proj, attention.v_proj, attention.o_proj, mlp.up_proj)
        for module in (*linear, mlp.down_proj):
            module.weight.mul_(WEIGHT_RMS / module.weight.pow(2).mean().sqrt())


def rate_factor(step: int, num_steps: int) -> float:
    """Share of the peak learning rate: a linear warm-up, then half a cosine down to 0."""
    warmup = max(1, round(WARMUP_SHARE * num_steps))
    return min(1.0, (step + 1) / warmup) * 0.5 * (1.0 + math.cos(math.pi * step / num_steps))


def train_policy(num_steps: int, seed: int) -> Policy:
    """Train tokenizer and policy from nothing; progress goes to stderr.

    Args:
        num_steps: optimizer steps of BATCH_SIZE pairs.
        seed: decides corpus, initial weights and order.

    Returns:
        The policy, in eval mode.
    """
    pairs = [
        (pair.vibe, payload_json(pair.payload)) for pair in generate(NUM_PAIRS, seed, hasty_share=HASTY_SHARE)
    ]
    tokenizer = train_tokenizer(text for pair in pairs for text in pair)
    examples = [tokenize(tokenizer, vibe, payload) for vibe, payload in pairs]
    torch.manual_seed(seed)
    model = Gemma3ForCausalLM(policy_config(tokenizer)).train()
    both = optimizers(model)
    factor = partial(rate_factor, num_steps=num_steps)
    schedules = [torch.optim.lr_scheduler.LambdaLR(optimizer, factor) for optimizer in both]
    for step, batch in enumerate(batches(examples, num_steps, random.Random(seed)), start=1):
        loss = completion_loss(model, batch)
        model.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer, schedule in zip(both, schedules, strict=True):
            optimizer.step()
            schedule.step()
        if step % 50 == 0 or step == num_steps:
            print(f"step {step}/{num_steps}: {loss.item():.3f} nats per token", file=sys.stderr)
    rescale(model)
    return Policy(model.eval(), tokenizer)


def main(argv: list[str] | None = None) -> int:
    """Command line: train, measure, write."""
    parser = argparse.ArgumentParser(prog="python -m tiny.train_policy", description=__doc__.split("\n")[0])
    parser.add_argument("--output", type=Path, default=Path(resolve_model("tiny", BASE_MODELS)))
    parser.add_argument("--steps", type=int, default=2000, help="optimizer steps (default 2000)")
    parser.add_argument("--seed", type=int, default=0, help="same seed, same policy (default 0)")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads (default 2)")
    args = parser.parse_args(argv)
    if not args.steps >= 1:
        parser.error(f"--steps must be >= 1, got {args.steps}")
    torch.set_num_threads(args.threads)
    start = time.perf_counter()
    policy = train_policy(args.steps, args.seed)
    seconds = time.perf_counter() - start
    policy.model.save_pretrained(args.output)
    policy.tokenizer.save_pretrained(args.output)
    flags = f"--steps {args.steps} --seed {args.seed} --threads {args.threads}"
    quality = {
        "command": f"python -m tiny.train_policy {flags}",
        "steps": args.steps,
        "seed": args.seed,
        "seconds": round(seconds),
        "parameters": policy.model.num_parameters(),
        "held_out": {
            f"temperature {temperature}": held_out_quality(policy, temperature=temperature)._asdict()
            for temperature in (0.8, 1.0)
        },
    }
    text = json.dumps(quality, indent=2) + "\n"
    (args.output / "quality.json").write_text(text)
    write_checksums(args.output)
    print(text, end="")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
