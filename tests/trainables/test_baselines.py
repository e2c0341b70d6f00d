"""Baselines without a policy: random valid configs, seeded, and the corpus's of the nearest vibe."""

from __future__ import annotations

import dataclasses
import json
import random
from typing import TYPE_CHECKING

import pytest

from common.errors import UserError
from common.music_schema import MusicConfigPayload
from common.reward_config import RewardConfig
from rewards.backends import InProcessBackend
from rewards.scorer import Scorer
from trainables.baselines import evaluate_random_configs, evaluate_retrieval, random_payload

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

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


def payload(seed: int) -> dict[str, object]:
    content: dict[str, object] = random_payload(random.Random(seed)).model_dump(mode="json")
    return content


def test_retrieval_writes_the_config_of_the_vibe_that_is_spelled_most_alike(
    make_spec: Callable[..., TrialSpec], scorer: Scorer, read_ledger: ReadLedger, tmp_path: Path
) -> None:
    held_out, train = tmp_path / "held_out.jsonl", tmp_path / "train.jsonl"
    vibes = ["rainy window", "neon glow at night", "a cathedral"]
    # What the policy reads is looked up, spelled as it may be.
    held_out.write_text(
        "".join(json.dumps({"vibe_noisy": f"{v}s", "vibe_original": v}) + "\n" for v in vibes)
    )
    rows: list[dict[str, object]] = [
        {"vibe_noisy": "neon glow at night"},  # has nothing to retrieve
        {"vibe_noisy": "x", "vibe_original": "cathedrals at dusk", "config_payload": payload(0)},
        {"vibe_noisy": "x", "vibe_original": "glowing neon", "config_payload": json.dumps(payload(1))},
        {"vibe_noisy": "x", "vibe_original": "rain on the windows", "config_payload": "no JSON"},
    ]
    train.write_text("".join(json.dumps(row) + "\n" for row in rows))
    spec = dataclasses.replace(
        make_spec("retrieval", kind="retrieval"), train_data=str(train), held_out_data=str(held_out)
    )
    result = evaluate_retrieval(spec, scorer)
    found = read_ledger(spec.directory)
    texts = {(row["vibe"], key.sample): row["completion"] for key, row in found.items()}
    assert {vibe: json.loads(texts[vibe, 0]) for vibe in vibes[1:]} == {
        "neon glow at night": payload(1),
        "a cathedral": payload(0),
    }
    # It is scored like any completion: one of three is no JSON.
    assert texts["rainy window", 0] == "no JSON"
    assert result.validity == pytest.approx(2 / 3)
    assert all(texts[vibe, 1] == texts[vibe, 0] for vibe in vibes)
    assert evaluate_retrieval(spec, scorer) == result

    # No seed changes anything.
    other = dataclasses.replace(
        make_spec("other", kind="retrieval", seed=5), train_data=str(train), held_out_data=str(held_out)
    )
    evaluate_retrieval(other, scorer)
    again = read_ledger(other.directory).values()
    assert {(r["vibe"], r["sample"]): r["completion"] for r in again} == texts


def test_a_file_without_responses_has_nothing_to_retrieve(
    make_spec: Callable[..., TrialSpec], scorer: Scorer
) -> None:
    with pytest.raises(UserError, match=r"must have a row with a response in 'config_payload', got none"):
        evaluate_retrieval(make_spec("retrieval", kind="retrieval"), scorer)
