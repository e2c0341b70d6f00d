"""The room: reverb tail and coloured noises, as magnitudes with random phases.

Frames of 85 ms at half overlap, at half of the sample rate. The tail is a recursion per frequency bin over
the power of what was played, tail = tail_before * decay + input; noises add their power; one inverse FFT
makes both audible. A tail is so diffuse that its phases carry nothing, so they come from a bank of Gaussian
numbers.
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

    Floats = npt.NDArray[np.float64]

_DIVISOR = 2
"""Full rate over the room's."""
_FRAME = 2048
"""Samples at the room's rate. So many stay in a core's first cache: 4,096 take three times as long."""
_HOP = _FRAME // 2
_BINS = _HOP + 1
_FLOOR = 1e-30
"""Power that every bin of a tail has: one that died out in denormal numbers would take ten times as long."""
_BLOCK = 16
"""Frames of a tail that are worked out side by side."""
_NOISE_TOP_HZ = 14_000.0
"""Noises have their level from here down."""
_BANK_FRAMES = 512
"""Frames of random phases to draw from, 8 MB; a clip of 10 s takes 2 x 235 of them at random."""


def hops_in(samples: int) -> int:
    """Hops of the room that so many samples at the full rate take, rounded up."""
    return -(-samples // (_DIVISOR * _HOP))


def _hertz(sample_rate: int) -> Floats:
    """Frequencies of a frame's bins as far as noises go, which may be beyond the room's own BINS."""
    hertz = np.fft.rfftfreq(_DIVISOR * _FRAME, 1.0 / sample_rate)
    return np.asarray(hertz[hertz <= _NOISE_TOP_HZ], dtype=np.float64)


@functools.lru_cache(maxsize=2)
def _phases(seed: int, bins: int, device: torch.device) -> torch.Tensor:
    """[2, _BANK_FRAMES, bins] real and imaginary parts of standard normal numbers."""
    draws = stream("noise bank", seed).standard_normal((_BANK_FRAMES, bins, 2), dtype=np.float32)
    parts = torch.from_numpy(draws * np.float32(np.sqrt(0.5)))[:, :_BINS]
    return parts.permute(2, 0, 1).contiguous().to(device)


@functools.lru_cache(maxsize=4)
def _window(device: torch.device) -> torch.Tensor:
    """[_FRAME] root-Hann: its squares at half overlap sum to one, so random phases keep their power."""
    return torch.sin(torch.arange(_FRAME, dtype=torch.float64) * (np.pi / _FRAME)).float().to(device)


@functools.lru_cache(maxsize=32)
def _decay(space: str, sample_rate: int) -> Floats:
    """[BINS] power that is left after one hop; high frequencies die sooner, as in a real room."""
    hertz = _hertz(sample_rate)
    rt60 = REVERB_RT60_S[space] / (1.0 + (hertz / 5000.0) ** 1.3)
    # Lows are kept short of the label's time too, or they pile up.
    rt60 = rt60 * (0.5 + 0.5 / (1.0 + (120.0 / np.maximum(hertz, 1.0)) ** 2))
    return np.asarray(10.0 ** (-6.0 * _DIVISOR * _HOP / sample_rate / rt60))


@functools.lru_cache(maxsize=16)
def _colour(brightness: str, sample_rate: int) -> Floats:
    """[BINS] power gain of a brightness label for noises."""
    hertz = np.maximum(_hertz(sample_rate), 1.0)
    return np.asarray(noise_tilt(brightness, hertz) ** 2 * (hertz > 30.0))


def _noises(score: Score, sample_rate: int, num_frames: int) -> tuple[Floats, Floats]:
    """[F, K] levels in time and [K, BINS] power spectra of a clip's K noises, hiss included."""
    octave = np.log2(np.maximum(_hertz(sample_rate), 1.0))
    bins = len(octave)
    colour = _colour(score.config.brightness, sample_rate)
    times = np.arange(num_frames) * (_DIVISOR * _HOP / sample_rate / score.seconds)
    spectra: list[Floats] = []
    levels: list[Floats] = []
    for noise in score.noises:
        away = (octave[:, None] - np.log2(noise.centers_hz)) / noise.width_octaves
        peaks = np.exp(-(away**2)).sum(axis=1)
        # Power is normalized before the brightness filter: a darker noise is also a softer one.
        spectra.append(peaks / peaks.sum() * colour * noise.level**2)
        levels.append(np.interp(times, np.linspace(0.0, 1.0, len(noise.curve)), noise.curve) ** 2)
    hiss = GRAIN_HISS[score.config.grain]
    if hiss > 0.0:
        spectra.append(hiss**2 * colour / bins * (octave > np.log2(150.0)))
        levels.append(np.ones(num_frames))
    if not spectra:
        return np.zeros((num_frames, 0)), np.zeros((0, bins))
    # irfft of BINS random bins of power p has mean square 2 p BINS / FRAME**2, so spectra that sum to
    # level**2 over the bins need FRAME**2 / 2.
    return np.stack(levels, axis=1), np.stack(spectra) * (_FRAME * _FRAME / 2.0)


class Room:
    """The tails and noises of a batch of clips, stretch after stretch."""

    def __init__(
        self, scores: Sequence[Score], num_hops: int, sample_rate: int, seed: int, device: torch.device
    ) -> None:
        """
        Args:
            scores: the C scores.
            num_hops: length of the clips in hops, rounded up.
            sample_rate: Hz.
            seed: of the bank of phases.
            device: where the sound is.
        """
        clips = len(scores)
        hertz = _hertz(sample_rate)
        self._bins = min(_BINS, len(hertz))
        spaces = [score.config.space for score in scores]
        decay = np.stack([_decay(space, sample_rate)[: self._bins] for space in spaces])
        wet = np.array([REVERB_WET[space] for space in spaces])
        # A dry room has no tail at all, not even the floor.
        decay *= (wet > 0.0)[:, None]
        self._floor = torch.tensor(_FLOOR * (wet > 0.0), dtype=torch.float32, device=device)[:, None]
        self.resounds = bool((wet > 0.0).any())
        """Whether any of the clips has a tail."""
        # Input is weighted by 1 - decay**0.5, so that a longer room is not also a much louder one.
        fresh = (1.0 - np.sqrt(decay)) * (2.5 * wet**2)[:, None]
        frames = num_hops + 1
        noises = [_noises(score, sample_rate, frames) for score in scores]
        most = max(len(spectra) for _, spectra in noises)
        levels, spectra = np.zeros((clips, frames, most)), np.zeros((clips, most, self._bins))
        for clip, (own_levels, own_spectra) in enumerate(noises):
            levels[clip, :, : own_levels.shape[1]] = own_levels
            spectra[clip, : len(own_spectra)] = own_spectra[:, : self._bins]
        places = [
            np.random.Generator(np.random.Philox(score.noise_key)).integers(0, _BANK_FRAMES, (frames, 2))
            for score in scores
        ]
        apart = torch.tensor([min(1.0, STEREO_WIDTH[score.config.stereo]) for score in scores])
        self._apart = apart.to(device)[:, None]
        self._sides = 2 if bool(apart.any()) else 1
        self._decay = torch.tensor(decay, dtype=torch.float32, device=device)
        self._fresh = torch.tensor(fresh, dtype=torch.float32, device=device)
        self._levels = torch.tensor(levels, dtype=torch.float32, device=device)
        self._spectra = torch.tensor(spectra, dtype=torch.float32, device=device)
        self._places = torch.tensor(np.stack(places), device=device)
        self._phases = _phases(seed, len(hertz), device)
        self._window = _window(device)
        self._frame = 0
        self._heard = torch.zeros(clips, _HOP, device=device)
        self._tail = self._floor.repeat(1, self._bins)
        times = torch.arange(1, _BLOCK + 1, device=device)[:, None]
        self._decays = self._decay[:, None] ** times
        self._halves = [made[:, 0, _HOP:] * self._window[_HOP:] for made in self._frames(self._tail[:, None])]

    def _frames(self, tail: torch.Tensor) -> list[torch.Tensor]:
        """Sound of the next F frames of these tails ([C, F, BINS] power), [C, F, _FRAME] for each side."""
        clips, frames, _ = tail.shape
        now = slice(self._frame, self._frame + frames)
        self._frame += frames
        if self._spectra.shape[1]:
            tail = torch.baddbmm(tail, self._levels[:, now], self._spectra)
        magnitude = tail.sqrt()
        places = self._places[:, now]
        sides = []
        for side in range(self._sides):
            parts = self._phases.index_select(1, places[:, :, side].reshape(-1))
            real, imaginary = parts.view(2, clips, frames, -1).mul_(magnitude)
            sides.append(torch.fft.irfft(torch.complex(real, imaginary), n=_FRAME))
        return sides

    def _overlap(self, halves: torch.Tensor, made: torch.Tensor) -> torch.Tensor:
        """[C, T] sound of F frames ([C, F, _FRAME]) after the second half of the one before ([C, _HOP])."""
        clips, frames, _ = made.shape
        sound = torch.empty(clips, frames, _HOP, device=made.device)
        torch.mul(made[:, :, :_HOP], self._window[:_HOP], out=sound)
        sound[:, 0] += halves
        sound[:, 1:].addcmul_(made[:, :-1, _HOP:], self._window[_HOP:])
        return sound.flatten(1)

    def _power(self, heard: torch.Tensor) -> torch.Tensor:
        """[C, F, BINS] power of the next F frames of what is heard ([C, T])."""
        heard = torch.cat([self._heard, heard], dim=1)
        self._heard = heard[:, -_HOP:].clone()
        frames: torch.Tensor = heard.unfold(1, _FRAME, _HOP) * self._window
        real, imaginary = torch.view_as_real(torch.fft.rfft(frames)[:, :, : self._bins]).unbind(3)
        return real.square().addcmul_(imaginary, imaginary)

    def _ring_on(self, tail: torch.Tensor) -> None:
        """Adds to each of F frames ([C, F, BINS]) what is left of the one before it, in place.

        In blocks: the frames of all blocks at once, from one to the next; then from block to block.
        """
        for place in range(1, min(_BLOCK, tail.shape[1])):
            now = tail[:, place::_BLOCK]
            now.addcmul_(tail[:, place - 1 :: _BLOCK][:, : now.shape[1]], self._decay[:, None])
        before = self._tail
        for block in torch.split(tail, _BLOCK, dim=1):
            block.addcmul_(before[:, None], self._decays[:, : block.shape[1]])
            before = block[:, -1]
        self._tail = before.clone()

    def add(self, sound: torch.Tensor, heard: torch.Tensor | None) -> None:
        """Adds the tail of what is played, and the clips' noises.

        Args:
            sound: [C, 2, T] at the room's rate, changed in place, T a multiple of the hop.
            heard: [C, T] what the room hears; not looked at where no clip resounds.
        """
        if heard is not None and self.resounds:
            tail = self._power(heard).mul_(self._fresh[:, None]).add_(self._floor[:, None])
            self._ring_on(tail)
        elif self._spectra.shape[1]:
            tail = torch.zeros(len(sound), sound.shape[2] // _HOP, self._bins, device=sound.device)
        else:
            return
        sides = self._frames(tail)
        first = self._overlap(self._halves[0], sides[0])
        sound[:, 0] += first
        if self._sides == 1:
            sound[:, 1] += first
        else:
            # As decorrelated as the stereo label asks: the right side shares a part of the left.
            sound[:, 1].addcmul_(first, (1.0 - self._apart**2).sqrt())
            sound[:, 1].addcmul_(self._overlap(self._halves[1], sides[1]), self._apart)
        self._halves = [made[:, -1, _HOP:] * self._window[_HOP:] for made in sides]
