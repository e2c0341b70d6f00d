"""Three measures of a clip that tell sound from what only pleases a scorer: silence, clipping, noise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import torch

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["SILENCE_DB", "SoundMeasures", "measure_sound"]

SILENCE_DB: Final = -120.0
"""Level of digital silence, and the lowest that is told."""
_CLIPPING: Final = 0.999
_FRAME: Final = 2048
_BAND_HZ: Final = (100.0, 12_000.0)
"""Where flatness is measured: above, most music has nothing, below, hum would hide noise."""


class SoundMeasures(NamedTuple):
    """What a clip is like, whatever it is meant to be."""

    level_db: float
    """RMS of all samples, both channels, in dB of full scale; from -120."""
    clipped: float
    """Share of the samples within 0.1 % of full scale, 0 to 1."""
    flatness: float
    """Spectral flatness, 0 to 1: geometric over arithmetic mean of the mean power spectrum from 100 Hz to
    12 kHz. White noise is near 1, a tone near 0; 0 for silence."""


def measure_sound(audio: Tensor, sample_rate: int) -> list[SoundMeasures]:
    """Measure every clip by itself.

    Args:
        audio: [B, 2, S] clips, full scale 1, S >= 2048.
        sample_rate: in Hz.
    """
    # One clip at a time stays in a CPU's cache, and cannot depend on its batch.
    parts = torch.split(audio, 1 if audio.device.type == "cpu" else max(1, len(audio)))
    table = torch.cat([_measures(part, sample_rate) for part in parts])
    return [SoundMeasures(*row) for row in table.double().cpu().tolist()]


def _measures(audio: Tensor, sample_rate: int) -> Tensor:
    """[B, 3] measures of [B, 2, S] clips."""
    power = audio.square().mean(dim=(1, 2))
    level = 10 * torch.log10(power.clamp_min(10 ** (SILENCE_DB / 10)))
    clipped = (audio.abs() >= _CLIPPING).float().mean(dim=(1, 2))
    samples = audio.shape[-1] // _FRAME * _FRAME
    frames = audio.mean(dim=1)[:, :samples].reshape(len(audio), -1, _FRAME)
    window = torch.hann_window(_FRAME, device=audio.device)
    spectrum = torch.fft.rfft(frames * window).abs().square().mean(dim=1)
    low, high = (round(hertz * _FRAME / sample_rate) for hertz in _BAND_HZ)
    band = spectrum[:, low:high]
    mean = band.mean(dim=1)
    flatness = band.clamp_min(1e-20).log().mean(dim=1).exp() / mean.clamp_min(1e-20)
    return torch.stack([level, clipped, torch.where(mean > 1e-12, flatness, 0.0)], dim=1)
