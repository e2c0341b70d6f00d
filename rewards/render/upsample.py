"""From the low rate to the full one: a Kaiser-windowed sinc as one matrix product over short frames."""

from __future__ import annotations

import functools

import numpy as np
import torch

from rewards.render.bands import AHEAD, DIVISOR

HISTORY = 2 * AHEAD
"""Low-rate samples before the first one that the filter needs."""
_FRAME = 16
"""Low-rate samples that one row of the product brings up."""
_BETA = 7.0
"""Kaiser window: images of the low band are below -70 dB."""


@functools.lru_cache(maxsize=4)
def _matrix(device: torch.device) -> torch.Tensor:
    """[HISTORY + _FRAME, DIVISOR * _FRAME]: column n holds the filter's taps for the n-th output sample."""
    taps = DIVISOR * HISTORY + 1
    offsets = np.arange(taps) - DIVISOR * AHEAD
    filtered = np.sinc(offsets / DIVISOR) * np.kaiser(taps, _BETA)
    matrix = np.zeros((HISTORY + _FRAME, DIVISOR * _FRAME))
    for output in range(DIVISOR * _FRAME):
        for row in range(HISTORY + _FRAME):
            # Row `row` is the sample at low-rate time row - HISTORY relative to the frame.
            tap = output - DIVISOR * (row - HISTORY)
            if 0 <= tap < taps:
                matrix[row, output] = filtered[tap]
    return torch.tensor(matrix, dtype=torch.float32, device=device)


def upsample(low: torch.Tensor) -> torch.Tensor:
    """Brings sound up by DIVISOR, AHEAD low-rate samples late.

    Args:
        low: [..., HISTORY + S] samples at the low rate, S a multiple of 16, with those before the first.

    Returns:
        [..., DIVISOR * S] samples at the full rate.
    """
    frames = low.unfold(-1, HISTORY + _FRAME, _FRAME)
    return (frames @ _matrix(low.device)).flatten(-2)
