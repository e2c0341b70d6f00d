"""Pitched tones by matrix product: piecewise linear partial amplitudes times a short table of sines.

A partial of angular frequency w within a step of N samples that begins at phase p is
    a(n) sin(p + w n) = [a sin p] cos(w n) + [a cos p] sin(w n),   a(n) = a0 + (a1 - a0) n / N,
so that a tile of M steps and P partials is [M, 4 P] @ [4 P, N]: four multiply-adds per partial and sample in
place of a sine, with frequencies exact and amplitudes free to move from step to step.

What is wanted of every partial at every knot is laid out [P, tiles, knots], so that what a chord's partials
share, and what a partial keeps from knot to knot, are broadcast over long rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from rewards.render.bands import KNOTS

if TYPE_CHECKING:
    import numpy.typing as npt

    from rewards.render.notes import Voices

    Ints = npt.NDArray[np.int64]

_PADDING = 2000
"""Silent partials times tiles that a run may hold: as quick as the calls that one run more takes."""


class Partials(NamedTuple):
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


def partials_of(voices: Voices, chords: Ints, widths: Ints, rate: float, device: torch.device) -> Partials:
    """What is needed of these chords ([E] indices) with so many partials each, at the band's rate in Hz."""
    chord = np.repeat(chords, widths)
    begin = np.cumsum(widths) - widths
    column = np.arange(len(chord)) - np.repeat(begin, widths)
    hertz = torch.from_numpy(np.append(voices.hertz[chord, column], 0.0)).to(device)
    scalars = np.zeros((3, len(chord) + 1))
    scalars[0, :-1] = np.log(voices.amps[chord, column])
    scalars[1, :-1], scalars[2, :-1] = voices.log_ratios[chord, column], voices.decays[chord, column]
    scalars[0, -1] = -np.inf
    step = voices.band.step
    steps = torch.arange(step, dtype=torch.float32, device=device)
    turns = hertz[:, None] / rate
    # A few dozen turns at the most: here single precision will do.
    angle = (2.0 * np.pi * turns).float() * steps
    turn = turns * torch.arange(0, voices.band.tile, step, device=device)
    turn = turn.sub_(turn.floor()).mul_(2.0 * np.pi).float()
    table = torch.empty(len(hertz), 4, step, device=device)
    torch.cos(angle, out=table[:, 0])
    torch.sin(angle, out=table[:, 1])
    torch.mul(table[:, :2], steps / step, out=table[:, 2:])
    return Partials(
        begin=begin,
        hertz=hertz,
        scalars=torch.from_numpy(scalars.astype(np.float32)).to(device),
        turning=torch.stack([turn.cos(), turn.sin()]),
        table=table,
    )


class Course(NamedTuple):
    """How K tiles swell, fade and move."""

    since: torch.Tensor
    """[K] float64 seconds from the onset to the tile's beginning."""
    envelope: torch.Tensor
    """[K, KNOTS + 1] amplitude at the knots."""
    glow: torch.Tensor
    """[K, KNOTS + 1] brightness: the exponent of a partial's ratio."""
    time: torch.Tensor
    """[K, KNOTS + 1] seconds since the onset, >= 0."""

    def part(self, begin: int, end: int) -> Course:
        """Some of the tiles."""
        return Course(*(values[begin:end] for values in self))


def weights_of(partials: Partials, own: torch.Tensor, course: Course) -> torch.Tensor:
    """What the tables of the partials are multiplied with.

    Args:
        partials: of all chords.
        own: [P, K] partials of each tile.
        course: of the K tiles.

    Returns:
        [P, 4, K, KNOTS] level times sine and cosine of the phase, slope times the same.
    """
    flat = own.flatten()
    log_amp, log_ratio, decay = partials.scalars.index_select(1, flat).view(3, *own.shape, 1).unbind()
    amplitude = torch.mul(log_ratio, course.glow).add_(log_amp)
    # Not exp2: quicker, but it rounds otherwise at a row's end, and samples would depend on the batch.
    amplitude.addcmul_(decay, course.time, value=-1.0).exp_().mul_(course.envelope)
    # Phases in turns and float64 until the whole turns are gone: a late tile keeps its precision.
    turns = partials.hertz.index_select(0, flat).view(own.shape).mul_(course.since)
    phase = turns.sub_(turns.floor()).mul_(2.0 * np.pi).float()[:, :, None]
    cosine, sine = partials.turning.index_select(1, flat).view(2, *own.shape, KNOTS)
    begun_sine, begun_cosine = phase.sin(), phase.cos()
    wave_sine = (begun_sine * cosine).addcmul_(begun_cosine, sine)
    wave_cosine = (begun_cosine * cosine).addcmul_(begun_sine, sine, value=-1.0)
    level, slope = amplitude[:, :, :-1], amplitude[:, :, 1:] - amplitude[:, :, :-1]
    weights = torch.empty(len(own), 4, *wave_sine.shape[1:], device=own.device)
    torch.mul(level, wave_sine, out=weights[:, 0])
    torch.mul(level, wave_cosine, out=weights[:, 1])
    torch.mul(slope, wave_sine, out=weights[:, 2])
    torch.mul(slope, wave_cosine, out=weights[:, 3])
    return weights


def runs_of(widths: Ints, counts: Ints) -> list[slice]:
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


def multiply(
    weights: torch.Tensor,
    tables: torch.Tensor,
    own: torch.Tensor,
    *,
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
    parts = weights.flatten(2).flatten(0, 1).t().split_with_sizes(sizes)
    sounds = out.split_with_sizes(sizes)
    first = int(own[0, 0])
    rows = (4 * widths).tolist()
    own_tables = tables[first : first + int(widths.sum())].flatten(0, 1).split_with_sizes(rows)
    for part, table, sound, row in zip(parts, own_tables, sounds, rows, strict=True):
        torch.mm(part[:, :row], table, out=sound)
