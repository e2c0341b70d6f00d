"""The scoring pool: what it adds to a clip, what a second scorer brings, and its best batch and wait.

    python -m benchmarks.pool_speed [--clients 4] [--seconds 8] [--sweep]

On a Ray of its own on this machine. Clients ask for 16 completions at a time, as trials do between two
optimizer steps, each as soon as it has its last answers.

- *overhead*: a scorer that costs nothing, batches of 32, one client: all that a clip spends in messages.
- *scorers*: the tiny CLAP with one scorer and with two, new configs every time.
- *--sweep*: `max_batch` by `max_wait_s` with one scorer: scores/s, and latency's median and 95th percentile.
"""

from __future__ import annotations

import argparse
import itertools
import random
import statistics
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

import ray

from cluster.scoring.keys import ScorerKey
from cluster.scoring.pool import ScoringPool
from common.random_configs import random_config
from common.reward_config import ClapScorerConfig
from rewards import AudioResult
from search_spaces.resources import Resources

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cluster.scoring.client import PoolBackend
    from common.music_schema import MusicConfig

KEY = ScorerKey(clap=ClapScorerConfig())
ASKED = 16
WARM_UP_S = 3.0
VIBES = [f"vibe number {number}" for number in range(64)]


class FreeBackend:
    """Every config is worth 0, at no cost."""

    scorer_id = renderer_id = "free"
    cache_counts = None

    def audio(self, vibes: Sequence[str], configs: Sequence[MusicConfig]) -> list[AudioResult]:
        """[B] zeros."""
        return [AudioResult(0.0, None)] * len(configs)


def free_backend(reward_type: str, clap: object, custom_scorer_path: str | None) -> FreeBackend:
    """In the place of `rewards.audio_backend`."""
    return FreeBackend()


class Load(NamedTuple):
    """What a pool did under load."""

    scores_per_s: float
    p50_s: float
    p95_s: float
    mean_batch: float


def under_load(resources: Resources, factory: str, clients: int, seconds: float, asked: int) -> Load:
    """Ask a pool of its own, after a warm-up, for so many seconds."""
    pool = ScoringPool(resources, factory, "benchmark")
    pool.check([KEY])
    counts, latencies = [0] * clients, [list[float]() for _ in range(clients)]
    stop = threading.Event()
    began = time.perf_counter() + WARM_UP_S

    def ask(number: int) -> None:
        audio: PoolBackend = pool.address.connect(KEY, f"client {number}")
        rng = random.Random(number)
        # Made beforehand: what a client does beside asking is not measured.
        configs: Iterator[MusicConfig] = itertools.cycle([random_config(rng) for _ in range(4096)])
        while not stop.is_set():
            start = time.perf_counter()
            answers = audio.audio(rng.sample(VIBES, asked), list(itertools.islice(configs, asked)))
            assert all(answer.score is not None for answer in answers)
            if start >= began:
                counts[number] += asked
                latencies[number].append(time.perf_counter() - start)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    time.sleep(WARM_UP_S + seconds)
    stop.set()
    for thread in threads:
        thread.join()
    took = time.perf_counter() - began
    mean_batch = pool.report().mean_batch or 0.0
    pool.shutdown()
    every = sorted(itertools.chain.from_iterable(latencies))
    return Load(sum(counts) / took, statistics.median(every), every[int(0.95 * (len(every) - 1))], mean_batch)


def resources(scorers: int, **limits: float) -> Resources:
    """Scorers that Ray places anywhere; what limits them is the machine."""
    return Resources.model_validate({"scorers": scorers, "cpus_per_scorer": 0, "pool": limits})


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pool_speed")
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--sweep", action="store_true", help="max_batch by max_wait_s instead of the rest")
    args = parser.parse_args()
    clap = "rewards.backends:audio_backend"
    ray.init(address="local", include_dashboard=False, log_to_driver=False, object_store_memory=2**27)
    if args.sweep:
        print("max_batch  max_wait_s  scores/s  median s  95 % s  clips/batch")
        for batch, wait in itertools.product((1, 4, 8, 32), (0.0, 0.02, 0.1)):
            limited = resources(1, max_batch=batch, max_wait_s=wait)
            load = under_load(limited, clap, args.clients, args.seconds, ASKED)
            print(
                f"{batch:9d}  {wait:10.3f}  {load.scores_per_s:8.1f}  {load.p50_s:8.3f}  {load.p95_s:6.3f}  "
                f"{load.mean_batch:11.1f}"
            )
        return
    free = under_load(
        resources(1, max_batch=32, max_wait_s=0.0), "benchmarks.pool_speed:free_backend", 1, args.seconds, 32
    )
    print(f"overhead in batches of 32: {1000 / free.scores_per_s:.3f} ms a clip")
    one, two = (under_load(resources(n), clap, args.clients, args.seconds, ASKED) for n in (1, 2))
    print(
        f"one scorer  {one.scores_per_s:6.1f} scores/s, {one.p50_s:.2f} s median, {one.p95_s:.2f} s at 95 %"
    )
    print(
        f"two scorers {two.scores_per_s:6.1f} scores/s, {two.p50_s:.2f} s median, {two.p95_s:.2f} s at 95 %"
    )
    print(f"            {two.scores_per_s / one.scores_per_s:.2f} times one")


if __name__ == "__main__":
    main()
