"""Measures of a clip, on signals whose values are known."""

from __future__ import annotations

import math

import pytest
import torch

from rewards.sound_checks import SILENCE_DB, measure_sound

RATE = 48_000
SECONDS = 2


def tone(level: float = 0.5) -> torch.Tensor:
    """[2, S] sine of 1 kHz in both channels."""
    wave = level * torch.sin(2 * math.pi * 1000 / RATE * torch.arange(RATE * SECONDS))
    return wave.expand(2, -1)


def noise() -> torch.Tensor:
    return 0.1 * torch.randn(2, RATE * SECONDS, generator=torch.Generator().manual_seed(0))


def test_level_is_the_rms_in_decibels_of_full_scale() -> None:
    [found] = measure_sound(tone(0.5)[None], RATE)
    # A sine's mean square is half of its squared peak.
    assert found.level_db == pytest.approx(10 * math.log10(0.5**2 / 2), abs=1e-3)
    [silence] = measure_sound(torch.zeros(1, 2, RATE), RATE)
    assert silence.level_db == pytest.approx(SILENCE_DB)
    assert (silence.clipped, silence.flatness) == (0, 0)


def test_clipped_is_the_share_of_samples_at_full_scale() -> None:
    [found] = measure_sound((1.9 * tone(1.0)).clamp(-1, 1)[None], RATE)
    # A half period has 24 samples, 7.5 degrees apart. 1.9 sin is beyond 0.999 from 31.7 degrees on: 37.5 to
    # 142.5, 15 of them.
    assert found.clipped == pytest.approx(15 / 24, abs=1e-6)
    assert measure_sound(tone(0.99)[None], RATE)[0].clipped == 0


def test_noise_is_flat_and_a_tone_is_not() -> None:
    flat, peaked = measure_sound(torch.stack([noise(), tone()]), RATE)
    # The mean of 46 frames' spectra still scatters by 15 %, so the means differ by half its square.
    assert flat.flatness == pytest.approx(1 - 0.15**2 / 2, abs=0.02)
    assert peaked.flatness < 1e-3


def test_a_clip_measures_the_same_in_any_batch() -> None:
    clips = torch.stack([noise(), tone(), 0.3 * noise(), tone(2.0).clamp(-1, 1)])
    together = measure_sound(clips, RATE)
    assert [measure_sound(clip[None], RATE)[0] for clip in clips] == together
    assert measure_sound(clips.flip(0), RATE) == together[::-1]
