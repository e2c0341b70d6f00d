"""Any valid config renders to finite sound without DC or clipping, of one loudness, in bounded memory."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import torch

from common.music_schema import CONFIG_LABELS, MusicConfig
from common.random_configs import random_config
from common.training_config import PROJECT_ROOT
from rewards.render import render
from tests.rewards.render.fuzz_renders import RMS_BAND, clip_problems

if TYPE_CHECKING:
    from common.music_schema import Label

ENDS = [(name, end) for name in CONFIG_LABELS for end in (0, -1)]


def fuzz(count: int, seconds: float, seed: int) -> dict[str, Any]:
    """The report of `fuzz_renders`, which has a process of its own: so its memory is the renderer's."""
    words = ["--count", str(count), "--seconds", str(seconds), "--seed", str(seed)]
    done = subprocess.run(
        [sys.executable, "-m", "tests.rewards.render.fuzz_renders", *words],
        cwd=PROJECT_ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    assert report["count"] == count
    return report


def extreme(base: MusicConfig, name: str, label: Label) -> MusicConfig:
    """The base with one label; its other octave makes way."""
    labels = base.model_dump() | {name: label}
    if name == "register_min_oct":
        labels["register_max_oct"] = max(labels["register_max_oct"], label)
    if name == "register_max_oct":
        labels["register_min_oct"] = min(labels["register_min_oct"], label)
    return MusicConfig.model_validate(labels)


def check(configs: list[MusicConfig], seconds: float) -> None:
    sound = render(configs, seconds=seconds)
    broken = [
        (config.model_dump(), problems)
        for config, clip in zip(configs, sound, strict=True)
        if (problems := clip_problems(clip))
    ]
    assert broken == []


@pytest.mark.parametrize("end", [0, -1])
def test_all_labels_at_one_end(end: int) -> None:
    labels = {name: choices[end] for name, choices in CONFIG_LABELS.items()}
    for seconds in (0.25, 1.0, 10.0):
        check([MusicConfig.model_validate(labels)], seconds)


def test_every_field_at_both_ends_on_random_configs() -> None:
    rng = random.Random(1)
    check([extreme(random_config(rng), name, CONFIG_LABELS[name][end]) for name, end in ENDS], 1.0)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_every_field_at_both_ends_on_many_random_configs() -> None:
    rng = random.Random(2)
    for _ in range(10):
        for name, end in ENDS:
            check([extreme(random_config(rng), name, CONFIG_LABELS[name][end])], 2.0)


def test_two_hundred_random_configs() -> None:
    assert fuzz(200, 1.0, seed=10)["problems"] == {}


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize(("count", "seconds"), [(10_000, 1.0), (500, 10.0)])
def test_ten_thousand_random_configs_in_bounded_memory(count: int, seconds: float) -> None:
    report = fuzz(count, seconds, seed=11)
    assert report["problems"] == {}, report["farthest"]
    # The first hundred clips fill every cache; later ones may add what a heap in pieces adds.
    assert report["peak_mb"] - report["warm_mb"] < 64, report
    assert report["peak_mb"] < 1000, report


def loud(share: float) -> torch.Tensor:
    """[2, 48000] a sine within the RMS band, with a share of its samples at one ceiling."""
    clip = 0.15 * torch.sin(torch.arange(96_000) * 0.05).reshape(2, 48_000)
    clip = clip - clip.mean(dim=1, keepdim=True)
    count = round(share * 24_000)
    clip[:, :count] = 0.98
    clip[:, count : 2 * count] = -0.98
    return clip


@pytest.mark.parametrize(
    ("clip", "problem"),
    [
        (loud(0.0), None),
        (loud(0.0) / loud(0.0).clamp(min=0.0), "not finite"),
        (loud(0.0) + 0.01, "DC"),
        (loud(0.0) * 10, "peak"),
        (loud(0.01), "share at the ceiling"),
        (loud(0.0) * 0.5 * RMS_BAND[0], "RMS"),
        (loud(0.0) * 5, "RMS"),
        (loud(0.0).double(), "dtype"),
    ],
)
def test_the_check_sees_each_fault(clip: torch.Tensor, problem: str | None) -> None:
    found = clip_problems(clip)
    assert found == [] if problem is None else any(problem in said for said in found), found
