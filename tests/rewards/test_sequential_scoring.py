"""The plain way of scoring that benchmarks compare ours with gives the same scores."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from benchmarks.sequential_scoring import SequentialScorer
from common.random_configs import random_config
from common.reward_config import ClapScorerConfig
from rewards.clap import ClapScorer
from rewards.clap.cache import EmbeddingCaches

if TYPE_CHECKING:
    from pathlib import Path


def test_the_plain_way_and_ours_give_the_same_scores(random_clap: Path, tmp_path: Path) -> None:
    configs = [random_config(random.Random(seed)) for seed in range(3)]
    config = ClapScorerConfig(model=str(random_clap), microbatch=2, device="cpu")
    ours = ClapScorer(config, EmbeddingCaches())(["rain", "sun", ""], configs)
    plain = SequentialScorer(random_clap, tmp_path, config.bad_sounds)
    theirs = [plain(vibe, one) for vibe, one in zip(["rain", "sun", ""], configs, strict=True)]
    # Its mono is that of a 16-bit file's two channels, each quantized; ours is quantized once.
    assert theirs == pytest.approx(ours, abs=1e-3)
    assert min(abs(a - b) for a in ours for b in ours if a != b) > 2e-3
