"""The noise floor, measured with a scorer whose noise is known."""

from __future__ import annotations

import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

import trainables.noise_floor
from common.errors import TrialError
from common.music_schema import config_hash
from common.objective import ObjectiveConfig
from common.random_configs import random_config
from rewards import AudioResult
from trainables.data import load_rows
from trainables.noise_floor import measure_noise_floor

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from common.music_schema import MusicConfig
    from common.noise_floor import NoiseFloor
    from common.reward_config import ClapScorerConfig
    from common.training_config import TrainingConfig


class KnownNoise:
    """Scores a config by its hash, plus what each source of noise adds."""

    scorer_id = "known"
    renderer_id = "silence"
    cache_counts = None
    answers = True

    def __init__(self, clap: ClapScorerConfig) -> None:
        self.clap = clap

    def audio(self, vibes: Sequence[str], configs: Sequence[MusicConfig]) -> list[AudioResult]:
        if not self.answers:
            return [AudioResult(None, "gone")] * len(configs)
        noise = 0.1 * self.clap.render_seed + 1e-5 * (self.clap.microbatch == 16)
        noise += 1e-6 * torch.get_num_threads()
        return [AudioResult(int(config_hash(c)[:8], 16) / 2**33 + noise, None) for c in configs]


@pytest.fixture
def measured(
    make_config: Callable[..., TrainingConfig], vibes_file: str, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., NoiseFloor]:
    def backend(kind: str, clap: ClapScorerConfig, custom: str | None) -> KnownNoise:
        return KnownNoise(clap)

    monkeypatch.setattr(trainables.noise_floor, "audio_backend", backend)

    def measure(**objective: Any) -> NoiseFloor:
        config = make_config()
        settings = ObjectiveConfig(max_completion_length=12, **objective)
        rows = load_rows(Path(vibes_file), config.data)[:6]
        return measure_noise_floor(
            config, settings, rows, decoding_seeds=3, render_seeds=3, clips=5, say=lambda text: None
        )

    return measure


def test_each_source_of_noise_is_measured_by_itself(measured: Callable[..., NoiseFloor]) -> None:
    before = torch.get_num_threads()
    floor = measured()
    # Render seeds 0, 1 and 2 give every config the noise 0, 0.1 and 0.2.
    assert floor.audio_render == pytest.approx(0.1)
    # Everything shifts alike, so between configs there is what the hashes spread, less a third of the noise.
    configs = floor.audio_configs**2 + 0.1**2 / 3
    assert configs**0.5 == pytest.approx(np.std(_hashes(5), ddof=1))
    assert floor.numerics_microbatch == pytest.approx(1e-5, rel=1e-3)
    assert floor.numerics_threads == pytest.approx(1e-6, rel=1e-3)
    assert torch.get_num_threads() == before
    assert (floor.num_vibes, floor.num_decoding_seeds, floor.num_render_seeds) == (6, 3, 3)
    assert (floor.scorer_id, floor.renderer_id) == ("known", "silence")


def test_decoding_noise_is_the_spread_around_each_vibes_mean(
    measured: Callable[..., NoiseFloor], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Nothing that a random policy writes is JSON, so every objective is the floor's.
    floor = measured()
    assert (floor.objective_decoding, floor.objective_vibes) == (0, 0)

    # Schema by seed and vibe; the three seeds of a vibe are 0.1 apart, the vibes 0.2.
    seen: list[float] = []

    def schema(payload: object) -> float:
        seen.append(0.1 * (len(seen) // 6) + 0.2 * (len(seen) % 6))
        return seen[-1]

    monkeypatch.setattr("rewards.scorer.schema_score", schema)
    floor = measured(weights={"format_weight": 0, "schema_weight": 1, "audio_weight": 0})
    assert len(seen) == 18
    assert floor.objective_decoding == pytest.approx(0.1)
    # Variance of 0, 0.2 .. 1.0 is 0.04 * 3.5, less a third of the seeds' 0.01.
    assert floor.objective_vibes == pytest.approx((0.14 - 0.01 / 3) ** 0.5)


def test_a_completion_without_a_score_ends_the_measurement(
    measured: Callable[..., NoiseFloor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(KnownNoise, "answers", False)
    with pytest.raises(TrialError, match="a noise floor needs every score, got none for one: gone"):
        measured()


def _hashes(number: int) -> list[float]:
    configs = [random_config(random.Random(f"noise floor {index}")) for index in range(number)]
    return [int(config_hash(config)[:8], 16) / 2**33 for config in configs]
