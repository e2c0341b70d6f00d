"""10,000 requests of four clients, while scorers and their dispatcher are killed, and scorers hang."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

import psutil
import pytest
from ray.exceptions import RayActorError

from common.random_configs import random_config
from common.reward_config import ClapScorerConfig
from search_spaces.resources import Resources

if TYPE_CHECKING:
    from pathlib import Path

    from cluster.scoring.client import PoolBackend
    from rewards import AudioResult

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.usefixtures("local_ray")]

CLIENTS, REQUESTS, QUEUE, KILL_EVERY_S = 4, 2500, 24, 3.0
CONFIGS = [random_config(random.Random(seed)) for seed in range(64)]


class Asked(NamedTuple):
    vibes: list[str]
    configs: list[int]
    results: list[AudioResult]


def ask_in_turn(audio: PoolBackend, seed: int, marks: Path, heard: list[Asked]) -> None:
    """One client: requests of one to twelve completions, now and then one that hangs its scorer once."""
    rng = random.Random(seed)
    for number in range(REQUESTS):
        size = rng.randint(1, 12)
        vibes = [f"vibe {'x' * rng.randrange(9)}" for _ in range(size)]
        if number == REQUESTS // 2:
            vibes[0] = f"hang {marks / str(seed)}"
        configs = [rng.randrange(len(CONFIGS)) for _ in range(size)]
        results = audio.audio(vibes, [CONFIGS[index] for index in configs])
        heard.append(Asked(vibes, configs, results))


@pytest.mark.timeout(600)
def test_every_answer_is_right_or_has_a_reason(tmp_path: Path) -> None:
    from cluster.scoring.keys import ScorerKey  # noqa: PLC0415 - imports ray
    from cluster.scoring.pool import ScoringPool  # noqa: PLC0415

    settings = {"queue": QUEUE, "max_batch": 4, "max_wait_s": 0.002, "deadline_s": 45}
    pool = ScoringPool(
        Resources.model_validate({"scorers": 3, "cpus_per_scorer": 0, "pool": settings}),
        "trivial_scorers:quick_backend",
        "chaos",
    )
    key = ScorerKey(clap=ClapScorerConfig())
    pool.check([key])
    heard: list[list[Asked]] = [[] for _ in range(CLIENTS)]
    clients = [
        threading.Thread(
            target=ask_in_turn, args=(pool.address.connect(key, f"trial {n}"), n, tmp_path, heard[n])
        )
        for n in range(CLIENTS)
    ]
    for client in clients:
        client.start()

    rng, kills, deepest = random.Random(0), 0, 0
    next_kill = time.monotonic() + KILL_EVERY_S
    while any(client.is_alive() for client in clients):
        with suppress(RayActorError):
            deepest = max(deepest, pool.report().unanswered)
        if time.monotonic() >= next_kill:
            # Every eighth time the dispatcher, which takes all scorers with it.
            kind = "ray::ScoringDis" if kills % 8 == 4 else "ray::ScoringAct"
            below = [p for p in psutil.Process().children(recursive=True) if p.name().startswith(kind)]
            with suppress(ProcessLookupError, IndexError):  # all of them gone just now
                os.kill(rng.choice(below).pid, signal.SIGKILL)
                kills += 1
            next_kill = time.monotonic() + KILL_EVERY_S
        time.sleep(0.05)
    report = pool.report()
    pool.shutdown()

    answers = unscored = 0
    for asked in (request for requests in heard for request in requests):
        assert len(asked.results) == len(asked.vibes)
        for vibe, config, result in zip(asked.vibes, asked.configs, asked.results, strict=True):
            answers += 1
            if result.score is None:
                assert result.reason
                unscored += 1
            else:
                assert result.score == len(vibe) + CONFIGS[config].register_min_oct / 10
    print(
        f"{answers} answers, {unscored} unscored, {kills} kills, queue at most {deepest} of {QUEUE}: {report}"
    )
    assert [len(requests) for requests in heard] == [REQUESTS] * CLIENTS
    assert len(list(tmp_path.iterdir())) == CLIENTS, "each client has hung a scorer"
    assert kills >= 5
    assert unscored <= 0.001 * answers
    assert 0 < deepest <= QUEUE
    assert (report.unanswered, report.waiting) == (0, 0)
