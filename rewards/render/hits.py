"""Percussive hits: rows of a bank of one-shots, placed on the tracks."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from rewards.render.bands import TILE
from rewards.render.labels import BRIGHTNESS_SLOPE, STEREO_WIDTH
from rewards.render.notes import pan_gains
from rewards.render.percussion import SOUNDS
from rewards.render.placing import place
from rewards.render.tilt import noise_tilt

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from rewards.render.score import Score

    Ints = npt.NDArray[np.int64]

ROW = 64
"""Samples of a row. A hit begins at a multiple of it: 1.3 ms at 48 kHz, far below what an ear tells apart."""
_ROWS_PER_TILE = TILE // ROW
_SOUND_INDEX = {name: index for index, name in enumerate(SOUNDS)}
_BRIGHTNESS_INDEX = {name: index for index, name in enumerate(BRIGHTNESS_SLOPE)}


class _Bank(NamedTuple):
    """Every one-shot under every brightness, cut into rows."""

    rows: torch.Tensor
    """[R, ROW]"""
    first: Ints
    """[brightness, sound] row in which a one-shot begins."""
    num_rows: Ints
    """[sound] rows that it takes."""


@functools.lru_cache(maxsize=4)
def _bank(sample_rate: int, device: torch.device) -> _Bank:
    pieces = []
    first = np.zeros((len(BRIGHTNESS_SLOPE), len(SOUNDS)), dtype=np.int64)
    count = np.zeros(len(SOUNDS), dtype=np.int64)
    used = 0
    for index, (length_s, formula) in enumerate(SOUNDS.values()):
        size = int(length_s * sample_rate)
        time = np.arange(size) / sample_rate
        # Fades at both ends: no click where the formula starts or is cut.
        edge = np.minimum(1.0, np.minimum(time / 0.0005, (time[-1] - time) / (0.15 * length_s)))
        spectrum = np.fft.rfft(formula(time) * edge, 2 * size)
        hertz = np.fft.rfftfreq(2 * size, 1.0 / sample_rate).astype(np.float64)
        count[index] = -(-size // ROW)
        for brightness, row in _BRIGHTNESS_INDEX.items():
            piece = np.zeros(count[index] * ROW, dtype=np.float32)
            piece[:size] = np.fft.irfft(spectrum * noise_tilt(brightness, hertz))[:size] * edge
            pieces.append(piece)
            first[row, index] = used
            used += count[index]
    rows = torch.from_numpy(np.concatenate(pieces).reshape(-1, ROW)).to(device)
    return _Bank(rows, first, count)


class Hits:
    """The hits of a batch of clips: drums on the dry bus, clicks of a texture on the echoed one."""

    def __init__(self, scores: Sequence[Score], sample_rate: int, device: torch.device) -> None:
        """
        Args:
            scores: the C scores.
            sample_rate: Hz.
            device: where the sound is.
        """
        hits = [hit for score in scores for hit in score.hits]
        self._clips = len(scores)
        self._bank = _bank(sample_rate, device)
        clip = np.repeat(np.arange(len(scores)), [len(score.hits) for score in scores])
        sound = np.array([_SOUND_INDEX[hit.sound] for hit in hits], dtype=np.int64)
        brightness = np.array([_BRIGHTNESS_INDEX[score.config.brightness] for score in scores])[clip]
        echoed = np.array([hit.layer != "rhythm" for hit in hits], dtype=np.int64)
        level = np.array([hit.level for hit in hits]) * np.where(echoed, 1.1, 1.0)
        width = np.array([STEREO_WIDTH[score.config.stereo] for score in scores])[clip]
        gains = pan_gains(np.array([hit.pan for hit in hits]), width) * level[:, None]
        self._gains = gains.astype(np.float32)
        self._begin = np.array([round(hit.onset_s * sample_rate / ROW) for hit in hits], dtype=np.int64)
        self._first = self._bank.first[brightness, sound]
        self._count = self._bank.num_rows[sound]
        self._bus = clip * 2 + echoed

    def add(self, tracks: torch.Tensor | None, first: int, count: int) -> torch.Tensor | None:
        """Adds what sounds in a stretch of tiles.

        Args:
            tracks: [C * 2 * 2 * count, TILE] clips, (dry, echoed), (left, right), tiles, changed in place;
                none for silence.
            first: the first tile.
            count: how many.

        Returns:
            The tracks with the hits in them; none if there was silence and there are none.
        """
        low, high = first * _ROWS_PER_TILE, (first + count) * _ROWS_PER_TILE
        since = np.maximum(self._begin, low)
        sizes = np.maximum(np.minimum(self._begin + self._count, high) - since, 0)
        if not sizes.sum():
            return tracks
        hit = np.repeat(np.arange(len(sizes)), sizes)
        row = np.arange(len(hit)) - np.repeat(np.cumsum(sizes) - sizes - since, sizes)
        column = self._first[hit] + row - self._begin[hit]
        side = count * _ROWS_PER_TILE
        left = self._bus[hit] * 2 * side + row - low
        rows = np.concatenate([left, left + side])
        if tracks is None:
            tracks = torch.zeros(self._clips * 4 * count, TILE, device=self._bank.rows.device)
        # Only from the first row that is hit to the last: most clips have drums alone, and no clicks.
        begin, end = int(rows.min()), int(rows.max()) + 1
        place(
            self._bank.rows,
            end - begin,
            rows=rows - begin,
            columns=np.concatenate([column, column]),
            gains=np.concatenate([self._gains[hit, 0], self._gains[hit, 1]]),
            onto=tracks.view(-1, ROW)[begin:end],
        )
        return tracks
