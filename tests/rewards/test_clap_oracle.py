"""Whole scores against a slow oracle: the library's own extractor, tokenizer and model, one clip at a time,
and the formula in NumPy's float64.

The oracle shares with the scorer the renderer and the weights alone: no front end of ours, no microbatch, no
cache, texts padded together.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from transformers import AutoTokenizer, ClapFeatureExtractor, ClapModel

from common.random_configs import random_config
from common.reward_config import CLAP_MODELS, ClapScorerConfig
from common.training_config import PROJECT_ROOT
from rewards.clap import ClapScorer
from rewards.render import render

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from common.music_schema import MusicConfig

CONFIGS = [random_config(random.Random(seed)) for seed in range(20, 25)]
VIBES = [
    "rain on a tin roof",
    "neon",
    "",
    "a very long walk home through the snow, slowly " * 20,
    "\u96e8 \U0001f327",
]
WINDOW = 480_000
TOLERANCE = 5e-5
"""In score, which spans 4; the largest difference seen is 1.2e-5. The front ends differ by up to 1e-3 dB
where it is loud (test_clap_frontend.py), padded texts by rounding."""

Vector = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


class Oracle:
    """Scores in the plainest way."""

    def __init__(self, folder: Path, seconds: float) -> None:
        self.model = ClapModel.from_pretrained(folder).eval()
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.extractor = ClapFeatureExtractor.from_pretrained(folder)
        self.seconds = seconds

    def scores(self, vibes: Sequence[str], configs: Sequence[MusicConfig], bad: Sequence[str]) -> list[float]:
        texts = self.texts([*vibes, *bad])
        worst = unit(texts[len(vibes) :].mean(axis=0))
        scores = []
        for vibe, config in zip(texts, configs, strict=False):
            clip = self.clip(config)
            scores.append(float(clip @ vibe - max(0.0, clip @ worst - vibe @ worst)))
        return scores

    def texts(self, texts: Sequence[str]) -> Vector:
        """[B, D] unit embeddings, all texts padded to 77 tokens in one batch."""
        tokens = self.tokenizer(
            list(texts), padding="max_length", truncation=True, max_length=77, return_tensors="pt"
        )
        with torch.inference_mode():
            return rows(self.model.get_text_features(**tokens).pooler_output)

    def clip(self, config: MusicConfig) -> Vector:
        """[D] unit embedding: of the mean of whole windows' unit embeddings."""
        [sound] = render([config], seconds=self.seconds, sample_rate=48_000)
        mono = sound.double().mean(dim=0).numpy()
        stored = np.trunc(np.clip(mono, -1, 1) * 32_767) / 32_767  # what LAION's 16 bits keep
        heard = [self.heard(stored[start : start + WINDOW]) for start in range(0, len(stored), WINDOW)]
        return unit(np.mean(heard, axis=0))

    def heard(self, window: Vector) -> Vector:
        features: dict[str, Any] = self.extractor(
            window, sampling_rate=48_000, truncation="rand_trunc", padding="repeatpad", return_tensors="pt"
        )
        with torch.inference_mode():
            found = self.model.get_audio_features(input_features=features["input_features"].float())
        return unit(rows(found.pooler_output)[0])


def rows(embeddings: torch.Tensor) -> Vector:
    found: Vector = embeddings.double().numpy()
    lengths: Vector = np.linalg.norm(found, axis=1, keepdims=True)
    return found / lengths


def unit(vector: Vector) -> Vector:
    return vector / np.linalg.norm(vector)


@pytest.mark.parametrize("seconds", [10.0, 20.0, 4.0])  # one window, two, and one that is repeated and padded
@pytest.mark.parametrize("model", ["random", "tiny"])
def test_scores_are_those_of_the_library_and_numpy(
    random_clap: Path, model: str, seconds: float, request: pytest.FixtureRequest
) -> None:
    folder = random_clap if model == "random" else PROJECT_ROOT / CLAP_MODELS["tiny"]
    config = ClapScorerConfig(model=str(folder), seconds=seconds, microbatch=2, device="cpu")
    found = ClapScorer(config)(VIBES, CONFIGS)
    expected = Oracle(folder, seconds).scores(VIBES, CONFIGS, config.bad_sounds)
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE)
    assert np.ptp(expected) > 100 * TOLERANCE  # so that one pair's score could not pass for another's
