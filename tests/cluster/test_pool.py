"""The pool: right answers in the right order, from many actors, also while they are killed."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from typing import TYPE_CHECKING

import pytest

from common.errors import UserError
from common.random_configs import random_config
from common.reward_config import ClapScorerConfig
from rewards import AudioResult
from search_spaces.sweep_file import Resources

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cluster.pool import PoolBackend, ScoringPool
    from common.music_schema import MusicConfig

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("local_ray")]

CONFIGS = [random_config(random.Random(seed)) for seed in range(40)]
VIBES = [f"vibe {'x' * (place % 7)}" for place in range(40)]


def right_answers(vibes: list[str], configs: list[MusicConfig]) -> list[float]:
    return [len(vibe) + config.register_min_oct / 10 for vibe, config in zip(vibes, configs, strict=True)]


@pytest.fixture(scope="module")
def pool(local_ray: None) -> Iterator[ScoringPool]:
    from cluster.pool import ScoringPool  # noqa: PLC0415
    from cluster.scoring_actor import ScorerKey  # noqa: PLC0415

    os.environ["TRIVIAL_SCORE_S"] = "0.05"
    pool = ScoringPool(Resources(scorers=2, cpus_per_scorer=0), "trivial_trials:length_backend")
    pool.check([ScorerKey(clap=ClapScorerConfig())])
    yield pool
    pool.shutdown()


def backend(pool: ScoringPool) -> PoolBackend:
    from cluster.pool import PoolBackend  # noqa: PLC0415
    from cluster.scoring_actor import ScorerKey  # noqa: PLC0415

    return PoolBackend.connect(pool.actors, ScorerKey(clap=ClapScorerConfig(microbatch=4)))


def test_answers_come_in_the_order_of_the_configs(pool: ScoringPool) -> None:
    audio = backend(pool)
    assert (audio.scorer_id, audio.renderer_id) == ("length", "none")
    assert [r.score for r in audio.audio(VIBES, CONFIGS)] == right_answers(VIBES, CONFIGS)
    assert audio.audio([], []) == []


def test_a_reason_travels_in_the_place_of_its_score(pool: ScoringPool) -> None:
    first, second = backend(pool).audio(["silence", "rain"], CONFIGS[:2])
    assert first == AudioResult(None, "no sound of silence")
    assert second.reason is None


def test_a_config_always_goes_to_the_same_actor_in_microbatches(pool: ScoringPool) -> None:
    audio = backend(pool)
    routed = audio._routed(CONFIGS)
    assert all(len(places) <= 4 for _, places in routed)
    actor_of = {place: number for number, places in routed for place in places}
    assert set(actor_of) == set(range(40))
    assert set(actor_of.values()) == {0, 1}
    backwards = {39 - place: number for number, places in audio._routed(CONFIGS[::-1]) for place in places}
    assert backwards == actor_of


def test_answers_are_right_while_actors_are_killed(pool: ScoringPool) -> None:
    import ray  # noqa: PLC0415

    audio = backend(pool)
    pids = [ray.get(actor.pid.remote()) for actor in pool.actors]
    answers: list[list[float | None]] = []
    clients = [
        threading.Thread(target=lambda: answers.append([r.score for r in audio.audio(VIBES, CONFIGS)]))
        for _ in range(3)
    ]
    for client in clients:
        client.start()
    time.sleep(0.2)
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    for client in clients:
        client.join()
    assert answers == [right_answers(VIBES, CONFIGS)] * 3
    assert not {ray.get(actor.pid.remote()) for actor in pool.actors} & set(pids)


def test_a_request_that_kills_its_actor_ends_unscored_and_the_pool_lives_on(pool: ScoringPool) -> None:
    audio = backend(pool)
    (result,) = audio.audio(["kill it"], CONFIGS[:1])
    assert result.score is None
    assert result.reason is not None
    assert "the scorer died 3 times" in result.reason
    assert [r.score for r in audio.audio(VIBES, CONFIGS)] == right_answers(VIBES, CONFIGS)


def test_a_scorer_that_cannot_be_loaded_is_the_users_error(pool: ScoringPool) -> None:
    from cluster.pool import ScoringPool  # noqa: PLC0415
    from cluster.scoring_actor import ScorerKey  # noqa: PLC0415

    broken = ScoringPool(Resources(scorers=1, cpus_per_scorer=0), "trivial_trials:no_such_backend")
    with pytest.raises(UserError, match=r"no_such_backend"):
        broken.check([ScorerKey(clap=ClapScorerConfig())])
    broken.shutdown()
