"""From buses to the finished clip: echo, grain, stereo width, loudness, limiter."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from rewards.render.diffuse import diffuse_field
from rewards.render.labels import ECHO_FEEDBACK, ECHO_SEND, GRAIN_DRIVE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rewards.render.score import Score

TARGET_RMS = 0.13
"""RMS before the limiter, full scale 1; about -18 dBFS."""
FADE_S = 0.008
_CEILING = 0.98


def add_echo(bus: torch.Tensor, score: Score, sample_rate: int) -> torch.Tensor:
    """Ping-pong echo a dotted eighth apart.

    Args:
        bus: [2, T] what feeds the echo.
        score: decides send, feedback and beat.
        sample_rate: Hz.

    Returns:
        [2, T] the bus with its echoes.
    """
    send, feedback = ECHO_SEND[score.config.echo], ECHO_FEEDBACK[score.config.echo]
    if send == 0.0:
        return bus
    delay = int(0.75 * score.beat_s * sample_rate)
    wet = torch.zeros_like(bus)
    total = bus.shape[-1]
    swap = score.config.stereo != "mono"
    # One delay length after the other, each from the one before: a feedback loop without a loop over samples.
    for begin in range(delay, total, delay):
        size = min(delay, total - begin)
        source = wet[:, begin - delay : begin - delay + size] * feedback
        source = source + bus[:, begin - delay : begin - delay + size] * send
        wet[:, begin : begin + size] = source.flip(0) if swap else source
    return wet.add_(bus)


def _saturate(sound: torch.Tensor, score: Score) -> torch.Tensor:
    """Tape warmth or grit: asymmetric tanh, driven from a fixed level."""
    drive = GRAIN_DRIVE[score.config.grain]
    if drive == 0.0:
        return sound
    level = sound.square().mean().sqrt().clamp(min=1e-6)
    driven = sound * (drive * 0.55 / level)
    return torch.tanh(driven + 0.3) * (level / 0.55)


def finish(sound: torch.Tensor, sample_rate: int) -> torch.Tensor:
    """Removes DC, sets the loudness, limits softly and fades the ends.

    Args:
        sound: [2, S] mix of any level.
        sample_rate: Hz.

    Returns:
        [2, S] float32, |x| <= 1, mean 0 within rounding; silence stays silence.
    """
    sound = sound - sound.mean(dim=1, keepdim=True)
    level = sound.square().mean().sqrt()
    sound = torch.tanh(sound.mul_(TARGET_RMS / level.clamp(min=1e-6)))
    # The limiter takes more from spiky sounds; a second gain brings them back towards the target, as far as
    # their peaks leave room.
    level, peak = sound.square().mean().sqrt(), sound.abs().max()
    gain = torch.minimum(TARGET_RMS / level.clamp(min=1e-6), 1.0 / peak.clamp(min=1e-6))
    sound = sound.mul_(gain)
    count = max(2, int(FADE_S * sample_rate))
    ramp = torch.linspace(0.0, 1.0, count, device=sound.device)
    sound[:, :count] *= ramp
    sound[:, -count:] *= ramp.flip(0)
    return sound.sub_(sound.mean(dim=1, keepdim=True)).mul_(_CEILING)


def mix(
    buses: torch.Tensor, scores: Sequence[Score], length: int, sample_rate: int, seed: int
) -> torch.Tensor:
    """Echo, room, grain and loudness of every clip.

    Args:
        buses: [C, 2, 2, T] clips, (dry, echoed), (left, right), samples.
        scores: the C scores.
        length: samples to keep, <= T.
        sample_rate: Hz.
        seed: of the noise bank.

    Returns:
        [C, 2, length] finished clips.
    """
    played = torch.stack(
        [add_echo(bus[1], score, sample_rate).add_(bus[0]) for bus, score in zip(buses, scores, strict=True)]
    )
    field = diffuse_field(played.mean(dim=1), scores, sample_rate, seed)
    clips = []
    for dry, wet, score in zip(played, field, scores, strict=True):
        clips.append(finish(_saturate(dry.add_(wet)[:, :length], score), sample_rate))
    return torch.stack(clips)
