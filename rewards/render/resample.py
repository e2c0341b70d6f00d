"""To twice the rate and to half of it: a Kaiser-windowed sinc as one matrix product over short frames."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

if TYPE_CHECKING:
    import numpy.typing as npt

_FRAME = 16
"""Samples at the lower rate that one row of the product takes or makes."""


class Filter(NamedTuple):
    """What is let through between two rates."""

    reach: int
    """Samples at the lower rate, on either side, that a sample is made from; the delay at that rate."""
    edge: float
    """Where half of the amplitude is let through, over the lower rate's Nyquist frequency."""
    beta: float
    """Kaiser window: the larger, the deeper and the wider its slope."""


QUARTER_TO_HALF = Filter(12, 1.0, 7.0)
"""For tones up to 0.8 of the lower Nyquist frequency: their images are below -70 dB."""
HALF_TO_FULL = Filter(8, 14.0 / 12.0, 5.0)
"""For tones up to 0.4 of it, and for noises up to all of it, whose mirror image it lets through for a sixth
of the band beyond (12 to 14 kHz at 48 kHz): nobody tells it from more of the noise."""
FULL_TO_HALF = Filter(5, 1.0, 3.0)
"""For the room's ear: what little of the treble is folded down goes into a tail."""


def _kernel(filter_: Filter) -> npt.NDArray[np.float64]:
    """[4 * reach + 1] taps at the higher rate, symmetric; they sum to 2."""
    offsets = np.arange(-2 * filter_.reach, 2 * filter_.reach + 1)
    ideal = filter_.edge * np.sinc(offsets * (filter_.edge / 2.0))
    return np.asarray(ideal * np.kaiser(len(offsets), filter_.beta))


@functools.lru_cache(maxsize=8)
def _up_matrix(filter_: Filter, device: torch.device) -> torch.Tensor:
    """[2 * reach + _FRAME, 2 * _FRAME]: column n holds the taps for the n-th sample made."""
    kernel, history = _kernel(filter_), 2 * filter_.reach
    matrix = np.zeros((history + _FRAME, 2 * _FRAME))
    for output in range(2 * _FRAME):
        for row in range(history + _FRAME):
            # Row `row` is the sample at lower-rate time row - history relative to the frame.
            tap = output - 2 * (row - history)
            if 0 <= tap < len(kernel):
                matrix[row, output] = kernel[tap]
    return torch.tensor(matrix, dtype=torch.float32, device=device)


@functools.lru_cache(maxsize=8)
def _down_matrix(filter_: Filter, device: torch.device) -> torch.Tensor:
    """[4 * reach + 2 * _FRAME, _FRAME]: column n holds the taps for the n-th sample made."""
    kernel = _kernel(filter_) / 2.0
    matrix = np.zeros((4 * filter_.reach + 2 * _FRAME, _FRAME))
    for output in range(_FRAME):
        matrix[2 * output :][: len(kernel), output] = kernel
    return torch.tensor(matrix, dtype=torch.float32, device=device)


class Resampler:
    """Brings sound from one rate to another stretch by stretch, `reach` samples of the lower rate late."""

    def __init__(self, filter_: Filter, before: tuple[int, ...], *, up: bool, device: torch.device) -> None:
        """
        Args:
            filter_: what is let through.
            before: shape of the sound but for its samples.
            up: to twice the rate rather than half of it.
            device: where the sound is.
        """
        history = (2 if up else 4) * filter_.reach
        self._matrix = (_up_matrix if up else _down_matrix)(filter_, device)
        self._step = len(self._matrix) - history
        self._before = torch.zeros(*before, history, device=device)

    def __call__(self, sound: torch.Tensor) -> torch.Tensor:
        """The next stretch, [..., S] to [..., 2 S] or [..., S / 2]; S is a multiple of 32."""
        sound = torch.cat([self._before, sound], dim=-1)
        self._before = sound[..., -self._before.shape[-1] :].clone()
        return (sound.unfold(-1, len(self._matrix), self._step) @ self._matrix).flatten(-2)
