"""The shipped tiny CLAP, loaded and heard through the code that loads the large ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from common.reward_config import CLAP_MODELS, ClapScorerConfig
from common.training_config import resolve_model
from rewards.clap import ClapScorer
from tiny.clap_quality import held_out_pairs

FOLDER = Path(resolve_model("tiny", CLAP_MODELS))
PAIRS = held_out_pairs()[-24:]
"""By hand."""


@pytest.fixture(scope="module")
def scorer() -> ClapScorer:
    return ClapScorer(ClapScorerConfig(device="cpu"))


def test_the_measured_quality_beats_what_was_asked() -> None:
    quality = json.loads((FOLDER / "quality.json").read_text())
    assert quality["num_clips"] == 50
    assert quality["text_to_audio"]["recall_at_5"] >= 0.5  # chance is 0.1
    assert quality["mean_score_matched"] > quality["mean_score_mismatched"]


def test_the_quality_file_speaks_of_these_weights_and_this_renderer(scorer: ClapScorer) -> None:
    quality = json.loads((FOLDER / "quality.json").read_text())
    assert quality["renderer_id"] == scorer.renderer_id
    assert quality["weights_hash"] == scorer.clap.weights_hash


def test_the_weights_are_float32_safetensors_of_at_most_11_5_mb() -> None:
    assert (FOLDER / "model.safetensors").stat().st_size <= 11_500_000


def test_a_score_of_the_real_renderer_is_bit_equal_alone_and_in_a_batch() -> None:
    settings = ClapScorerConfig(device="cpu", microbatch=2)
    vibes, configs = [pair.vibe for pair in PAIRS[:3]], [pair.config for pair in PAIRS[:3]]
    together = ClapScorer(settings)(vibes, configs)
    turned = ClapScorer(settings)(vibes[::-1], configs[::-1])
    assert turned == together[::-1]
    assert ClapScorer(settings)(vibes[1:2], configs[1:2]) == together[1:2]


def test_a_vibe_scores_its_own_sound_above_another_on_average(scorer: ClapScorer) -> None:
    vibes, configs = [pair.vibe for pair in PAIRS], [pair.config for pair in PAIRS]
    matched = scorer(vibes, configs)
    mismatched = scorer(vibes, [*configs[1:], configs[0]])  # from the cache
    assert sum(matched) / 24 > sum(mismatched) / 24 + 0.05
