"""Any valid config renders to finite, bounded, DC-free sound of known loudness; bad arguments are refused."""

from __future__ import annotations

import random
from typing import Any

import pytest
import torch

from common.music_schema import CONFIG_LABELS
from common.random_configs import random_config
from rewards.render import LAYERS, RENDERER_ID, render

CONFIG = random_config(random.Random(3))


def check(sound: torch.Tensor) -> None:
    assert sound.dtype == torch.float32
    assert bool(sound.isfinite().all())
    assert float(sound.abs().max()) <= 1.0
    assert float(sound.mean(-1).abs().max()) < 1e-5
    rms = sound.square().mean((1, 2)).sqrt()
    assert bool(((rms > 0.04) & (rms < 0.2)).all()), rms


def test_two_hundred_random_configs_keep_the_contract() -> None:
    rng = random.Random(11)
    for _ in range(20):
        sound = render([random_config(rng) for _ in range(10)], seconds=1.0)
        assert sound.shape == (10, 2, 48_000)
        check(sound)


@pytest.mark.parametrize("end", [0, -1])
def test_all_labels_at_one_extreme_keep_the_contract(end: int) -> None:
    labels = {name: choices[end] for name, choices in CONFIG_LABELS.items()}
    check(render([type(CONFIG).model_validate(labels)], seconds=10.0))


@pytest.mark.parametrize(("seconds", "rate"), [(0.5, 48_000), (1.37, 44_100), (30.0, 48_000), (3.0, 16_000)])
def test_other_lengths_and_sample_rates_work(seconds: float, rate: int) -> None:
    sound = render([CONFIG], seconds=seconds, sample_rate=rate)
    assert sound.shape == (1, 2, round(seconds * rate))
    check(sound)


def test_a_layer_that_the_config_does_not_play_is_silent() -> None:
    quiet = CONFIG.model_copy(update={"density": 2, "grain": "clean"})
    assert float(render([quiet], seconds=1.0, layers=("accent",)).abs().max()) == 0.0


def test_layers_can_be_heard_alone() -> None:
    full = CONFIG.model_copy(
        update={"density": 6, "rhythm": "kit_medium", "texture": "stars", "accent": "bells"}
    )
    for name in LAYERS:
        check(render([full], seconds=4.0, layers=(name,)))


def test_the_renderer_has_a_versioned_name() -> None:
    assert RENDERER_ID == "vibesweep-render-3"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"configs": []}, r"configs must hold >= 1 music config, got none"),
        ({"configs": ["x"]}, r"configs\[0\] must be a MusicConfig, got str"),
        ({"seconds": 0.0}, r"seconds must be within 0.25 to 60, got 0.0"),
        ({"seconds": float("nan")}, r"seconds must be within 0.25 to 60, got nan"),
        ({"sample_rate": 100}, r"sample_rate must be 8000 to 96000 Hz, got 100"),
        ({"seed": -1}, r"seed must be an integer >= 0, got -1"),
        ({"layers": ("drums",)}, r"layers must name some of bass, .*, got drums"),
        ({"layers": ()}, r"layers must name some of bass, .*, got none"),
    ],
)
def test_bad_arguments_are_refused_with_the_rule(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        render(**({"configs": [CONFIG]} | arguments))
