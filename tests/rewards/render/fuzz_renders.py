"""Renders many random configs in a process of its own and prints, as JSON, what broke and the memory it took.

python -m tests.rewards.render.fuzz_renders --count 10000 --seconds 1 --seed 0
"""

from __future__ import annotations

import argparse
import json
import random
import resource
from typing import TYPE_CHECKING, NamedTuple

import torch

from common.music_schema import canonical_json
from common.random_configs import random_config
from rewards.render import render

if TYPE_CHECKING:
    from common.music_schema import MusicConfig

__all__ = ["RMS_BAND", "clip_problems"]

RMS_BAND = (0.04, 0.25)
"""Loudness is the same for all clips, about -18 LUFS; RMS, -28 to -12 dBFS, still differs with their spectrum
and their pauses."""
MAX_DC = 1e-4
FLAT_SHARE = 1e-3
"""Share of a clip's samples that may lie at its ceiling."""
BATCH = 16


class Extremes(NamedTuple):
    """The farthest values of many clips."""

    peak: float
    dc: float
    flat: float
    low_rms: float
    high_rms: float


def measures(clip: torch.Tensor) -> Extremes:
    """What is bounded, of one clip [2, S]."""
    size = clip.abs()
    peak = float(size.max())
    # A limiter that works hard leaves many samples at the peak; a wave that only reaches it, a handful.
    flat = float((size >= 0.9995 * peak).float().mean()) if peak > 0.9 else 0.0
    rms = float(clip.double().square().mean().sqrt())
    return Extremes(peak, float(clip.double().mean(dim=1).abs().max()), flat, rms, rms)


def clip_problems(clip: torch.Tensor) -> list[str]:
    """How a clip [2, S] breaks the renderer's promises; empty where it keeps them."""
    if clip.dtype != torch.float32:
        return [f"dtype {clip.dtype}"]
    if not bool(clip.isfinite().all()):
        return [f"{int((~clip.isfinite()).sum())} samples are not finite"]
    found = measures(clip)
    rules = {
        f"peak {found.peak}": found.peak <= 1.0,
        f"DC {found.dc}": found.dc <= MAX_DC,
        f"share at the ceiling {found.flat}": found.flat <= FLAT_SHARE,
        f"RMS {found.low_rms}": RMS_BAND[0] <= found.low_rms <= RMS_BAND[1],
    }
    return [problem for problem, holds in rules.items() if not holds]


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # KiB on Linux


def main() -> None:
    """Fuzz, and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rng = random.Random(arguments.seed)
    problems: dict[str, list[str]] = {}
    found: list[Extremes] = []
    after_warm_up = 0.0
    for first in range(0, arguments.count, BATCH):
        configs: list[MusicConfig] = [random_config(rng) for _ in range(min(BATCH, arguments.count - first))]
        sound = render(configs, seconds=arguments.seconds)
        for config, clip in zip(configs, sound, strict=True):
            found.append(measures(clip))
            if broken := clip_problems(clip):
                problems[canonical_json(config)] = broken
        if first == 5 * BATCH:
            after_warm_up = _peak_mb()
    peaks, offsets, flats, rms, _ = zip(*found, strict=True)
    report = {
        "count": len(found),
        "problems": problems,
        "farthest": Extremes(max(peaks), max(offsets), max(flats), min(rms), max(rms))._asdict(),
        "warm_mb": after_warm_up,
        "peak_mb": _peak_mb(),
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
