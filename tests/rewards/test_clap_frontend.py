"""The torch log-mel front end against transformers' own feature extractor."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from transformers import ClapFeatureExtractor

from common.random_configs import random_config
from rewards.clap import LogMel
from rewards.clap.frontend import quantize_16_bit
from rewards.render import render

SAMPLES = 480_000
EXTRACTOR = ClapFeatureExtractor(frequency_min=50, truncation="rand_trunc", padding="repeatpad")


def signal(name: str) -> torch.Tensor:
    """[SAMPLES] float32 mono audio."""
    time = torch.arange(SAMPLES, dtype=torch.float64) / 48_000
    noise = torch.randn(SAMPLES, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    made = {
        "noise": lambda: 0.1 * noise,
        "quiet noise": lambda: 1e-3 * noise,
        "tone": lambda: 0.9 * torch.sin(2 * torch.pi * 440 * time),
        "sweep": lambda: 0.5 * torch.sin(2 * torch.pi * 700 * time.square()),
        "clipped noise": lambda: 2.0 * noise,
        "clicks": lambda: 1.0 * (torch.arange(SAMPLES) % 12_000 == 0),
        "silence": lambda: torch.zeros(SAMPLES),
    }
    if name == "music":
        return render([random_config(random.Random(3))], seconds=10.0, sample_rate=48_000)[0].mean(dim=0)
    return made[name]().float()


@pytest.mark.parametrize(
    "name", ["music", "noise", "quiet noise", "tone", "sweep", "clipped noise", "clicks", "silence"]
)
def test_log_mels_equal_those_of_the_checkpoints_extractor(name: str) -> None:
    audio = quantize_16_bit(signal(name))
    expected = EXTRACTOR(audio.numpy(), sampling_rate=48_000, return_tensors="np")["input_features"][0]
    found = LogMel(EXTRACTOR)(signal(name)[None])[0].numpy()
    assert found.shape == expected.shape == (1, 1001, 64)
    difference = np.abs(found - expected)
    loud = expected > -60
    assert difference[loud].max(initial=0) <= 1e-3  # dB
    assert difference[~loud].max(initial=0) <= 0.1


def test_a_wav_file_of_16_bits_sounds_the_same_as_the_render() -> None:
    samples = torch.tensor([0.0, 1.0, -1.0, 1.5, 0.5, -0.5, 1e-5])
    # trunc(x * 32767) / 32767: 0.5 * 32767 = 16383.5 is cut to 16383, towards zero on both sides
    expected = torch.tensor([0, 32767, -32767, 32767, 16383, -16383, 0]) / 32767.0
    assert torch.equal(quantize_16_bit(samples), expected)
    assert torch.equal(quantize_16_bit(expected), expected)


def test_another_length_than_whole_windows_is_refused() -> None:
    with pytest.raises(ValueError, match=r"windows must be \[B, 480000\], got \[2, 1000\]"):
        LogMel(EXTRACTOR)(torch.zeros(2, 1000))
