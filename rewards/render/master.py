"""From the mix to the finished clip: grain, loudness, limiter, fades. Each stage measures, then acts.

A stage looks at the whole clip before it changes a sample of it, so a clip in memory passes through the
stages one by one; a long piece is rendered once more for each, block by block.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import torch

from rewards.render.labels import GRAIN_DRIVE
from rewards.render.loudness import FRAME, frame_powers, integrated_lufs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rewards.render.score import Score

TARGET_LUFS = -18.0
"""Loudness of every clip, but for the tenths that the limiter takes."""
FADE_S = 0.008
_CEILING = 0.98
_QUIET = 1e-6
"""RMS below which a clip is silent and stays so."""


def _bend(sound: torch.Tensor) -> torch.Tensor:
    """x / sqrt(1 + x**2) in place: a soft limit at full scale, in a tenth of a tanh's time."""
    return sound.mul_(sound.square().add_(1.0).rsqrt_())


class Stage(Protocol):
    """One step of the mastering of C clips."""

    def measure(self, sound: torch.Tensor) -> None:
        """Takes note of the next [C, 2, T] samples."""

    def apply(self, sound: torch.Tensor, start: int) -> torch.Tensor:
        """[C, 2, T] the clip's samples from `start` on, changed; the tensor given may be reused."""


class _Grain:
    """Tape warmth or grit: an asymmetric bend of the waveform, driven from the clip's own level."""

    def __init__(self, scores: Sequence[Score], device: torch.device) -> None:
        drive = torch.tensor([GRAIN_DRIVE[score.config.grain] for score in scores], device=device)
        self._driven = drive.nonzero()[:, 0]
        self._drive = drive[self._driven][:, None, None]
        self._square = torch.zeros(len(self._driven), 1, 1, device=device, dtype=torch.float64)
        self._count = 0

    def measure(self, sound: torch.Tensor) -> None:
        if len(self._driven):
            own = sound if len(self._driven) == len(sound) else sound[self._driven]
            self._square += own.square().sum((1, 2), keepdim=True)
            self._count += sound.shape[1] * sound.shape[2]

    def apply(self, sound: torch.Tensor, start: int) -> torch.Tensor:
        if not len(self._driven):
            return sound
        level = (self._square / self._count).sqrt().clamp(min=_QUIET).float()
        own = sound if len(self._driven) == len(sound) else sound[self._driven]
        driven = _bend(own.mul(self._drive * 0.55 / level).add_(0.3)).mul_(level / 0.55)
        if len(self._driven) == len(sound):
            return driven
        return sound.index_copy_(0, self._driven, driven)


class _Loudness:
    """Removes DC, brings the clip to the target loudness, limits its peaks softly and fades its ends."""

    def __init__(self, scores: Sequence[Score], length: int, sample_rate: int, device: torch.device) -> None:
        self._rate = sample_rate
        self._length = length
        self._ramp = torch.linspace(0.0, 1.0, max(2, int(FADE_S * sample_rate)), device=device)
        self._powers: list[torch.Tensor] = []
        self._sum = torch.zeros(len(scores), 2, 1, device=device, dtype=torch.float64)

    def measure(self, sound: torch.Tensor) -> None:
        self._sum += sound.sum(2, keepdim=True)
        samples = sound.shape[2]
        if whole := samples // FRAME * FRAME:
            self._powers.append(frame_powers(sound[:, :, :whole], self._rate))
        elif not self._powers:
            # Shorter than a frame: what little there is stands for a whole one.
            padded = torch.nn.functional.pad(sound, (0, FRAME - samples))
            self._powers.append(frame_powers(padded, self._rate) * (FRAME / samples))

    def apply(self, sound: torch.Tensor, start: int) -> torch.Tensor:
        mean = (self._sum / self._length).float()
        lufs = integrated_lufs(torch.cat(self._powers, dim=1))
        gain = torch.where(lufs.isfinite(), 10.0 ** ((TARGET_LUFS - lufs) / 20.0) / _CEILING, 0.0)
        sound = _bend(sound.sub_(mean).mul_(gain[:, None, None]))
        size, samples = len(self._ramp), sound.shape[2]
        if start < size:
            own = self._ramp[start : start + samples]
            sound[:, :, : len(own)] *= own
        after = self._length - start - samples
        if after < size:
            own = self._ramp[after : after + samples].flip(0)
            sound[:, :, samples - len(own) :] *= own
        return sound


class _Centre:
    """Removes what DC the limiter left; peaks stay within full scale."""

    def __init__(self, scores: Sequence[Score], length: int, device: torch.device) -> None:
        self._length = length
        self._sum = torch.zeros(len(scores), 2, 1, device=device, dtype=torch.float64)

    def measure(self, sound: torch.Tensor) -> None:
        self._sum += sound.sum(2, keepdim=True)

    def apply(self, sound: torch.Tensor, start: int) -> torch.Tensor:
        return sound.sub_((self._sum / self._length).float()).mul_(_CEILING)


def stages_of(
    scores: Sequence[Score], length: int, sample_rate: int, device: torch.device
) -> tuple[Stage, ...]:
    """The stages that a batch of clips of `length` samples passes through, in their order."""
    return (
        _Grain(scores, device),
        _Loudness(scores, length, sample_rate, device),
        _Centre(scores, length, device),
    )
