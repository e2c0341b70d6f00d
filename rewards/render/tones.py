"""Pitched tones by matrix product: piecewise linear partial amplitudes times a short table of sines.

A partial of angular frequency w within a step of N samples that begins at phase p is
    a(n) sin(p + w n) = [a sin p] cos(w n) + [a cos p] sin(w n),   a(n) = a0 + (a1 - a0) n / N,
so that a tile of M steps and P partials is [M, 4 P] @ [4 P, N]: four multiply-adds per partial and sample in
place of a sine, with frequencies exact and amplitudes free to move from step to step.

Whatever is wanted of every partial at every knot is laid out [P, tiles, knots], so that what a chord's partials
share, and what a partial keeps from knot to knot, are broadcast over long rows.
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

_SPIKE_S = 0.04
_PADDING = 2000
"""Silent partials times tiles that a run of chords may hold: as quick as the calls that one run more takes."""


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
    """X partials of E chords on the device, chord after chord, and a silent one in the end."""

    begin: Ints
    """[E] the first of each chord."""
    hertz: torch.Tensor
    """[X + 1] float64: phases are taken in whole turns before they are rounded."""
    scalars: torch.Tensor
    """[3, X + 1] logarithms of amplitude and ratio, and decay per second."""
    turning: torch.Tensor
    """[2, X + 1, KNOTS] cosine and sine of what a partial turns from its tile's first knot on."""
    table: torch.Tensor
    """[X + 1, 4, N] cosines and sines of one step, flat and rising from 0 to 1."""


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
        self._knots = torch.arange(KNOTS + 1, device=self._device) * voices.band.step
        self._scalars = np.stack(voices.envelopes, axis=1)
        self._widths = np.count_nonzero(voices.amps, axis=1)

    def _partials(self, chords: Ints) -> _Partials:
        """What is needed of these chords ([E] indices)."""
        voices, widths = self.voices, self._widths[chords]
        chord = np.repeat(chords, widths)
        begin = np.cumsum(widths) - widths
        column = np.arange(len(chord)) - np.repeat(begin, widths)
        hertz = torch.from_numpy(np.append(voices.hertz[chord, column], 0.0)).to(self._device)
        scalars = np.zeros((3, len(chord) + 1))
        scalars[0, :-1] = np.log(voices.amps[chord, column])
        scalars[1, :-1], scalars[2, :-1] = voices.log_ratios[chord, column], voices.decays[chord, column]
        scalars[0, -1] = -np.inf
        step = voices.band.step
        steps = torch.arange(step, dtype=torch.float32, device=self._device)
        turns = hertz[:, None] / self._rate
        # A few dozen turns at the most: here single precision will do.
        angle = (2.0 * np.pi * turns).float() * steps
        turn = turns * self._knots[:-1]
        turn = turn.sub_(turn.floor()).mul_(2.0 * np.pi).float()
        table = torch.empty(len(hertz), 4, step, device=self._device)
        torch.cos(angle, out=table[:, 0])
        torch.sin(angle, out=table[:, 1])
        torch.mul(table[:, :2], steps / step, out=table[:, 2:])
        return _Partials(
            begin=begin,
            hertz=hertz,
            scalars=torch.from_numpy(scalars.astype(np.float32)).to(self._device),
            turning=torch.stack([turn.cos(), turn.sin()]),
            table=table,
        )

    def tracks(self, first: int, count: int) -> torch.Tensor | None:
        """What sounds in a stretch of tiles.

        Args:
            first: the first tile.
            count: how many.

        Returns:
            [C * 2 * 2 * count, tile] clips, (dry, echoed), (left, right), tiles, one after the other; none if
            nothing sounds.
        """
        voices = self.voices
        begin = np.maximum(voices.first_tile, first)
        sizes = np.maximum(np.minimum(voices.end_tile, first + count) - begin, 0)
        chord = np.repeat(np.arange(len(sizes)), sizes)
        if not len(chord):
            return None
        tile = np.arange(len(chord)) - np.repeat(np.cumsum(sizes) - sizes - begin, sizes) - first
        left = (voices.clip[chord] * 2 + voices.bus[chord]) * 2 * count + tile
        pieces = np.arange(len(chord))
        gains = voices.gains[chord].astype(np.float32)
        return place(
            self._tiles(chord, tile, sizes, first, count),
            len(self._controls) * 4 * count,
            rows=np.concatenate([left, left + count]),
            columns=np.concatenate([pieces, pieces]),
            gains=np.concatenate([gains[:, 0], gains[:, 1]]),
        )

    def _tiles(self, chord: Ints, tile: Ints, sizes: Ints, first: int, count: int) -> torch.Tensor:
        """[K, tile] samples of K (chord, tile) pairs, `sizes` ([E]) of each chord in turn."""
        band = self.voices.band
        since_s = ((tile + first) * band.tile + band.ahead) / self._rate - self.voices.envelopes.onset_s[
            chord
        ]
        envelope, glow, time = self._envelopes(chord, tile, since_s, first, count)
        since = torch.from_numpy(since_s).to(self._device)
        pieces = torch.empty(len(chord) * KNOTS, band.step, device=self._device)
        sounding = np.flatnonzero(sizes)
        partials = self._partials(sounding)
        counts, widths = sizes[sounding], self._widths[sounding]
        ends = np.cumsum(counts)
        for run in _runs(widths, counts):
            begin, end = int(ends[run.start] - counts[run.start]), int(ends[run.stop - 1])
            part = slice(begin, end)
            place_in_chord = np.arange(widths[run.stop - 1])[:, None]
            found = np.where(
                place_in_chord < widths[run], partials.begin[run] + place_in_chord, len(partials.hertz) - 1
            )
            own = torch.from_numpy(np.repeat(found, counts[run], axis=1)).to(self._device)
            weights = self._weights(partials, own, since[part], envelope[part], glow[part], time[part])
            sounds = pieces[begin * KNOTS : end * KNOTS]
            _products(weights, partials.table, own, widths[run], counts[run], sounds)
        return pieces.view(len(chord), -1)

    def _weights(
        self,
        partials: _Partials,
        own: torch.Tensor,
        since: torch.Tensor,
        envelope: torch.Tensor,
        glow: torch.Tensor,
        time: torch.Tensor,
    ) -> torch.Tensor:
        """[P, 4, K, KNOTS] of the partials `own` ([P, K] indices) of K tiles, the rest as in `_tiles`."""
        flat = own.flatten()
        log_amp, log_ratio, decay = partials.scalars.index_select(1, flat).view(3, *own.shape, 1).unbind()
        amplitude = torch.mul(log_ratio, glow).add_(log_amp)
        # Not exp2: quicker, but it rounds otherwise at a row's end, and samples would depend on the batch.
        amplitude.addcmul_(decay, time, value=-1.0).exp_().mul_(envelope)
        # Phases in turns and float64 until the whole turns are gone: a late tile keeps its precision.
        turns = partials.hertz.index_select(0, flat).view(own.shape).mul_(since)
        phase = turns.sub_(turns.floor()).mul_(2.0 * np.pi).float()[:, :, None]
        cosine, sine = partials.turning.index_select(1, flat).view(2, *own.shape, KNOTS)
        begun_sine, begun_cosine = phase.sin(), phase.cos()
        wave_sine = (begun_sine * cosine).addcmul_(begun_cosine, sine)
        wave_cosine = (begun_cosine * cosine).addcmul_(begun_sine, sine, value=-1.0)
        level, slope = amplitude[:, :, :-1], amplitude[:, :, 1:] - amplitude[:, :, :-1]
        weights = torch.empty(len(own), 4, *wave_sine.shape[1:], device=self._device)
        torch.mul(level, wave_sine, out=weights[:, 0])
        torch.mul(level, wave_cosine, out=weights[:, 1])
        torch.mul(slope, wave_sine, out=weights[:, 2])
        torch.mul(slope, wave_cosine, out=weights[:, 3])
        return weights

    def _envelopes(
        self, chord: Ints, tile: Ints, since_s: Floats, first: int, count: int
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """[K, KNOTS + 1] each: amplitude, brightness and time since the onset at the knots of K tiles."""
        scalars = self._scalars[chord]
        scalars[:, 0] = since_s
        columns = torch.from_numpy(scalars.astype(np.float32)).to(self._device)[:, :, None].unbind(1)
        since, gate, attack, release, spike, share = columns
        time = self._knots / self._rate + since
        rise = (time / attack).clamp_(0.0, 1.0)
        fall = (1.0 - (time - gate) / release).clamp_(0.0, 1.0)
        envelope = rise.square().mul_(3.0 - 2.0 * rise).mul_(fall.square_())
        time.clamp_(min=0.0)
        envelope.addcmul_(envelope * spike, torch.exp(time * (-1.0 / _SPIKE_S)))

        place_of = torch.from_numpy(self.voices.clip[chord] * count + tile).to(self._device)
        moved, tension = self._controls_at(first, count).index_select(1, place_of)
        moved = moved * share
        envelope.mul_((1.0 + 0.55 * moved).clamp_(min=0.0)).mul_(1.0 + 0.5 * tension)
        glow = moved.mul_(0.8).add_(tension, alpha=0.7)
        return envelope, glow, time

    def _controls_at(self, first: int, count: int) -> torch.Tensor:
        """[2, C * count, KNOTS + 1] movement, and tension less a half, at the knots of a stretch of tiles."""
        band = self.voices.band
        tiles = torch.arange(first, first + count, device=self._device, dtype=torch.float64)[:, None]
        position = (tiles * band.tile + band.ahead + self._knots) * (POINTS_PER_S / self._rate)
        position.clamp_(max=self._controls.shape[2] - 1.001)
        left = position.long()
        part = (position - left).float()
        curves = torch.lerp(self._controls[:, :, left], self._controls[:, :, left + 1], part)
        curves[:, 1] -= 0.5
        return curves.transpose(0, 1).flatten(1, 2)


def _runs(widths: Ints, counts: Ints) -> list[slice]:
    """Cuts chords, those of few partials first, into runs that are worked out together, padded to one width.

    Args:
        widths: [E] partials of each chord, ascending.
        counts: [E] tiles of each.
    """
    runs: list[slice] = []
    first = tiles = padding = 0
    for index, (width, count) in enumerate(zip(widths.tolist(), counts.tolist(), strict=True)):
        # All that came before is padded to this width too.
        padding += tiles * (width - int(widths[index - 1])) if index > first else 0
        if padding > _PADDING:
            runs.append(slice(first, index))
            first, tiles, padding = index, 0, 0
        tiles += count
    runs.append(slice(first, len(widths)))
    return runs


def _products(
    weights: torch.Tensor,
    tables: torch.Tensor,
    own: torch.Tensor,
    widths: Ints,
    counts: Ints,
    out: torch.Tensor,
) -> None:
    """Tiles of E chords from weights and tables.

    On a CPU one product per chord, over all its tiles: copying its table for each of them would cost twice
    the arithmetic. On a GPU, where a launch costs more than a copy, one batched product for all.

    Args:
        weights: [P, 4, K, M].
        tables: [X + 1, 4, N] of all partials.
        own: [P, K] partials of each tile.
        widths: [E] partials of each chord, up to P.
        counts: [E] tiles of each chord, K together.
        out: [K * M, N] to be written.
    """
    if weights.device.type != "cpu":
        found = tables[own.t()].flatten(1, 2)
        torch.bmm(weights.flatten(0, 1).permute(1, 2, 0), found, out=out.view(len(found), KNOTS, -1))
        return
    sizes = (counts * KNOTS).tolist()
    parts = weights.flatten(2).flatten(0, 1).split_with_sizes(sizes, dim=1)
    sounds = out.split_with_sizes(sizes)
    first = int(own[0, 0])
    own_tables = (
        tables[first : first + int(widths.sum())].flatten(0, 1).split_with_sizes((4 * widths).tolist())
    )
    for part, table, sound in zip(parts, own_tables, sounds, strict=True):
        torch.mm(part[: len(table)].t(), table, out=sound)
