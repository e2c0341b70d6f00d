"""The diffuse field: reverb tail and coloured noises, as magnitudes with random phases.

Frames of 4,096 samples at half overlap. The tail is a recursion per frequency bin over the power of what
was played, tail = tail_before * decay + input; noises add their power; one inverse FFT makes both audible.
A tail is so diffuse that its phases carry nothing, so they come from a bank of Gaussian numbers.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np
import torch

from rewards.render.labels import GRAIN_HISS, REVERB_RT60_S, REVERB_WET, STEREO_WIDTH
from rewards.render.streams import stream
from rewards.render.tilt import noise_tilt

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from rewards.render.score import Score

FRAME = 4096
HOP = FRAME // 2
BINS = FRAME // 2 + 1
_SPARE = 1 << 18


@functools.lru_cache(maxsize=2)
def _noise_bank(seed: int, frames: int, device: torch.device) -> torch.Tensor:
    """[N, 2] standard normal pairs, N = frames * BINS + spare room to start anywhere in."""
    count = frames * BINS + _SPARE
    draws = stream("noise bank", seed).standard_normal((count, 2), dtype=np.float32)
    return torch.from_numpy(draws * np.float32(np.sqrt(0.5))).to(device)


@functools.lru_cache(maxsize=4)
def _window(device: torch.device) -> torch.Tensor:
    """[FRAME] root-Hann: its squares at half overlap sum to one, so random phases keep their power."""
    return torch.sin(torch.arange(FRAME, dtype=torch.float64) * (np.pi / FRAME)).float().to(device)


@functools.lru_cache(maxsize=32)
def _decay(space: str, sample_rate: int, device: torch.device) -> torch.Tensor:
    """[BINS] power that is left after one hop; high frequencies die sooner, as in a real room."""
    hertz = np.fft.rfftfreq(FRAME, 1.0 / sample_rate)
    rt60 = REVERB_RT60_S[space] / (1.0 + (hertz / 5000.0) ** 1.3)
    # Lows are kept short of the label's time too, or they pile up.
    rt60 = rt60 * (0.5 + 0.5 / (1.0 + (120.0 / np.maximum(hertz, 1.0)) ** 2))
    return torch.tensor(10.0 ** (-6.0 * HOP / sample_rate / rt60), dtype=torch.float32, device=device)


def _noise_power(score: Score, frames: int, sample_rate: int, device: torch.device) -> torch.Tensor:
    """[frames, BINS] power of the clip's noise bands and hiss, per frame and bin."""
    hertz = np.maximum(np.fft.rfftfreq(FRAME, 1.0 / sample_rate), 1.0)
    color = noise_tilt(score.config.brightness, hertz) ** 2 * (hertz > 30.0)
    shapes: list[npt.NDArray[np.float64]] = []
    curves: list[npt.NDArray[np.float64]] = []
    times = np.linspace(0.0, 1.0, frames)
    for noise in score.noises:
        octaves = np.log2(hertz[:, None] / np.asarray(noise.centers_hz)[None])
        peaks = np.exp(-((octaves / noise.width_octaves) ** 2)).sum(axis=1)
        # Power is normalized before the brightness filter: a darker noise is also a softer one.
        shapes.append(peaks / peaks.sum() * color * noise.level**2)
        curves.append(np.interp(times, np.linspace(0.0, 1.0, len(noise.curve)), noise.curve) ** 2)
    hiss = GRAIN_HISS[score.config.grain]
    if hiss > 0.0:
        shapes.append(hiss**2 * color / BINS * (hertz > 150.0))
        curves.append(np.ones(frames))
    if not shapes:
        return torch.zeros(frames, BINS, device=device)
    outer = np.stack(curves, axis=1).astype(np.float32) @ np.stack(shapes).astype(np.float32)
    # irfft of BINS random bins of power p has mean square 2 p BINS / FRAME**2, so shapes that sum to level**2
    # over the bins need FRAME**2 / 2.
    return torch.from_numpy(outer).to(device) * float(FRAME * FRAME / 2.0)


def diffuse_field(send: torch.Tensor, scores: Sequence[Score], sample_rate: int, seed: int) -> torch.Tensor:
    """Reverb tail of what was sent, and the clips' noises.

    Args:
        send: [C, T] mono reverb send, T a multiple of HOP.
        scores: the C scores.
        sample_rate: Hz.
        seed: of the noise bank.

    Returns:
        [C, 2, T] left and right, as decorrelated as the config's stereo label asks.
    """
    clips, total = send.shape
    window = _window(send.device)
    padded = torch.nn.functional.pad(send, (HOP, HOP))
    spectrum = torch.fft.rfft(padded.unfold(1, FRAME, HOP) * window)
    frames = spectrum.shape[1]
    power = spectrum.real.square() + spectrum.imag.square()
    decay = torch.stack([_decay(score.config.space, sample_rate, send.device) for score in scores])
    wet = torch.tensor([REVERB_WET[score.config.space] for score in scores], device=send.device)
    # Input is weighted by 1 - decay**0.5, so that a longer room is not also a much louder one.
    fresh = power * (1.0 - decay.sqrt())[:, None] * (2.5 * wet.square())[:, None, None]
    tail = torch.zeros_like(fresh)
    for frame in range(1, frames):
        torch.addcmul(fresh[:, frame - 1], tail[:, frame - 1], decay, out=tail[:, frame])
    noise = torch.stack([_noise_power(score, frames, sample_rate, send.device) for score in scores])
    magnitude = (tail + noise).sqrt()
    bank = _noise_bank(seed, frames, send.device)
    sides = torch.empty(clips, 2, frames, BINS, 2, device=send.device)
    for clip, score in enumerate(scores):
        size = frames * BINS
        # Offsets are multiples of 64 pairs: the alignment of a clip's phases never depends on its key.
        starts = [((score.noise_key >> shift) % (_SPARE // 64)) * 64 for shift in (0, 20)]
        first, second = (bank[start : start + size].view(frames, BINS, 2) for start in starts)
        apart = min(1.0, STEREO_WIDTH[score.config.stereo])
        left, right = sides[clip]
        scale = magnitude[clip][:, :, None]
        torch.mul(first, scale, out=left)
        if apart == 0.0:
            right.copy_(left)
        else:
            torch.mul(second, scale * apart, out=right)
            right.add_(left, alpha=(1.0 - apart * apart) ** 0.5)
    sound: torch.Tensor = torch.fft.irfft(torch.view_as_complex(sides), n=FRAME)
    out: torch.Tensor = sound[:, :, :-1, HOP:] * window[HOP:]
    out.addcmul_(sound[:, :, 1:, :HOP], window[:HOP])
    return out.reshape(clips, 2, total)
