"""Configs to scores in this process: configs per second, and where the time goes.

    python -m benchmarks.score_speed [--model tiny] [--device auto] [--threads 1] [--repeats 5]

Medians after a warm-up. Every repeat scores configs that it has not seen, so no cache helps; texts are known,
as they are from the second step of a trial on. The parts are timed apart on one microbatch.
"""

from __future__ import annotations

import argparse
import random
from typing import TYPE_CHECKING

import torch

from benchmarks.timing import median_seconds
from common.random_configs import random_config
from common.reward_config import ClapScorerConfig
from rewards.clap import ClapScorer
from rewards.clap.transformers_backend import TransformersClap
from rewards.render import render

if TYPE_CHECKING:
    from collections.abc import Callable

    from common.music_schema import MusicConfig

VIBE = "rainy window in a small cafe"
BATCHES = 2
"""Microbatches scored in one repeat."""


def main() -> None:
    """Print configs per second, and milliseconds per config of each part."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.score_speed")
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    scorer = ClapScorer(ClapScorerConfig(model=args.model, device=args.device))
    clap, size = scorer.clap, scorer.config.microbatch
    assert isinstance(clap, TransformersClap), "the default backend"
    rng = random.Random(0)

    def fresh(count: int) -> list[MusicConfig]:
        return [random_config(rng) for _ in range(count)]

    whole = median_seconds(
        lambda: scorer([VIBE] * (BATCHES * size), fresh(BATCHES * size)), args.repeats, clap.device
    )
    print(
        f"{BATCHES * size / whole:8.1f} configs/s  ({args.model}, {clap.device}, {args.threads} threads, "
        f"microbatch {size})"
    )

    rate = clap.sample_rate
    windows = render(fresh(size), seconds=10.0, sample_rate=rate, device=clap.device).mean(dim=1)
    with torch.inference_mode():
        log_mels = clap.log_mel(windows)
        parts: dict[str, Callable[[], object]] = {
            "render": lambda: render(fresh(size), seconds=10.0, sample_rate=rate, device=clap.device),
            "front end": lambda: clap.log_mel(windows),
            "tower": lambda: clap.model.get_audio_features(input_features=log_mels),
        }
        for name, call in parts.items():
            print(f"{1e3 * median_seconds(call, args.repeats, clap.device) / size:8.2f} ms/config  {name}")
        text_ms = 1e3 * median_seconds(lambda: clap.embed_text(VIBE), args.repeats, clap.device)
    print(f"{text_ms:8.2f} ms/vibe    text, once for each vibe")


if __name__ == "__main__":
    main()
