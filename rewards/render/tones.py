"""Pitched tones: when chords sound, how they swell and fade, and where they are placed, tile by tile."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from rewards.render.bands import KNOTS
from rewards.render.motion import POINTS_PER_S
from rewards.render.partials import Course, multiply, partials_of, runs_of, weights_of
from rewards.render.placing import place

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from rewards.render.notes import Voices
    from rewards.render.score import Score

    Ints = npt.NDArray[np.int64]
    Floats = npt.NDArray[np.float64]

_SPIKE_S = 0.04


def controls_of(scores: Sequence[Score], device: torch.device) -> torch.Tensor:
    """[C, 2, K] movement and tension of every clip at POINTS_PER_S."""
    tables = []
    for score in scores:
        count = len(score.motion)
        shares = np.minimum(np.arange(count) / (POINTS_PER_S * score.seconds), 1.0)
        tension = np.interp(shares, np.linspace(0.0, 1.0, len(score.tension)), score.tension)
        tables.append(np.stack([score.motion, tension]))
    return torch.tensor(np.stack(tables), dtype=torch.float32, device=device)


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
        voices, band = self.voices, self.voices.band
        start_s = ((tile + first) * band.tile + band.ahead) / self._rate
        since_s = start_s - voices.envelopes.onset_s[chord]
        course = self._course(chord, tile, since_s, first, count)
        pieces = torch.empty(len(chord) * KNOTS, band.step, device=self._device)
        sounding = np.flatnonzero(sizes)
        counts, widths = sizes[sounding], self._widths[sounding]
        ends = np.cumsum(counts)
        partials = partials_of(voices, sounding, widths, self._rate, self._device)
        for run in runs_of(widths, counts):
            begin, end = int(ends[run.start] - counts[run.start]), int(ends[run.stop - 1])
            # What a chord lacks to the run's width is the silent partial.
            within = np.arange(widths[run.stop - 1])[:, None]
            found = np.where(within < widths[run], partials.begin[run] + within, len(partials.hertz) - 1)
            own = torch.from_numpy(np.repeat(found, counts[run], axis=1)).to(self._device)
            weights = weights_of(partials, own, course.part(begin, end))
            sounds = pieces[begin * KNOTS : end * KNOTS]
            multiply(weights, partials.table, own, widths=widths[run], counts=counts[run], out=sounds)
        return pieces.view(len(chord), -1)

    def _course(self, chord: Ints, tile: Ints, since_s: Floats, first: int, count: int) -> Course:
        """How K (chord, tile) pairs of a stretch of tiles swell, fade and move."""
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
        return Course(torch.from_numpy(since_s).to(self._device), envelope, glow, time)

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
