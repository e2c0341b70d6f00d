"""How good the tiny policy is on held-out vibes: contract-valid payloads, and fields that fit the words."""

from __future__ import annotations

import random
from statistics import fmean
from typing import TYPE_CHECKING, NamedTuple

from pydantic import ValidationError

from common.music_schema import MusicConfigPayload
from common.random_configs import random_config
from common.training_config import TrainingConfig
from tiny.corpus import HASTY_OPENING, find_words, ideal_overlap, load_vibes, sample_config
from trainables.chat import PromptFormat
from trainables.sampling import sample_completions, stream_seed

if TYPE_CHECKING:
    from trainables.policy import Policy

__all__ = ["MAX_COMPLETION_LENGTH", "PolicyQuality", "held_out_quality", "read_payload"]

MAX_COMPLETION_LENGTH = 192
"""More than twice the tokens of a payload."""

BATCH_SIZE = 59
"""Completions generated together; 118 held-out vibes fill whole batches."""


class PolicyQuality(NamedTuple):
    """Shares over the sampled completions, 0 to 1, and their length."""

    validity: float
    """Share of completions that are, as a whole, one contract-valid payload."""
    overlap: float | None
    """Mean share of the fields pulled by a vibe's words that have a label pulled on, over the valid ones;
    None where there is none."""
    overlap_generator: float
    """The same of configs from the corpus generator: the most that SFT can teach."""
    overlap_random: float
    """The same of uniformly random valid configs."""
    hasty: float
    """Share of the completions that say they did not look at the vibe."""
    mean_tokens: float
    """Mean tokens of a completion, with the end token."""
    num_completions: int


def read_payload(text: str) -> MusicConfigPayload | None:
    """The payload that a whole completion is, or None where it breaks the contract."""
    try:
        return MusicConfigPayload.model_validate_json(text)
    except ValidationError:
        return None


def held_out_quality(
    policy: Policy, *, temperature: float, samples_per_vibe: int = 4, seed: int = 0
) -> PolicyQuality:
    """Measure the policy on the hand-written held-out vibes, asked as every trial asks it by default.

    Args:
        policy: the model and its tokenizer.
        temperature: sampling temperature, > 0; the whole distribution is sampled from.
        samples_per_vibe: completions per vibe, >= 1.
        seed: decides the samples, the generator's configs and the random ones.
    """
    keys = [(vibe, sample) for vibe in load_vibes("held_out") for sample in range(samples_per_vibe)]
    asked = PromptFormat.of(policy.tokenizer, TrainingConfig().system_prompt)
    completions = sample_completions(
        policy,
        [asked.token_ids(vibe) for vibe, _ in keys],
        [stream_seed(seed, vibe, sample) for vibe, sample in keys],
        temperature=temperature,
        max_completion_length=MAX_COMPLETION_LENGTH,
        batch_size=BATCH_SIZE,
    )
    payloads = [read_payload(completion.text) for completion in completions]
    known = [(vibe, payload) for (vibe, _), payload in zip(keys, payloads, strict=True) if find_words(vibe)]
    overlaps = [ideal_overlap(vibe, payload.config) for vibe, payload in known if payload]
    rng = random.Random(seed)
    return PolicyQuality(
        validity=fmean(payload is not None for payload in payloads),
        overlap=fmean(overlaps) if overlaps else None,
        overlap_generator=fmean(ideal_overlap(vibe, sample_config(vibe, rng)) for vibe, _ in known),
        overlap_random=fmean(ideal_overlap(vibe, random_config(rng)) for vibe, _ in known),
        hasty=fmean(HASTY_OPENING in completion.text for completion in completions),
        mean_tokens=fmean(completion.num_tokens for completion in completions),
        num_completions=len(completions),
    )
