"""How well a CLAP model knows held-out vibes by their sound: text-to-audio retrieval among 50 clips."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from common.reward_config import ClapScorerConfig
from rewards.clap import ClapScorer
from tiny.corpus import load_vibes, sample_config, sample_vibe

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from common.music_schema import MusicConfig

__all__ = ["Retrieval", "held_out_pairs", "measure", "retrieval"]

NUM_CLIPS = 50
NUM_DRAWS = 200
HELD_OUT_SEED = 20_260_001
"""Apart from every training seed; the same pairs measure every model."""


class HeldOutPair(NamedTuple):
    """A vibe that no training saw, a config drawn for it, and whether the vibe was written by hand."""

    vibe: str
    config: MusicConfig
    by_hand: bool


class Retrieval(NamedTuple):
    """Share of the vibes whose own clip is among the k nearest of `NUM_CLIPS`; chance is k / NUM_CLIPS."""

    recall_at_1: float
    recall_at_5: float
    recall_at_10: float


def held_out_pairs(num_synthetic: int = 120) -> list[HeldOutPair]:
    """Held-out pairs: synthetic vibes of an unseen seed, then all that were written by hand."""
    rng = random.Random(HELD_OUT_SEED)
    vibes = [(sample_vibe(rng, "held_out"), False) for _ in range(num_synthetic)]
    vibes += [(vibe, True) for vibe in load_vibes("held_out")]
    return [HeldOutPair(vibe, sample_config(vibe, rng), by_hand) for vibe, by_hand in vibes]


def retrieval(similarity: np.ndarray, seed: int = 0) -> Retrieval:
    """Mean recall over `NUM_DRAWS` draws of `NUM_CLIPS` pairs.

    Args:
        similarity: [N, N] of text (row) and clip (column), N >= NUM_CLIPS; the pairs are on the diagonal.
        seed: of the draws.
    """
    rng = np.random.default_rng(seed)
    ranks = []
    for _ in range(NUM_DRAWS):
        drawn = rng.choice(len(similarity), NUM_CLIPS, replace=False)
        among = similarity[np.ix_(drawn, drawn)]
        # A clip that scores as high as the right one counts as before it.
        ranks.append((among >= np.diag(among)[:, None]).sum(axis=1))
    rank = np.concatenate(ranks)
    return Retrieval(*(float((rank <= k).mean()) for k in (1, 5, 10)))


def measure(model: Path) -> dict[str, object]:
    """Quality of a checkpoint, heard through the scorer that training and sweeps use.

    Returns:
        JSON-ready: recall over all held-out pairs and apart for synthetic and hand-written vibes, and the
        mean score of a vibe with its own clip and with others.
    """
    pairs = held_out_pairs()
    scorer = ClapScorer(ClapScorerConfig(model=str(model), device="cpu"))
    texts = np.array([scorer.embed_text(pair.vibe) for pair in pairs])
    clips = np.array(scorer.embed_configs([pair.config for pair in pairs]))
    similarity = texts @ clips.T
    by_hand = np.array([pair.by_hand for pair in pairs])

    def part(chosen: np.ndarray) -> dict[str, float]:
        return {k: round(v, 4) for k, v in retrieval(similarity[np.ix_(chosen, chosen)])._asdict().items()}

    return {
        "num_clips": NUM_CLIPS,
        "num_draws": NUM_DRAWS,
        "num_pairs": len(pairs),
        "text_to_audio": part(np.full(len(pairs), fill_value=True)),
        "text_to_audio_synthetic": part(~by_hand),
        "text_to_audio_by_hand": part(by_hand),
        "mean_score_matched": round(_mean_score(scorer, pairs, shift=0), 4),
        "mean_score_mismatched": round(_mean_score(scorer, pairs, shift=1), 4),
        "weights_hash": scorer.clap.weights_hash,
        "scorer_id": scorer.scorer_id,
        "renderer_id": scorer.renderer_id,
    }


def _mean_score(scorer: ClapScorer, pairs: Sequence[HeldOutPair], shift: int) -> float:
    """Mean audio component of each vibe with the clip `shift` pairs on."""
    configs = [pair.config for pair in pairs]
    scores = scorer([pair.vibe for pair in pairs], [*configs[shift:], *configs[:shift]])
    return sum(scores) / len(scores)
