"""Loudness as broadcasters measure it (ITU-R BS.1770), from spectra instead of filters."""

from __future__ import annotations

import functools

import numpy as np
import torch

FRAME = 4096
"""Samples of a measuring frame; four make the standard's block of 400 ms, nearly."""
_BLOCK = 4
_GATE_LU = 10.0
_SILENCE_LUFS = -70.0


@functools.lru_cache(maxsize=8)
def _weights(sample_rate: int, device: torch.device) -> torch.Tensor:
    """[BINS] K-weighting of power: the standard's shelf and high-pass as analogue filters."""
    turn = 2j * np.pi * np.fft.rfftfreq(FRAME, 1.0 / sample_rate)
    corner, gain, q = 2 * np.pi * 1681.97, 10 ** (3.99984 / 20), 0.70718
    shelf = gain * turn**2 + gain**0.49966 * turn * corner / q + corner**2
    shelf = shelf / (turn**2 + turn * corner / q + corner**2)
    corner, q = 2 * np.pi * 38.1355, 0.500327
    high_pass = turn**2 / (turn**2 + turn * corner / q + corner**2)
    power = np.abs(shelf * high_pass) ** 2
    # One-sided spectra hold half of the power, but for the two ends; Parseval's theorem for the rest.
    power[1:-1] *= 2.0
    return torch.tensor(power / FRAME**2, dtype=torch.float32, device=device)


def frame_powers(sound: torch.Tensor, sample_rate: int) -> torch.Tensor:
    """[C, F] K-weighted mean squares, summed over the channels, of F whole frames of [C, 2, F * FRAME]."""
    clips = sound.shape[0]
    spectrum = torch.view_as_real(torch.fft.rfft(sound.reshape(clips, -1, FRAME)))
    weights = _weights(sample_rate, sound.device).repeat_interleave(2)
    power = spectrum.flatten(2).square() @ weights
    return power.view(clips, 2, -1).sum(1)


def integrated_lufs(powers: torch.Tensor) -> torch.Tensor:
    """[C] loudness of clips from the powers of their frames ([C, F]), gated as the standard says.

    Returns:
        LUFS, -inf where no block is louder than -70 LUFS.
    """
    size = min(_BLOCK, powers.shape[1])
    blocks = powers.unfold(1, size, 1).mean(2)
    loud = blocks > 10 ** ((_SILENCE_LUFS + 0.691) / 10)
    mean = (blocks * loud).sum(1) / loud.sum(1)
    loud &= blocks > mean[:, None] * 10 ** (-_GATE_LU / 10)
    mean = (blocks * loud).sum(1) / loud.sum(1).clamp(min=1)
    return 10.0 * mean.log10() - 0.691
