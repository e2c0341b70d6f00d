"""The CLAP scorer: its formula, its caches, and that a score does not depend on its batch."""

from __future__ import annotations

import json
import math
import random
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from common.random_configs import random_config
from common.reward_config import ClapScorerConfig
from rewards import Scorer, audio_backend
from rewards.clap import ClapScorer
from rewards.clap.cache import EmbeddingCaches
from rewards.clap.scoring import whole_windows
from rewards.clap.transformers_backend import TransformersClap
from tests.rewards.hissing_renderer import RENDERER, SHAPES, hiss

if TYPE_CHECKING:
    from pathlib import Path


CONFIGS = [random_config(random.Random(seed)) for seed in range(7)]
VIBES = [f"vibe number {seed}" for seed in range(7)]


def scorer(model: Path, caches: EmbeddingCaches | None = None, **settings: object) -> ClapScorer:
    """A scorer that knows nothing, unless it shares the caches of others."""
    values = {"model": str(model), "renderer": RENDERER, "microbatch": 3, "device": "cpu"}
    return ClapScorer(ClapScorerConfig.model_validate(values | settings), caches or EmbeddingCaches())


@pytest.fixture(scope="module")
def alone(random_clap: Path) -> list[float]:
    """The score of every pair, each from a scorer of its own."""
    return [scorer(random_clap)([vibe], [config])[0] for vibe, config in zip(VIBES, CONFIGS, strict=True)]


@given(chosen=st.lists(st.integers(0, 6), min_size=1, max_size=9), cut=st.integers(0, 9))
@settings(max_examples=6, deadline=None)
def test_a_score_is_bit_equal_alone_in_any_batch_and_in_any_order(
    random_clap: Path, alone: list[float], chosen: list[int], cut: int
) -> None:
    fresh = scorer(random_clap)
    scores: list[float] = []
    for part in (chosen[:cut], chosen[cut:]):
        scores += fresh([VIBES[index] for index in part], [CONFIGS[index] for index in part])
    assert scores == [alone[index] for index in chosen]


@pytest.mark.parametrize("seconds", [20.0, 4.0])  # two windows, and one that is repeated and padded
def test_a_score_of_any_length_is_bit_equal_alone_and_in_a_batch(random_clap: Path, seconds: float) -> None:
    together = scorer(random_clap, seconds=seconds)(VIBES[:4], CONFIGS[:4])
    for place in (0, 3):
        one = scorer(random_clap, seconds=seconds)
        assert one([VIBES[place]], [CONFIGS[place]]) == [together[place]]


def test_the_shipped_renderer_and_model_score_alike_alone_and_in_any_order() -> None:
    made = [ClapScorer(ClapScorerConfig(microbatch=4, device="cpu"), EmbeddingCaches()) for _ in range(2)]
    order = [4, 0, 2, 1, 3]
    together = made[0]([VIBES[index] for index in order], [CONFIGS[index] for index in order])
    alone = [made[1]([VIBES[index]], [CONFIGS[index]])[0] for index in range(5)]
    assert together == [alone[index] for index in order]


def test_different_pairs_have_different_scores(alone: list[float]) -> None:
    assert len(set(alone)) == len(alone)


def test_each_config_is_rendered_once_and_the_tower_always_sees_the_full_microbatch(
    random_clap: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = scorer(random_clap, microbatch=4)
    assert isinstance(one.clap, TransformersClap)
    inner, seen = one.clap.model.get_audio_features, []

    def watched(input_features: torch.Tensor) -> Any:
        seen.append(input_features)
        return inner(input_features=input_features)

    monkeypatch.setattr(one.clap.model, "get_audio_features", watched)
    SHAPES.clear()
    one(VIBES[:6], CONFIGS[:6])
    assert SHAPES == [1] * 6
    assert [len(features) for features in seen] == [4, 4]
    # The second batch is the fifth config and three times the sixth.
    assert torch.equal(seen[1][1:], seen[1][1:2].expand(3, -1, -1, -1))
    assert not torch.equal(seen[1][0], seen[1][1])


def test_where_there_is_no_cpu_the_renderer_sees_the_full_microbatch(random_clap: Path) -> None:
    one = scorer(random_clap, microbatch=4)

    class Elsewhere:
        """The same model, said to be on another device."""

        device = torch.device("meta")
        embed_text, embed_windows = one.clap.embed_text, one.clap.embed_windows
        sample_rate, window_samples = one.clap.sample_rate, one.clap.window_samples
        weights_hash = one.clap.weights_hash

    expected = one(VIBES[:3], CONFIGS[:3])
    other = scorer(random_clap, microbatch=4)
    other.clap = Elsewhere()
    other._render = lambda configs, device, **rest: hiss(configs, device=torch.device("cpu"), **rest)
    SHAPES.clear()
    assert other(VIBES[:3], CONFIGS[:3]) == expected
    assert SHAPES == [4]


def test_a_renderer_that_loses_a_clip_is_an_error(random_clap: Path) -> None:
    one = scorer(random_clap, microbatch=4)
    one._render = lambda configs, **rest: hiss([*configs, *configs], **rest)
    with pytest.raises(ValueError, match="must give one clip for each config, got 2 for 1"):
        one(["v"], CONFIGS[:1])


def test_a_known_config_is_not_rendered_again(random_clap: Path) -> None:
    one = scorer(random_clap)
    first = one(VIBES[:2], CONFIGS[:2])
    SHAPES.clear()
    assert one([VIBES[1], VIBES[0], VIBES[1]], [CONFIGS[1], CONFIGS[0], CONFIGS[1]]) == [
        first[1],
        first[0],
        first[1],
    ]
    assert SHAPES == []
    # Two mentions of one new config are rendered once, in one batch.
    assert len(set(one(["v", "v"], [CONFIGS[5], CONFIGS[5]]))) == 1
    assert SHAPES == [1]


def test_audio_is_closeness_to_the_vibe_less_what_sounds_worse_than_it(random_clap: Path) -> None:
    one = scorer(random_clap, bad_sounds=("hum", "static"))
    vibe, clip = one.embed_text("v"), one.embed_configs(CONFIGS[:1])[0]
    bad = one.embed_text("hum") + one.embed_text("static")
    bad /= np.linalg.norm(bad)
    expected = vibe @ clip - max(0.0, float(clip @ bad - vibe @ bad))
    assert one(["v"], CONFIGS[:1])[0] == pytest.approx(expected, abs=1e-12)


def test_a_clip_that_sounds_better_than_its_vibe_gains_nothing(random_clap: Path) -> None:
    # The vibe is the bad sound itself: s(v, b) = 1, so no clip is worse.
    one = scorer(random_clap, bad_sounds=("hum",))
    vibe, clip = one.embed_text("hum"), one.embed_configs(CONFIGS[:1])[0]
    assert one(["hum"], CONFIGS[:1])[0] == pytest.approx(vibe @ clip, abs=1e-12)


def test_a_long_clip_is_the_mean_of_its_windows(random_clap: Path) -> None:
    long = scorer(random_clap, seconds=20.0)
    audio = hiss(CONFIGS[:1] * 3, seconds=20.0, sample_rate=48_000, device=torch.device("cpu"), seed=0).mean(
        dim=1
    )
    halves = [
        long.clap.embed_windows(half)[0].double().numpy() for half in (audio[:, :480_000], audio[:, 480_000:])
    ]
    mean = (halves[0] + halves[1]) / 2
    np.testing.assert_allclose(long.embed_configs(CONFIGS[:1])[0], mean / np.linalg.norm(mean), atol=1e-12)


def test_windows_are_whole_in_order_and_hear_every_sample() -> None:
    audio = torch.arange(10.0)[None]
    assert [w[0].tolist() for w in whole_windows(audio, 5)] == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]
    assert [w[0].tolist() for w in whole_windows(audio, 4)] == [[0, 1, 2, 3], [4, 5, 6, 7], [6, 7, 8, 9]]
    assert [w[0].tolist() for w in whole_windows(audio, 10)] == [list(range(10))]
    # repeated as often as it fits, then silence
    assert whole_windows(torch.tensor([[1.0, 2.0]]), 5)[0].tolist() == [[1, 2, 1, 2, 0]]


def test_broken_sound_gives_no_number(random_clap: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = scorer(random_clap)
    monkeypatch.setattr(one, "_render", lambda configs, **_: torch.full((len(configs), 2, 480_000), math.nan))
    assert math.isnan(one(["v"], CONFIGS[:1])[0])


def test_a_vibe_of_megabytes_is_read_as_far_as_tokens_can_reach(random_clap: Path) -> None:
    caches = EmbeddingCaches()
    one = scorer(random_clap, caches)
    assert np.array_equal(one.embed_text("rain " * 2_000_000), one.embed_text("rain " * 4_000))
    assert caches.num_bytes < 200_000  # no megabytes are kept


def test_half_a_character_in_a_vibe_is_read_as_one_that_is_lost(random_clap: Path) -> None:
    one = scorer(random_clap)
    assert np.array_equal(one.embed_text("rain \ud83c"), one.embed_text("rain \ufffd"))
    # Two halves are one whole.
    assert np.array_equal(one.embed_text("rain \ud83c\udf27"), one.embed_text("rain \U0001f327"))


def test_ids_name_what_moves_a_score(random_clap: Path) -> None:
    one = scorer(random_clap)
    assert one.scorer_id.startswith("clap:transformers:random:")
    assert one.renderer_id == "hiss-1:10s:seed0"
    assert scorer(random_clap).scorer_id == one.scorer_id
    assert scorer(random_clap, microbatch=2).scorer_id != one.scorer_id
    assert scorer(random_clap, bad_sounds=("hum",)).scorer_id != one.scorer_id
    assert scorer(random_clap, seconds=20.0, render_seed=3).renderer_id == "hiss-1:20s:seed3"


def test_what_was_heard_comes_with_the_score_and_from_the_cache_alike(random_clap: Path) -> None:
    one = scorer(random_clap)
    heard = one.hear(VIBES[:4], CONFIGS[:4])
    assert [score for score, _ in heard] == one(VIBES[:4], CONFIGS[:4])
    # One at a time, in other company of its microbatch, and from the cache.
    other = scorer(random_clap)
    for vibe, config, expected in zip(VIBES, CONFIGS, heard, strict=False):
        assert other.hear([vibe], [config]) == one.hear([vibe], [config]) == [expected]
    _, first = heard[0]
    assert np.array_equal(first.clip, one.embed_configs(CONFIGS[:1])[0])
    assert np.array_equal(first.vibe, one.embed_text(VIBES[0]))
    sound = hiss(CONFIGS[:1], seconds=10, sample_rate=48_000, device=torch.device("cpu"), seed=0)
    assert first.level_db == pytest.approx(10 * math.log10(float(sound.square().mean())), abs=1e-4)
    assert 0 <= first.clipped <= 1
    assert 0 <= first.flatness <= 1


def test_two_checkpoints_each_hear_for_themselves(random_clap: Path) -> None:
    common = {"microbatch": 2, "device": "cpu"}
    ours, other = (
        ClapScorerConfig.model_validate(common | {"model": model}) for model in ("tiny", str(random_clap))
    )
    texts = [json.dumps({"config": config.model_dump()}) for config in CONFIGS[:3]]
    both = Scorer(audio_backend("clap", ours, None), audio_backend("clap", other, None))
    found = both.score(VIBES[:3], texts)
    heard = [one for _, one in ClapScorer(other).hear(VIBES[:3], CONFIGS[:3])]
    assert [one.heard_again for one in found] == [one.similarity for one in heard]
    assert [one.audio for one in found] == ClapScorer(ours)(VIBES[:3], CONFIGS[:3])
    assert both.second_id == ClapScorer(other).scorer_id
