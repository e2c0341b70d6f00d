"""The mix of a batch of clips, stretch after stretch: notes, hits, echo and room."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from rewards.render.bands import HIGH, LOW, TILE
from rewards.render.echo import Echo
from rewards.render.hits import Hits
from rewards.render.notes import flatten_notes
from rewards.render.resample import FULL_TO_HALF, HALF_TO_FULL, QUARTER_TO_HALF, Resampler
from rewards.render.room import Room, hops_in
from rewards.render.tones import Tones, controls_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rewards.render.bands import Band
    from rewards.render.score import Score


class Engine:
    """Renders the scores of a batch from their beginning; what came before sounds on in what comes next.

    The stretches can be of any length in tiles: joined, they are the same sound.
    """

    def __init__(
        self, scores: Sequence[Score], num_tiles: int, sample_rate: int, seed: int, device: torch.device
    ) -> None:
        """
        Args:
            scores: the C scores.
            num_tiles: length of the clips in tiles of 4,096 samples.
            sample_rate: Hz.
            seed: of the noises.
            device: where to render.
        """
        self._clips = len(scores)
        self._device = device
        controls = controls_of(scores, device)
        self._tones = {
            voices.band: Tones(voices, controls, sample_rate) for voices in flatten_notes(scores, sample_rate)
        }
        self._hits = Hits(scores, sample_rate, device)
        self._echo = Echo(scores, sample_rate, low=False, device=device)
        self._low_echo = Echo(scores, sample_rate, low=True, device=device)
        self._room = Room(scores, hops_in(num_tiles * TILE), sample_rate, seed, device)
        # The low band runs ahead by a filter's delay, so the first millisecond of a clip lacks what lies
        # before its beginning. The clip's fade-in hides that.
        self._low_to_half = Resampler(QUARTER_TO_HALF, (self._clips, 2), up=True, device=device)
        self._half_to_full = Resampler(HALF_TO_FULL, (self._clips, 2), up=True, device=device)
        self._high_to_half = Resampler(FULL_TO_HALF, (self._clips,), up=False, device=device)
        self._next = 0

    def mix(self, num_tiles: int) -> torch.Tensor:
        """[C, 2, num_tiles * TILE] the next stretch of every clip."""
        high = self._played(HIGH, num_tiles, self._echo)
        half = self._low_to_half(self._played(LOW, num_tiles, self._low_echo))
        # The room works at half of the rate. It hears the low band half a millisecond early: no matter.
        heard = None
        if self._room.resounds:
            heard = self._high_to_half(high[:, 0] + high[:, 1]).add_(half[:, 0]).add_(half[:, 1]).mul_(0.5)
        self._room.add(half, heard)
        self._next += num_tiles
        return high.add_(self._half_to_full(half))

    def _played(self, band: Band, num_tiles: int, echo: Echo) -> torch.Tensor:
        """[C, 2, T] notes and hits of one band with their echoes, T at the band's rate."""
        tones = self._tones.get(band)
        tracks = None if tones is None else tones.tracks(self._next, num_tiles)
        if band is HIGH:
            tracks = self._hits.add(tracks, self._next, num_tiles)
        if tracks is None:
            tracks = torch.zeros(self._clips * 4 * num_tiles, band.tile, device=self._device)
        dry, echoed = tracks.view(self._clips, 2, 2, -1).unbind(1)
        sound = dry.add_(echoed)
        echo.add(sound, echoed)
        return sound
