"""Configs to scores on one core with weights of HTSAT-tiny's size, beside parts, floor and the plain way.

    python -m benchmarks.scoring_throughput [--rounds 5] [--microbatches]

Random weights; one thread; core-seconds per config, medians over rounds after one that warms up. In every
round all parts work in turn on the same eight new configs, a group of one new vibe. Then scores per second
from a warm cache. `--microbatches` measures full and short batches by the tower's batch size instead.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, ParamSpec, TypeVar

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers.utils import logging as transformers_logging

from benchmarks.clap_weights import save_random_clap
from benchmarks.render_floor import peaks, render_floor
from benchmarks.sequential_scoring import SequentialScorer
from common.random_configs import random_config
from common.reward_config import ClapScorerConfig
from rewards import InProcessBackend
from rewards.clap import ClapScorer
from rewards.clap.cache import Clip, EmbeddingCaches
from rewards.clap.transformers_backend import TransformersClap
from rewards.embeddings import normalized
from rewards.render import render
from rewards.sound_checks import SoundMeasures, measure_sound

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from common.music_schema import MusicConfig

Given = ParamSpec("Given")
Result = TypeVar("Result")

CPU: Final = torch.device("cpu")
GROUP: Final = 8
WARM_CONFIGS: Final = 2048
VIBES: Final = tuple(
    f"{mood} {thing} {place}"
    for mood in ("late night", "slow hazy", "bright restless", "cold quiet")
    for thing in ("neon glow", "rain", "morning light", "machines")
    for place in ("over the harbour", "in a small cafe", "on the last train", "far from home")
)
MICROBATCHES: Final = (1, 2, 4, 8, 16)
COUNTS: Final = (16, 4, 1)
"""Configs scored at once: full batches of every size, and short ones."""


class _Imagining(ClapScorer):
    """Fills its cache with random embeddings: what a warm one gives does not depend on what was heard."""

    def _listen(self, configs: Sequence[MusicConfig]) -> list[Clip]:
        rows = np.random.default_rng(len(configs)).normal(size=(len(configs), 512))
        return [Clip(normalized(row), SoundMeasures(-20.0, 0.0, 0.1)) for row in rows]


def main() -> None:
    """Print the table of parts, ratios and floor, or the table of microbatches."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scoring_throughput")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--microbatches", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(1)
    transformers_logging.disable_progress_bar()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        save_random_clap(folder / "clap", VIBES)
        if args.microbatches:
            compare_microbatches(folder / "clap", args.rounds)
        else:
            compare_parts(folder, args.rounds)
            warm_cache(folder / "clap", args.rounds)


def compare_parts(folder: Path, rounds: int) -> None:
    """Print core-seconds of scoring, of its parts and of the plain way, their ratios, and the floor."""
    scorer = ClapScorer(_config(folder / "clap", GROUP), EmbeddingCaches())
    plain = SequentialScorer(folder / "clap", folder, scorer.config.bad_sounds)
    clap = scorer.clap
    assert isinstance(clap, TransformersClap), "the default backend"
    rng, costs, gap = random.Random(0), dict[str, list[float]](), 0.0
    for number in range(rounds + 1):
        configs, vibe = _fresh(rng, GROUP), VIBES[number % len(VIBES)]
        audio = render(configs)
        log_mels = _log_mels(clap, audio)
        took: dict[str, tuple[float, object]] = {
            "a render": _timed(render, configs),
            "b audio tower": _timed(_tower, clap, log_mels),
            "  log-mels": _timed(_log_mels, clap, audio),
            "  sound measures": _timed(measure_sound, audio, 48_000),
            "  text, one in eight": _timed(clap.embed_text, vibe),
            "c configs to scores": _timed(scorer, [vibe] * GROUP, configs),
            "d plain way": _timed(_one_by_one, plain, vibe, configs),
        }
        ours, theirs = (np.array(took[name][1]) for name in ("c configs to scores", "d plain way"))
        gap = max(gap, float(np.abs(ours - theirs).max()))
        for name, (seconds, _) in took.items():
            costs.setdefault(name, []).extend([seconds / GROUP] if number else [])
    for name, values in costs.items():
        print(f"{1e3 * statistics.median(values):8.1f} ms  {name}")
    a, b, c, d = (np.array(values) for name, values in costs.items() if name[0] != " ")
    print(f"{np.median(c / (a + b)):8.2f} times a + b is c (at most 1.2)")
    print(f"{np.median(d / c):8.2f} times c is d (at least 1.6); their scores differ by up to {gap:.1e}")
    _print_floor(clap, log_mels, configs, float(np.median(c)))


def _print_floor(clap: TransformersClap, log_mels: Tensor, configs: Sequence[MusicConfig], c: float) -> None:
    with FlopCounterMode(display=False) as counter:
        _tower(clap, log_mels)
    flops, (rate, _) = counter.get_total_flops() / len(log_mels), peaks(CPU)
    rendering = render_floor(configs, CPU)
    floor = flops / rate + rendering.seconds
    print(
        f"floor: {1e3 * floor:.1f} ms, of it {1e3 * flops / rate:.1f} the tower's {flops / 1e9:.1f} GFLOP "
        f"at {rate / 1e9:.0f} GFLOP/s and {1e3 * rendering.seconds:.1f} rendering; "
        f"c is {c / floor:.1f} times it"
    )


def warm_cache(checkpoint: Path, rounds: int) -> None:
    """Print scores per second where every clip and vibe is known, no pair of them asked twice."""
    scorer = _Imagining(_config(checkpoint, GROUP), EmbeddingCaches())
    backend = InProcessBackend(scorer, scorer.scorer_id, scorer.renderer_id)
    configs = _fresh(random.Random(1), WARM_CONFIGS)
    vibes = [VIBES[number % len(VIBES)] for number in range(WARM_CONFIGS)]
    backend.audio(vibes, configs)
    rates = []
    for number in range(rounds):
        turned = vibes[number + 1 :] + vibes[: number + 1]
        seconds, results = _timed(backend.audio, turned, configs)
        assert all(result.score is not None for result in results)
        rates.append(WARM_CONFIGS / seconds)
    counts = backend.cache_counts
    assert counts is not None
    assert (counts.hits, counts.misses) == (rounds * WARM_CONFIGS, WARM_CONFIGS)
    print(f"{statistics.median(rates):8.0f} scores/s from a warm cache (at least 20000)")


def compare_microbatches(checkpoint: Path, rounds: int) -> None:
    """Print clips per core-second by the tower's batch size, for full and for short batches."""
    scorers = {size: ClapScorer(_config(checkpoint, size), EmbeddingCaches()) for size in MICROBATCHES}
    rates: dict[tuple[int, int], list[float]] = {}
    rng = random.Random(0)
    for number in range(rounds + 1):
        for count in COUNTS:
            configs = _fresh(rng, count)
            for size, scorer in scorers.items():
                seconds, _ = _timed(scorer, [VIBES[0]] * count, configs)
                rates.setdefault((size, count), []).extend([count / seconds] if number else [])
    print("| microbatch |" + "".join(f" {count} at once |" for count in COUNTS))
    print("|---|" + "---|" * len(COUNTS))
    for size in MICROBATCHES:
        cells = (f" {statistics.median(rates[size, count]):.2f} |" for count in COUNTS)
        print(f"| {size} |" + "".join(cells))


def _config(checkpoint: Path, microbatch: int) -> ClapScorerConfig:
    return ClapScorerConfig(model=str(checkpoint), microbatch=microbatch, device="cpu")


def _fresh(rng: random.Random, count: int) -> list[MusicConfig]:
    return [random_config(rng) for _ in range(count)]


def _tower(clap: TransformersClap, log_mels: Tensor) -> object:
    with torch.inference_mode():
        return clap.model.get_audio_features(input_features=log_mels)


def _log_mels(clap: TransformersClap, audio: Tensor) -> Tensor:
    with torch.inference_mode():
        log_mels: Tensor = clap.log_mel(audio.mean(dim=1))
    return log_mels


def _one_by_one(plain: SequentialScorer, vibe: str, configs: Sequence[MusicConfig]) -> list[float]:
    return [plain(vibe, config) for config in configs]


def _timed(call: Callable[Given, Result], *args: Given.args, **named: Given.kwargs) -> tuple[float, Result]:
    """Core-seconds of a call, which other work beside it stretches less than the clock's, and its result."""
    begin = time.process_time()
    result = call(*args, **named)
    return time.process_time() - begin, result


if __name__ == "__main__":
    main()
