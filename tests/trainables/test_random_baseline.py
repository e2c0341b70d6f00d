"""Random valid configs as a baseline: always valid, seeded, one per vibe and sample."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from common.music_schema import MusicConfigPayload
from common.reward_config import RewardConfig
from rewards.backends import InProcessBackend
from rewards.scorer import Scorer
from trainables.baselines import evaluate_random_configs, random_payload

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from common.music_schema import MusicConfig
    from tests.trainables.conftest import ReadLedger
    from trainables.spec import TrialSpec


def brightness(vibes: Sequence[str], configs: Sequence[MusicConfig]) -> list[float]:
    return [0.5 if config.brightness in {"bright", "very_bright"} else 0.0 for config in configs]


@pytest.fixture
def scorer() -> Scorer:
    return Scorer(InProcessBackend(brightness, "brightness", "none"))


def test_random_payloads_hold_to_the_contract() -> None:
    for seed in range(50):
        payload = random_payload(random.Random(seed))
        assert MusicConfigPayload.model_validate_json(payload.model_dump_json()) == payload


def test_the_baseline_is_valid_everywhere_and_depends_on_its_seed(
    make_spec: Callable[..., TrialSpec], scorer: Scorer, read_ledger: ReadLedger
) -> None:
    spec = make_spec("random", kind="random_configs", seed=1)
    result = evaluate_random_configs(spec, scorer)
    rows = read_ledger(spec.directory)
    assert result.validity == 1
    assert {(row["format"], row["schema"], row["renderable"]) for row in rows.values()} == {(1, 1, True)}
    assert len({row["completion"] for row in rows.values()}) == 6  # 3 vibes x 2 samples
    assert result.audio_over_valid is not None
    # 0.2 + 0.3 + 0.5 x audio
    assert result.objective == pytest.approx(0.5 + 0.5 * result.audio_over_valid)
    assert evaluate_random_configs(spec, scorer) == result

    other = make_spec("other", kind="random_configs", seed=2)
    evaluate_random_configs(other, scorer)
    texts = {row["completion"] for row in rows.values()}
    assert texts.isdisjoint(row["completion"] for row in read_ledger(other.directory).values())
    assert RewardConfig().audio_floor == spec.objective.audio_floor
