"""Ping-pong echo a dotted eighth apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch

from rewards.render.bands import DIVISOR
from rewards.render.labels import ECHO_FEEDBACK, ECHO_SEND

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rewards.render.score import Score


class _Line(NamedTuple):
    """A delay line of the clips that share a delay and a swap of sides."""

    clips: torch.Tensor
    """[L] indices."""
    delay: int
    swap: bool
    send: torch.Tensor
    """[L, 1]"""
    feedback: torch.Tensor
    played: torch.Tensor
    """[L, 2, delay] the last samples that fed the line, and what the line gave back."""
    echoed: torch.Tensor


class Echo:
    """The echoes of a batch of clips, stretch after stretch."""

    def __init__(self, scores: Sequence[Score], rate: float, *, low: bool, device: torch.device) -> None:
        """
        Args:
            scores: decide send, feedback and beat of each clip.
            rate: full sample rate in Hz.
            low: whether the line runs at the low rate; both rates have the same delays.
            device: where the sound is.
        """
        groups: dict[tuple[int, bool], list[int]] = {}
        for clip, score in enumerate(scores):
            if ECHO_SEND[score.config.echo] > 0.0:
                delay = int(0.75 * score.beat_s * rate / DIVISOR) * (1 if low else DIVISOR)
                groups.setdefault((delay, score.config.stereo != "mono"), []).append(clip)
        self._lines = []
        for (delay, swap), clips in sorted(groups.items()):
            echoes = [scores[clip].config.echo for clip in clips]
            silence = torch.zeros(len(clips), 2, delay, device=device)
            self._lines.append(
                _Line(
                    torch.tensor(clips, device=device),
                    delay,
                    swap,
                    torch.tensor([ECHO_SEND[echo] for echo in echoes], device=device)[:, None],
                    torch.tensor([ECHO_FEEDBACK[echo] for echo in echoes], device=device)[:, None],
                    silence,
                    silence.clone(),
                )
            )

    def add(self, sound: torch.Tensor, played: torch.Tensor) -> None:
        """Adds the echoes of what is played to the sound.

        Args:
            sound: [C, 2, T] changed in place.
            played: [C, 2, ..., N] what feeds the echo, T samples on each side; not changed.
        """
        total = sound.shape[-1]
        for line in self._lines:
            delay = line.delay
            own = len(line.clips) == len(sound)
            source = torch.cat([line.played, (played if own else played[line.clips]).flatten(2)], dim=2)
            echoed = torch.empty_like(source)
            echoed[:, :, :delay] = line.echoed
            fed = source[:, :, :total]
            torch.mul(fed.flip(1) if line.swap else fed, line.send[:, :, None], out=echoed[:, :, delay:])
            left, right = echoed.unbind(1)
            # One delay after the other, each from the one before: feedback without a loop over samples.
            for begin in range(delay, delay + total, delay):
                now = slice(begin, min(begin + delay, delay + total))
                before = slice(now.start - delay, now.stop - delay)
                left[:, now].addcmul_((right if line.swap else left)[:, before], line.feedback)
                right[:, now].addcmul_((left if line.swap else right)[:, before], line.feedback)
            if own:
                sound += echoed[:, :, delay:]
            else:
                sound.index_add_(0, line.clips, echoed[:, :, delay:])
            line.played.copy_(source[:, :, total:])
            line.echoed.copy_(echoed[:, :, total:])
