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
            played: [C, 2, T] what feeds the echo; not changed.
        """
        total = sound.shape[-1]
        for line in self._lines:
            delay, send = line.delay, line.send
            own = len(line.clips) == len(sound)
            fed = played if own else played[line.clips]
            echoed = torch.empty(len(fed), 2, delay + total, device=sound.device)
            echoed[:, :, :delay] = line.echoed
            sides = echoed.unbind(1)
            known = min(delay, total)
            for side, source in ((0, 1), (1, 0)) if line.swap else ((0, 0), (1, 1)):
                new = sides[side][:, delay:]
                torch.mul(line.played[:, source, :known], send, out=new[:, :known])
                torch.mul(fed[:, source, : total - known], send, out=new[:, known:])
            left, right = reversed(sides) if line.swap else sides
            # One delay after the other, each from the one before: feedback without a loop over samples.
            for begin in range(delay, delay + total, delay):
                now = slice(begin, min(begin + delay, delay + total))
                before = slice(now.start - delay, now.stop - delay)
                sides[0][:, now].addcmul_(left[:, before], line.feedback)
                sides[1][:, now].addcmul_(right[:, before], line.feedback)
            if own:
                sound += echoed[:, :, delay:]
            else:
                sound.index_add_(0, line.clips, echoed[:, :, delay:])
            line.played.copy_(torch.cat([line.played, fed[:, :, -delay:]], dim=2)[:, :, -delay:])
            line.echoed.copy_(echoed[:, :, total:])
