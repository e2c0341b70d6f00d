"""Pitched tones by matrix product: piecewise linear partial amplitudes times a short table of sines.

A partial of angular frequency w within a step of N samples that begins at phase p is
    a(n) sin(p + w n) = [a sin p] cos(w n) + [a cos p] sin(w n),   a(n) = a0 + (a1 - a0) n / N,
so that a tile of M steps and P partials is [M, 4 P] @ [4 P, N]: four multiply-adds per partial and sample in
place of a sine, with frequencies exact and amplitudes free to move from step to step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from rewards.render.bands import KNOTS
from rewards.render.motion import POINTS_PER_S
from rewards.render.placing import place

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from rewards.render.notes import Voices
    from rewards.render.score import Score

    Ints = npt.NDArray[np.int64]
    Floats = npt.NDArray[np.float64]


def controls_of(scores: Sequence[Score], device: torch.device) -> torch.Tensor:
    """[C, 2, K] movement and tension of every clip at POINTS_PER_S."""
    tables = []
    for score in scores:
        count = len(score.motion)
        shares = np.minimum(np.arange(count) / (POINTS_PER_S * score.seconds), 1.0)
        tension = np.interp(shares, np.linspace(0.0, 1.0, len(score.tension)), score.tension)
        tables.append(np.stack([score.motion, tension]))
    return torch.tensor(np.stack(tables), dtype=torch.float32, device=device)


class _Partials(NamedTuple):
    """E notes of up to P partials on the device; [E, 1, P] unless said otherwise."""

    hertz: torch.Tensor
    """[E, P] float64: phases are taken in whole turns before they are rounded."""
    amps: torch.Tensor
    decays: torch.Tensor
    log_ratios: torch.Tensor
    turns: torch.Tensor
    """Turns of each partial from knot to knot, less the whole ones."""
    table: torch.Tensor
    """[E, 4 P, N] cosines and sines of one step, flat and rising from 0 to 1."""


class Tones:
    """The notes of one band, ready to be rendered tile by tile."""

    def __init__(self, voices: Voices, controls: torch.Tensor, sample_rate: int) -> None:
        """
        Args:
            voices: the notes.
            controls: [C, 2, K] movement and tension of the clips.
            sample_rate: full rate in Hz.
        """
        self.voices = voices
        self._controls = controls
        self._device = controls.device
        self._rate = sample_rate / voices.band.divisor
        knots = torch.arange(KNOTS + 1, dtype=torch.float32, device=self._device)
        self._knots = knots[:-1, None]
        self._knots_s = knots * (voices.band.step / self._rate)
        self._scalars = np.stack([voices.clip, *voices.envelopes], axis=1)

    def _partials(self, notes: Ints, width: int) -> _Partials:
        """What is needed of these notes ([E] indices), none of which has more than `width` partials."""
        step = self.voices.band.step

        def of(table: Floats) -> torch.Tensor:
            return torch.tensor(table[notes, None, :width], dtype=torch.float32, device=self._device)

        hertz = torch.tensor(self.voices.hertz[notes, :width], device=self._device)
        per_sample = hertz / self._rate
        steps = torch.arange(step, dtype=torch.float32, device=self._device)
        # A few dozen turns at the most: here single precision will do.
        angle = (2.0 * np.pi * per_sample).float()[:, :, None] * steps
        ramp = steps / step
        sine, cosine = angle.sin(), angle.cos_()
        turns = per_sample * step
        return _Partials(
            hertz=hertz,
            amps=of(self.voices.amps),
            decays=of(self.voices.decays),
            log_ratios=of(self.voices.log_ratios),
            turns=(turns - turns.floor()).float()[:, None],
            table=torch.cat([cosine, sine, cosine * ramp, sine * ramp], dim=1),
        )

    def tracks(self, first: int, count: int) -> torch.Tensor | None:
        """What sounds in a stretch of tiles.

        Args:
            first: the first tile.
            count: how many.

        Returns:
            [C * 2 * count * 2, tile] clips, (dry, echoed), tiles, (left, right), one after the other; none if
            nothing sounds.
        """
        voices = self.voices
        begin = np.maximum(voices.first_tile, first)
        sizes = np.maximum(np.minimum(voices.end_tile, first + count) - begin, 0)
        note = np.repeat(np.arange(len(sizes)), sizes)
        if not len(note):
            return None
        tile = np.arange(len(note)) - np.repeat(np.cumsum(sizes) - sizes - begin, sizes)
        rows = 2 * ((voices.clip[note] * 2 + voices.bus[note]) * count + tile - first)
        pieces = np.arange(len(note))
        gains = voices.gains[note].astype(np.float32)
        return place(
            self._tiles(note, tile, sizes),
            len(self._controls) * 4 * count,
            rows=np.concatenate([rows, rows + 1]),
            columns=np.concatenate([pieces, pieces]),
            gains=np.concatenate([gains[:, 0], gains[:, 1]]),
        )

    def _tiles(self, note: Ints, tile: Ints, sizes: Ints) -> torch.Tensor:
        """[K, tile] samples of K (note, tile) pairs, `sizes` ([E]) of each note in turn."""
        band = self.voices.band
        start_s = (tile * band.tile + band.ahead) / self._rate
        since_s = start_s - self.voices.envelopes.onset_s[note]
        envelope, glow, time = self._envelopes(note, start_s, since_s)
        since = torch.from_numpy(since_s).to(self._device)[:, None]
        pieces = torch.empty(len(note), KNOTS, band.step, device=self._device)
        end = 0
        for first, last, width in self.voices.groups:
            sounding = first + np.flatnonzero(sizes[first:last])
            counts = sizes[sounding]
            begin, end = end, end + int(counts.sum())
            if begin == end:
                continue
            part = slice(begin, end)
            own = torch.from_numpy(np.repeat(np.arange(len(counts)), counts)).to(self._device)
            partials = self._partials(sounding, width)
            amplitude = glow[part] * partials.log_ratios[own]
            amplitude.addcmul_(time[part], partials.decays[own], value=-1.0)
            amplitude.exp_().mul_(envelope[part]).mul_(partials.amps[own])
            # Phases in turns and float64 until the whole turns are gone: a late tile keeps its precision.
            turns = partials.hertz[own] * since[part]
            turns = turns.sub_(turns.floor()).float()[:, None]
            phase = torch.addcmul(turns, partials.turns[own], self._knots).mul_(2.0 * np.pi)
            level, slope = amplitude[:, :-1], amplitude[:, 1:] - amplitude[:, :-1]
            sine, cosine = phase.sin(), phase.cos_()
            weights = torch.cat([level * sine, level * cosine, slope * sine, slope * cosine], dim=2)
            _products(weights, partials.table, counts, own, pieces[part])
        return pieces.flatten(1)

    def _envelopes(
        self, note: Ints, start_s: Floats, since_s: Floats
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """[K, KNOTS + 1, 1] each: amplitude, brightness and time since the onset at the knots of K tiles."""
        scalars = self._scalars[note]
        scalars[:, 1] = since_s
        columns = torch.from_numpy(scalars.astype(np.float32)).to(self._device)[:, :, None].unbind(1)
        clip, since, gate, attack, release, spike, share = columns
        time = self._knots_s + since
        rise = (time / attack).clamp_(0.0, 1.0)
        fall = (1.0 - (time - gate) / release).clamp_(0.0, 1.0)
        envelope = rise.square().mul_(3.0 - 2.0 * rise).mul_(fall.square_())
        time.clamp_(min=0.0)
        envelope.addcmul_(envelope * spike, torch.exp(time * (-1.0 / 0.04)))

        position = torch.from_numpy(start_s.astype(np.float32)).to(self._device)[:, None] + self._knots_s
        length = self._controls.shape[2]
        position = (position * POINTS_PER_S).clamp_(max=length - 1.001)
        left = position.long()
        part = position.sub_(left)
        # The curves of all clips lie in one row of memory: clip after clip, movement first, tension second.
        index = left + clip.long() * (2 * length)
        flat = self._controls.view(-1)
        moved = torch.lerp(flat[index], flat[index + 1], part).mul_(share)
        index += length
        tension = torch.lerp(flat[index], flat[index + 1], part).sub_(0.5)
        envelope.mul_((1.0 + 0.55 * moved).clamp_(min=0.0)).mul_(1.0 + 0.5 * tension)
        glow = moved.mul_(0.8).add_(tension, alpha=0.7)
        return envelope[:, :, None], glow[:, :, None], time[:, :, None]


def _products(
    weights: torch.Tensor, tables: torch.Tensor, counts: Ints, note: torch.Tensor, out: torch.Tensor
) -> None:
    """Tiles from weights [K, M, 4 P] and tables [E, 4 P, N], into `out` [K, M, N]; `counts` [E] tiles a note.

    On a CPU one product per note, over all its tiles: copying its table for each of them would cost twice
    the arithmetic. On a GPU, where a launch costs more than a copy, one batched product for all.
    """
    if weights.device.type != "cpu":
        torch.bmm(weights, tables[note], out=out)
        return
    sizes = (counts * KNOTS).tolist()
    parts = torch.split_with_sizes(weights.flatten(0, 1), sizes)
    sounds = torch.split_with_sizes(out.flatten(0, 1), sizes)
    for part, table, sound in zip(parts, tables.unbind(0), sounds, strict=True):
        torch.mm(part, table, out=sound)
