"""Caches of embeddings: their bound in bytes, what scorers share, and what they must not."""

from __future__ import annotations

import functools
import gc
import random
import tracemalloc
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from common.random_configs import random_config
from common.reward_config import ClapScorerConfig
from rewards import CacheCounts, InProcessBackend
from rewards.clap import ClapScorer
from rewards.clap.cache import SHARED_CACHES, Clip, EmbeddingCaches, LruCache
from rewards.embeddings import normalized
from rewards.sound_checks import SoundMeasures
from tests.rewards import hissing_renderer
from tests.rewards.hissing_renderer import RENDERER, SHAPES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONFIGS = [random_config(random.Random(seed)) for seed in range(5)]


@pytest.fixture(autouse=True)
def nothing_rendered() -> None:
    SHAPES.clear()


def rendered() -> int:
    """Calls of the renderer since it was last asked."""
    calls = len(SHAPES)
    SHAPES.clear()
    return calls


def scorer(model: Path, caches: EmbeddingCaches, **settings: object) -> ClapScorer:
    values = {"model": str(model), "renderer": RENDERER, "microbatch": 1, "device": "cpu"}
    return ClapScorer(ClapScorerConfig.model_validate(values | settings), caches)


def test_what_was_not_used_for_longest_goes_first() -> None:
    cache: LruCache[int] = LruCache(20)
    cache.put("a", 1, 10)
    cache.put("b", 2, 10)
    assert cache.get("a") == 1
    cache.put("c", 3, 10)
    assert (cache.get("a"), cache.get("b"), cache.get("c"), len(cache)) == (1, None, 3, 2)
    # One of 20 bytes takes the place of both.
    cache.put("d", 4, 20)
    assert (cache.get("a"), cache.get("c"), cache.get("d"), cache.num_bytes) == (None, None, 4, 20)


def test_what_is_larger_than_the_cache_is_not_kept() -> None:
    cache: LruCache[int] = LruCache(20)
    cache.put("a", 1, 21)
    assert (cache.get("a"), len(cache), cache.num_bytes) == (None, 0, 0)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 30)), max_size=40))
def test_a_cache_never_holds_more_than_its_bytes(puts: list[tuple[int, int]]) -> None:
    cache: LruCache[int] = LruCache(50)
    sizes: dict[int, int] = {}
    for number, (key, size) in enumerate(puts):
        cache.put(key, number, size)
        sizes[key] = size
        assert cache.get(key) == number  # the newest is always there
        assert cache.num_bytes == sum(sizes[key] for key in sizes if cache.get(key) is not None) <= 50


def test_entries_take_no_more_memory_than_is_counted() -> None:
    caches = EmbeddingCaches()
    rng = np.random.default_rng(0)
    numbers = rng.normal(size=(400, 512))
    gc.collect()
    tracemalloc.start()
    for index, row in enumerate(numbers):
        sound = SoundMeasures(float(row[0]), float(row[1]), float(row[2]))
        caches.keep_clip(("model",), f"{index:064x}", Clip(normalized(row), sound))
        caches.keep_text(("model",), f"{index} \U0001f327" * 50, normalized(row))
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert 0.7 * caches.num_bytes < taken <= caches.num_bytes


def test_scorers_that_differ_in_bad_sounds_alone_render_once(random_clap: Path) -> None:
    caches = EmbeddingCaches()
    one, other = scorer(random_clap, caches), scorer(random_clap, caches, bad_sounds=("hum", "mud"))
    one(["v"] * 5, CONFIGS)
    assert rendered() == 5
    second = other(["v"] * 5, CONFIGS)
    assert rendered() == 0
    assert second == scorer(random_clap, EmbeddingCaches(), bad_sounds=("hum", "mud"))(["v"] * 5, CONFIGS)
    # Seven bad sounds and a vibe; then "mud", because "hum" is among the seven, and the vibe is known.
    assert one.cache_counts == CacheCounts(hits=0, misses=5, text_hits=4, text_misses=8)
    assert other.cache_counts == CacheCounts(hits=5, misses=0, text_hits=6, text_misses=1)


def test_a_process_shares_its_caches_by_default(random_clap: Path) -> None:
    config = ClapScorerConfig(model=str(random_clap), renderer=RENDERER, device="cpu", render_seed=987)
    assert ClapScorer(config)._caches is ClapScorer(config)._caches is SHARED_CACHES


@pytest.mark.parametrize(
    "change", [{"microbatch": 2}, {"render_seed": 1}, {"seconds": 10.000001}, {"model": "tiny"}]
)
def test_what_moves_an_embedding_is_rendered_again(random_clap: Path, change: dict[str, object]) -> None:
    caches = EmbeddingCaches()
    scorer(random_clap, caches)(["v"], CONFIGS[:1])
    other = ClapScorer(
        ClapScorerConfig.model_validate(
            {"model": str(random_clap), "renderer": RENDERER, "microbatch": 1, "device": "cpu"} | change
        ),
        caches,
    )
    rendered()
    other(["v"], CONFIGS[:1])
    assert rendered() == 1


@pytest.fixture
def other_threads() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(threads + 1)
    yield
    torch.set_num_threads(threads)


def test_another_number_of_threads_finds_nothing(random_clap: Path, request: pytest.FixtureRequest) -> None:
    one = scorer(random_clap, EmbeddingCaches())
    one(["v"], CONFIGS[:1])
    request.getfixturevalue("other_threads")
    one(["v"], CONFIGS[:1])
    assert rendered() == 2
    assert one.cache_counts.text_misses == 9  # seven bad sounds, the vibe, the vibe again


def test_a_renderer_that_was_edited_and_loaded_again_renders_anew(
    random_clap: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    caches = EmbeddingCaches()
    scorer(random_clap, caches)(["v"], CONFIGS[:1])
    monkeypatch.setattr(hissing_renderer, "hiss", functools.partial(hissing_renderer.hiss))
    scorer(random_clap, caches)(["v"], CONFIGS[:1])
    assert rendered() == 2


def test_a_small_cache_forgets_and_scores_the_same(random_clap: Path) -> None:
    one = scorer(random_clap, EmbeddingCaches(clip_bytes=3000, text_bytes=3000))  # two of 16 numbers
    again = [one(["v"] * 5, CONFIGS) for _ in range(2)]
    assert again[0] == again[1]
    # Five at first; then the last two are there, and the others push each other out.
    assert one.cache_counts.misses == 8
    assert one._caches.num_bytes <= 6000


def test_a_backend_tells_its_scorers_counts(random_clap: Path) -> None:
    one = scorer(random_clap, EmbeddingCaches())
    backend = InProcessBackend(one, "clap", "hiss")
    backend.audio(["v", "w", "v"], [CONFIGS[0], CONFIGS[0], CONFIGS[1]])
    assert backend.cache_counts == CacheCounts(hits=1, misses=2, text_hits=1, text_misses=9)
    backend.audio(["v"], CONFIGS[:1])
    assert backend.cache_counts == CacheCounts(hits=2, misses=2, text_hits=2, text_misses=9)
    assert InProcessBackend(lambda vibes, configs: [0.5] * len(vibes), "flat", "none").cache_counts is None
