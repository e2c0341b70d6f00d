"""Cost of a 10 s stereo clip at 48 kHz, with its floor, in one process, in two, against another renderer.

    python -m benchmarks.render_speed [--device cpu] [--against module:callable] [--repeats 5]

Medians after a warm-up over 32 random configs. On a CPU: core-seconds of one thread, and what a second
process on a second core adds. On a GPU: clips per second in batches of 256. `--against` names a callable that
takes one config and gives its sound, to be measured in the same run.
"""

from __future__ import annotations

import argparse
import functools
import multiprocessing
import random
import resource
import statistics
import time
from typing import TYPE_CHECKING

import torch

from benchmarks.render_floor import render_floor
from benchmarks.timing import median_seconds
from common.random_configs import random_config
from rewards.plugins import load_callable
from rewards.render import render

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.synchronize import Barrier

    from common.music_schema import MusicConfig

CLIPS = 32
GPU_BATCH = 256
ROUNDS = 15
"""Times that each of two processes renders alone, and then both at once."""


def configs_of(count: int) -> list[MusicConfig]:
    """The first `count` configs of a fixed stream."""
    rng = random.Random(0)
    return [random_config(rng) for _ in range(count)]


def peak_mb() -> float:
    """Largest resident memory of this process so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def core_seconds(call: Callable[[], object], clips: int, repeats: int) -> tuple[float, float]:
    """Median and least core-seconds per clip of a call that makes `clips` of them, after a warm-up."""
    costs = []
    for _ in range(repeats + 1):
        begin = time.process_time()
        call()
        costs.append((time.process_time() - begin) / clips)
    return statistics.median(costs[1:]), min(costs[1:])


def _worker(
    barrier: Barrier, number: int, rounds: int, seconds: multiprocessing.Queue[tuple[float, float]]
) -> None:
    """One of two: renders alone while the other waits, then beside it."""
    torch.set_num_threads(1)
    configs = configs_of(CLIPS)

    def render_s() -> float:
        begin = time.perf_counter()
        render(configs)
        return time.perf_counter() - begin

    render_s()
    for _ in range(rounds):
        for turn in range(2):
            barrier.wait()
            if turn == number:
                alone = render_s()
        barrier.wait()
        seconds.put((alone, render_s()))
        barrier.wait()


def two_processes(rounds: int) -> tuple[float, float, float]:
    """What a second process on a second core adds, one thread each.

    In every round each renders alone, then both at once, all within seconds: between two runs of a machine
    that others use too, its speed changes by more than what is asked here.

    Returns:
        Clips per second of one alone, of both together, and the median of the rounds' ratios.
    """
    spawn = multiprocessing.get_context("spawn")
    barrier, seconds = spawn.Barrier(2), spawn.Queue()
    workers = [spawn.Process(target=_worker, args=(barrier, number, rounds, seconds)) for number in range(2)]
    for worker in workers:
        worker.start()
    # Both have put their times of a round before either goes on to the next.
    pairs = [(seconds.get(), seconds.get()) for _ in range(rounds)]
    for worker in workers:
        worker.join()
    alone = [sum(CLIPS / alone for alone, _ in pair) / 2 for pair in pairs]
    both = [sum(CLIPS / both for _, both in pair) for pair in pairs]
    ratio = statistics.median(two / one for one, two in zip(alone, both, strict=True))
    return statistics.median(alone), statistics.median(both), ratio


def on_cpu(against: str | None, repeats: int) -> None:
    """Prints memory, floor, cost by batch size, the other renderer, and what a second core adds."""
    torch.set_num_threads(1)
    configs = configs_of(CLIPS)
    before = peak_mb()
    render(configs[:1])
    one = peak_mb()
    render(configs)
    print(f"memory: {one - before:.0f} MB for one clip in the making and torch's own, ", end="")
    print(f"{(peak_mb() - one) / (CLIPS - 1):.1f} MB for each further clip (3.7 MB are its samples)")
    floor = render_floor(configs, torch.device("cpu"))
    print(floor.text)
    for size in (1, 8, CLIPS):
        median, least = core_seconds(functools.partial(render, configs[:size]), size, repeats)
        print(f"batch {size:2d}: {1000 * median:5.1f} ms of one core per clip (least {1000 * least:.1f})")
    print(f"         {median / floor.seconds:.1f} times the floor")
    if against is not None:
        other = load_callable(against)
        theirs, _ = core_seconds(lambda: [other(config) for config in configs[:8]], 8, repeats)
        print(f"{against}: {1000 * theirs:.1f} ms of one core per clip, {theirs / median:.1f} times ours")
    alone, both, ratio = two_processes(ROUNDS)
    print(f"one process {alone:.1f} clips/s, two {both:.1f}: {ratio:.2f} times (median of {ROUNDS} rounds)")


def on_gpu(device: torch.device, repeats: int) -> None:
    """Prints the floor and clips per second in batches of GPU_BATCH."""
    configs = configs_of(GPU_BATCH)
    print(render_floor(configs[:CLIPS], device).text)
    seconds = median_seconds(lambda: render(configs, device=device), repeats, device)
    print(f"batch {GPU_BATCH}: {GPU_BATCH / seconds:.0f} clips/s")


def main() -> None:
    """Parses the arguments and measures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.render_speed")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--against", help="module:callable, one config to its sound")
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    device = torch.device(args.device)
    if device.type == "cpu":
        on_cpu(args.against, args.repeats)
    else:
        on_gpu(device, args.repeats)


if __name__ == "__main__":
    main()
