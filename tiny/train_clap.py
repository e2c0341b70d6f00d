"""Train the tiny CLAP: a small `transformers.ClapModel` that knows which rendered sound fits which vibe.

    python -m tiny.train_clap [--output tiny/weights/clap] [--pairs N] [--steps N] [--seed 0] [--threads 2]

Renders the corpus's configs once, then trains both towers on (caption, clip) pairs: symmetric InfoNCE, and
one linear probe shared by both towers that reads the config's labels off either embedding. The probe ties the
two spaces together through what a config is, which saves most of the steps, and is thrown away.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from common.training_config import PROJECT_ROOT
from rewards.clap import LogMel
from rewards.render import render
from tiny.captions import caption_pool, draw_captions, one_hot_labels
from tiny.clap_model import build_model, extractor, train_tokenizer
from tiny.clap_quality import measure
from tiny.clap_training import Plan, TrainingSet, train
from tiny.corpus import generate
from trainables.checksums import write_checksums

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from common.music_schema import MusicConfig

__all__ = ["hear", "main", "training_set"]

POOL = 8000
"""Synthetic vibes that captions are drawn from."""
NUM_CAPTIONS = 8
"""Captions per clip; each step draws one of them."""
RENDER_BATCH = 8


def hear(configs: Sequence[MusicConfig]) -> Tensor:
    """[B, frames, mels] float16 log-mels of rendered configs."""
    front_end = LogMel(extractor())
    with torch.inference_mode():
        audio = render(configs, seconds=10.0, sample_rate=front_end.sample_rate, device="cpu", seed=0)
        log_mels: Tensor = front_end(audio.mean(dim=1))
    return log_mels[:, 0].half()


def training_set(num_pairs: int, pool: Sequence[str], seed: int, processes: int) -> TrainingSet:
    """Render the corpus's configs, each in one thread, and draw their captions."""
    configs = list({pair.payload.config: None for pair in generate(num_pairs, seed)})
    batches = [configs[start : start + RENDER_BATCH] for start in range(0, len(configs), RENDER_BATCH)]
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, spawn, torch.set_num_threads, (1,)) as workers:
        log_mels = torch.cat(list(workers.map(hear, batches)))
    captions = draw_captions(configs, pool, NUM_CAPTIONS, seed)
    return TrainingSet(log_mels, torch.from_numpy(one_hot_labels(configs)), captions)


def main(argv: list[str] | None = None) -> int:
    """Command line: train, save, measure."""
    parser = argparse.ArgumentParser(prog="python -m tiny.train_clap", description="Train the tiny CLAP.")
    parser.add_argument("--output", type=Path, default=PROJECT_ROOT / "tiny/weights/clap")
    parser.add_argument("--pairs", type=int, default=4800, help="configs to render (default 4800)")
    parser.add_argument(
        "--steps", type=int, default=Plan().steps, help="steps on pairs (default %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=0, help="same seed and threads, same weights (default 0)")
    parser.add_argument("--threads", type=int, default=1, help="threads and rendering processes (default 1)")
    args = parser.parse_args(argv)
    for name, least in (("pairs", Plan().batch), ("steps", 1), ("threads", 1)):
        if not getattr(args, name) >= least:
            parser.error(f"--{name} must be >= {least}, got {getattr(args, name)}")
    start = time.monotonic()
    torch.set_num_threads(args.threads)
    pool = caption_pool(POOL, args.seed)
    data = training_set(args.pairs, pool, args.seed, args.threads)
    print(f"rendered {len(data.log_mels)} clips in {time.monotonic() - start:.0f} s", file=sys.stderr)
    tokenizer = train_tokenizer(pool)
    torch.manual_seed(args.seed)
    model = build_model()
    plan = Plan(steps=args.steps, seed=args.seed)
    losses = train(model, tokenizer, data, pool, plan)
    for part in (model, tokenizer, extractor()):
        part.save_pretrained(args.output)
    seconds = time.monotonic() - start
    quality: dict[str, Any] = measure(args.output) | {
        "parameters": sum(weight.numel() for weight in model.parameters()),
        "training": {"clips": len(data.log_mels), "threads": args.threads} | plan._asdict(),
        "info_nce_nats": round(sum(losses[-20:]) / len(losses[-20:]), 4),
        "seconds": round(seconds),
    }
    (args.output / "quality.json").write_text(json.dumps(quality, indent=2) + "\n")
    write_checksums(args.output)
    print(json.dumps(quality, indent=2))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
