"""The mix of a batch of clips, stretch after stretch: notes, hits, echo and room."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from rewards.render.bands import HIGH, LOW, TILE
from rewards.render.echo import Echo
from rewards.render.hits import Hits
from rewards.render.notes import flatten_notes
from rewards.render.room import HOP, Room
from rewards.render.tones import Tones, controls_of
from rewards.render.upsample import HISTORY, upsample

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
        self._room = Room(scores, num_tiles * (TILE // HOP), sample_rate, seed, device)
        # The low band runs ahead by the filter's delay, so the first millisecond of a clip lacks what lies
        # before its beginning. The clip's fade-in hides that.
        self._before = torch.zeros(len(scores), 2, HISTORY, device=device)
        self._next = 0

    def mix(self, num_tiles: int) -> torch.Tensor:
        """[C, 2, num_tiles * TILE] the next stretch of every clip."""
        low = self._played(LOW, num_tiles, self._low_echo)
        sound = self._played(HIGH, num_tiles, self._echo)
        low = torch.cat([self._before, low], dim=2)
        self._before = low[:, :, -HISTORY:].clone()
        sound += upsample(low)
        self._room.add(sound)
        self._next += num_tiles
        return sound

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
