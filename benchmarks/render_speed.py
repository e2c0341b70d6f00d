"""Core-seconds per 10 s stereo clip, at batches of 1, 8 and 32 on one core.

Floor: a random config has 9 million note samples and 0.38 G multiply-adds, 15 ms at 50 GFLOP/s; three FFTs of
235 frames of 4,096 points take 4 ms; some 15 passes over 4 MB for room, limiter and mix take 6 ms.

Usage: python benchmarks/render_speed.py
"""

from __future__ import annotations

import random
import statistics
import time

import torch

from common.random_configs import random_config
from rewards.render import render

FLOOR_S = 0.025
REPEATS = 5


def main() -> None:
    """Prints one line per batch size: the median and the best of REPEATS runs after a warm-up."""
    torch.set_num_threads(1)
    rng = random.Random(0)
    configs = [random_config(rng) for _ in range(32)]
    render(configs[:8])
    print(f"floor {FLOOR_S:.3f} core-seconds per clip")
    for size in (1, 8, 32):
        costs = []
        for run in range(REPEATS):
            part = [configs[(run * size + index) % 32] for index in range(size)]
            begin = time.process_time()
            render(part)
            costs.append((time.process_time() - begin) / size)
        print(
            f"batch {size:2d}: {statistics.median(costs):.4f} core-seconds per clip (best {min(costs):.4f})"
        )


if __name__ == "__main__":
    main()
