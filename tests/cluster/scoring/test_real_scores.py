"""The pool with the real renderer and the tiny CLAP: a score is the same bits on any actor, in any batch."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
import torch

from common.random_configs import random_config
from common.reward_config import ClapScorerConfig
from rewards.backends import audio_backend
from search_spaces.resources import Resources

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("local_ray")]

CLAP = ClapScorerConfig(model="tiny", seconds=2.0, microbatch=4)
CONFIGS = [random_config(random.Random(seed)) for seed in range(1, 11)]
VIBES = [f"late night neon glow number {seed % 4}" for seed in range(10)]


@pytest.fixture
def one_thread() -> Iterator[None]:
    """As many threads as a scorer has: scores depend on it."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("one_thread")
def test_a_score_is_the_same_bits_here_on_any_actor_and_in_any_batch() -> None:
    from cluster.scoring.keys import ScorerKey  # noqa: PLC0415 - imports ray
    from cluster.scoring.pool import ScoringPool  # noqa: PLC0415

    here = audio_backend("clap", CLAP, None)
    assert here is not None
    expected = [result.score for result in here.audio(VIBES, CONFIGS)]
    key = ScorerKey(clap=CLAP)
    for scorers, max_batch in ((1, 1), (2, 8)):
        settings = {"scorers": scorers, "cpus_per_scorer": 0, "pool": {"max_batch": max_batch}}
        pool = ScoringPool(Resources.model_validate(settings), "rewards.backends:audio_backend", "real")
        pool.check([key])
        audio = pool.address.connect(key, "trial")
        assert (audio.scorer_id, audio.renderer_id) == (here.scorer_id, here.renderer_id)
        assert [result.score for result in audio.audio(VIBES, CONFIGS)] == expected
        # Known now: the same from the cache, in another order.
        again = audio.audio(VIBES[::-1], CONFIGS[::-1])
        assert [result.score for result in again] == expected[::-1]
        report = pool.report()
        assert report.hit_rate is not None
        # An idle scorer may have taken some of the second round from the one that knew them.
        assert 0.25 <= report.hit_rate <= 0.5
        pool.shutdown()
