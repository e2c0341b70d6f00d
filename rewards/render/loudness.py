"""Loudness as broadcasters measure it (ITU-R BS.1770), from spectra instead of filters.

The standard's K-weighting is flat in the treble. So a frame's power is its mean square times the treble's
weight, corrected by what the spectrum of a quarter of the samples says about the bass: for any tone within
0.05 LU of what the whole spectrum says.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

if TYPE_CHECKING:
    import numpy.typing as npt

FRAME = 4096
"""Samples of a measuring frame; four make the standard's block of 400 ms, nearly."""
_BLOCK = 4
_GATE_LU = 10.0
_SILENCE_LUFS = -70.0


_QUARTER = 4
"""Samples whose mean is one sample of the bass."""
_ROW = 64
"""Samples of a row of the product that takes those means."""


def _k_weights(hertz: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """K-weighting of power at frequencies in Hz: the standard's shelf and high-pass as analogue filters."""
    turn = 2j * np.pi * hertz
    corner, gain, q = 2 * np.pi * 1681.97, 10 ** (3.99984 / 20), 0.70718
    shelf = gain * turn**2 + gain**0.49966 * turn * corner / q + corner**2
    shelf = shelf / (turn**2 + turn * corner / q + corner**2)
    corner, q = 2 * np.pi * 38.1355, 0.500327
    high_pass = turn**2 / (turn**2 + turn * corner / q + corner**2)
    return np.asarray(np.abs(shelf * high_pass) ** 2)


class _Weights(NamedTuple):
    treble: float
    """Weight of the mean square."""
    bass: torch.Tensor
    """[2 * BINS] what the bass counts for more than that, of real and imaginary parts in turn."""
    means: torch.Tensor
    """[_ROW, _ROW / _QUARTER]"""


@functools.lru_cache(maxsize=8)
def _weights(sample_rate: int, device: torch.device) -> _Weights:
    size = FRAME // _QUARTER
    hertz = np.fft.rfftfreq(size, _QUARTER / sample_rate).astype(np.float64)
    treble = float(_k_weights(hertz[-1:])[0])
    # The mean of a few samples is a low-pass, which is taken back.
    angle = np.pi * hertz / sample_rate
    low_pass = np.ones_like(angle)
    low_pass[1:] = np.sin(_QUARTER * angle[1:]) / (_QUARTER * np.sin(angle[1:]))
    power = (_k_weights(hertz) - treble) / low_pass**2
    # One-sided spectra hold half of the power, but for the two ends; Parseval's theorem for the rest.
    power[1:-1] *= 2.0
    bass = torch.tensor((power / size**2).repeat(2), dtype=torch.float32, device=device)
    means = torch.eye(_ROW // _QUARTER, device=device).repeat_interleave(_QUARTER, 0) / _QUARTER
    return _Weights(treble, bass, means)


def frame_powers(sound: torch.Tensor, sample_rate: int) -> torch.Tensor:
    """[C, F] K-weighted mean squares, summed over the channels, of F whole frames of [C, 2, F * FRAME]."""
    weights = _weights(sample_rate, sound.device)
    frames = sound.unfold(2, FRAME, FRAME)
    whole = torch.linalg.vecdot(frames, frames).mul_(weights.treble / FRAME)
    bass = (sound.unfold(2, _ROW, _ROW) @ weights.means).view(*frames.shape[:3], -1)
    spectrum = torch.view_as_real(torch.fft.rfft(bass)).flatten(3)
    return torch.add(whole, spectrum.square() @ weights.bass).sum(1)


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
