"""The pool on a real Ray: right answers in the right order, from many scorers, also while they are killed."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from typing import TYPE_CHECKING

import pytest

from common.errors import ClusterError, UserError
from common.random_configs import random_config
from common.reward_config import ClapScorerConfig
from search_spaces.resources import Resources

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from cluster.scoring.client import PoolBackend
    from cluster.scoring.keys import ScorerKey
    from cluster.scoring.pool import ScoringPool
    from common.music_schema import MusicConfig

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("local_ray")]

CONFIGS = [random_config(random.Random(seed)) for seed in range(40)]
VIBES = [f"vibe {'x' * (place % 7)}" for place in range(40)]


def right_answers(vibes: list[str], configs: list[MusicConfig]) -> list[float]:
    return [len(vibe) + config.register_min_oct / 10 for vibe, config in zip(vibes, configs, strict=True)]


def key(microbatch: int = 4) -> ScorerKey:
    from cluster.scoring.keys import ScorerKey  # noqa: PLC0415

    return ScorerKey(clap=ClapScorerConfig(microbatch=microbatch))


def make_pool(backend: str = "slow_backend", **resources: object) -> ScoringPool:
    from cluster.scoring.pool import ScoringPool  # noqa: PLC0415

    settings = Resources.model_validate({"cpus_per_scorer": 0} | resources)
    return ScoringPool(settings, f"trivial_scorers:{backend}", "stand-in")


@pytest.fixture(scope="module")
def pool(local_ray: None) -> Iterator[ScoringPool]:
    pool = make_pool(scorers=2, pool={"max_batch": 4, "deadline_s": 60})
    pool.check([key()])
    yield pool
    pool.shutdown()


def backend(pool: ScoringPool, client: str = "trial") -> PoolBackend:
    return pool.address.connect(key(), client)


def wait_for(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def scorer_pids() -> set[int]:
    """The processes of this Ray's living scoring actors."""
    import psutil  # noqa: PLC0415

    below = psutil.Process().children(recursive=True)
    return {process.pid for process in below if process.name().startswith("ray::ScoringAct")}


def test_answers_come_in_the_order_of_the_configs(pool: ScoringPool) -> None:
    audio = backend(pool)
    assert (audio.scorer_id, audio.renderer_id) == ("length", "none")
    assert [r.score for r in audio.audio(VIBES, CONFIGS)] == right_answers(VIBES, CONFIGS)
    assert audio.audio([], []) == []


def test_a_reason_travels_in_the_place_of_its_score(pool: ScoringPool) -> None:
    first, second = backend(pool).audio(["silence", "rain"], CONFIGS[:2])
    assert (first.score, first.reason) == (None, "no sound of silence")
    assert second.reason is None


def test_trials_that_ask_at_once_share_batches_and_clips(pool: ScoringPool) -> None:
    before = pool.report()
    answers: list[list[float | None]] = []

    def client(number: int) -> None:
        audio = backend(pool, f"trial {number}")
        answers.append([r.score for r in audio.audio(VIBES, CONFIGS)])

    clients = [threading.Thread(target=client, args=(number,)) for number in range(4)]
    for thread in clients:
        thread.start()
    for thread in clients:
        thread.join()
    after = pool.report()
    assert answers == [right_answers(VIBES, CONFIGS)] * 4
    assert after.answered - before.answered == 160
    assert after.joined - before.joined >= 40
    assert after.unanswered == after.waiting == 0
    assert after.scorers == 2
    assert after.latency_p95_s is not None
    assert after.latency_p50_s is not None
    assert 0 < after.latency_p50_s <= after.latency_p95_s


def test_answers_are_right_while_scorers_are_killed(pool: ScoringPool) -> None:
    audio = backend(pool)
    pids = scorer_pids()
    assert len(pids) == 2
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
    assert not scorer_pids() & pids


def test_a_request_that_kills_its_scorer_ends_unscored_and_the_pool_lives_on(pool: ScoringPool) -> None:
    audio = backend(pool)
    killing, other = audio.audio(["kill it", "rain"], CONFIGS[:2])
    assert killing.score is None
    assert "3 scorers were lost" in str(killing.reason)
    assert other.score == right_answers(["rain"], CONFIGS[1:2])[0]
    assert [r.score for r in audio.audio(VIBES, CONFIGS)] == right_answers(VIBES, CONFIGS)


def test_a_dispatcher_that_dies_is_asked_again(pool: ScoringPool) -> None:
    import ray  # noqa: PLC0415

    audio = backend(pool)
    pid, scorers = ray.get(pool.dispatcher.pid.remote()), scorer_pids()
    threading.Timer(0.2, os.kill, (pid, signal.SIGKILL)).start()
    assert [r.score for r in audio.audio(VIBES, CONFIGS)] == right_answers(VIBES, CONFIGS)
    assert ray.get(pool.dispatcher.pid.remote()) != pid
    wait_for(lambda: not scorer_pids() & scorers)


def test_more_than_the_queue_holds_waits_for_room(local_ray: None) -> None:
    pool = make_pool(scorers=1, pool={"queue": 7, "max_batch": 4, "deadline_s": 60})
    assert [r.score for r in backend(pool).audio(VIBES, CONFIGS)] == right_answers(VIBES, CONFIGS)
    report = pool.report()
    assert report.answered == 40
    assert report.refused >= 33
    pool.shutdown()


def test_a_hung_scorer_is_replaced_and_its_clips_are_scored(local_ray: None, tmp_path: Path) -> None:
    pool = make_pool(scorers=1, pool={"deadline_s": 45})
    audio = backend(pool)
    began, vibe = time.monotonic(), f"hang {tmp_path / 'once'}"
    (result,) = audio.audio([vibe], CONFIGS[:1])
    assert result.score == right_answers([vibe], CONFIGS[:1])[0]
    assert time.monotonic() - began >= 15
    assert pool.report().lost_scorers == 1
    pool.shutdown()


def test_a_scorer_whose_room_was_taken_while_it_was_lost_comes_back_beside_who_took_it(
    local_ray: None,
) -> None:
    import ray  # noqa: PLC0415

    class Taker:
        """A trial that was lost too, say: it asks for room as soon as there is some."""

        def is_there(self) -> bool:
            return True

    pool = make_pool("length_backend", scorers=1, cpus_per_scorer=1, pool={"deadline_s": 60})
    before = scorer_pids()
    pool.check([key()])
    (lost,) = scorer_pids() - before
    one, other = (ray.remote(Taker).options(num_cpus=1).remote() for _ in range(2))
    assert ray.get(one.is_there.remote())  # two CPUs, and a scorer
    os.kill(lost, signal.SIGKILL)
    assert ray.get(other.is_there.remote(), timeout=60)
    (result,) = backend(pool).audio(["vibe"], CONFIGS[:1])
    assert result.score == right_answers(["vibe"], CONFIGS[:1])[0]
    pool.shutdown()
    for taker in (one, other):
        ray.kill(taker)


def test_the_deadline_is_an_answer(local_ray: None) -> None:
    pool = make_pool(scorers=1, pool={"deadline_s": 1.5})
    (result,) = backend(pool).audio(["slow"], CONFIGS[:1])
    assert result.score is None
    assert "within resources.pool.deadline_s = 1.5 s" in str(result.reason)
    pool.shutdown()


def test_a_scorer_that_cannot_be_loaded_is_the_users_error(local_ray: None) -> None:
    broken = make_pool("no_such_backend", scorers=1)
    with pytest.raises(UserError, match=r"no_such_backend"):
        broken.check([key()])
    with pytest.raises(UserError, match=r"no_such_backend"):
        backend(broken)
    broken.shutdown()


def test_a_scorer_without_a_score_stops_the_sweep_before_its_first_trial(local_ray: None) -> None:
    broken = make_pool("mute_backend", scorers=1)
    with pytest.raises(ClusterError, match=r"cannot score a valid config: it is mute"):
        broken.check([key()])
    broken.shutdown()


def test_scorers_go_when_the_pool_does(local_ray: None) -> None:
    before = scorer_pids()
    pool = make_pool(scorers=2)
    pool.check([key()])
    assert len(scorer_pids() - before) == 2
    pool.shutdown()
    wait_for(lambda: scorer_pids() <= before)
