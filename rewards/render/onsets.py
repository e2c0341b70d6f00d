"""When melody notes begin: so many sixteenths of a bar as the density asks, chosen by metric weight."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from rewards.render.labels import SYNCOPATION
from rewards.render.tally import Tally
from rewards.render.timing import SLOTS

if TYPE_CHECKING:
    import numpy.typing as npt

    from common.music_schema import MusicConfig


def metric_weight(slot: int, syncopation: float) -> float:
    """Weight of a slot: syncopation takes from the beats and gives to what lies between."""
    if slot % 4 == 0:
        return 1.0 - 0.8 * syncopation
    if slot % 2 == 0:
        return 0.5 + 0.7 * syncopation
    return 0.16 + 0.45 * syncopation


def _style_weight(melody: str, slot: int, syncopation: float) -> float:
    if melody == "arp_melody":
        # Running eighths, which syncopation moves to the sixteenths between them.
        return 0.1 + 0.9 * syncopation if slot % 2 else 1.0 - 0.8 * syncopation
    if melody == "heroic":
        # Dotted rhythms: the beat and the sixteenth before the next one.
        dotted = {0: 1.0 - 0.7 * syncopation, 3: 0.7 + 0.5 * syncopation}
        return dotted.get(slot % 4, 0.02 + 0.5 * syncopation)
    return metric_weight(slot, syncopation)


def _even_slots(count: int, turn: int, syncopation: float) -> list[int]:
    """A Euclidean rhythm on eighths while they last; syncopation pushes its share a sixteenth ahead."""
    unit = 2 if count <= SLOTS // 2 else 1
    pushes = Tally()
    slots = set()
    for index in range(count):
        slot = (unit * math.floor(index * SLOTS / unit / count) + turn) % SLOTS
        pushed = pushes.due(syncopation)
        slots.add((slot - 1 if slot else 2) if pushed else slot)
    return sorted(slots)


def bar_slots(config: MusicConfig, count: int, draws: npt.NDArray[np.float64], turn: float) -> list[int]:
    """The sixteenth slots of one bar at which melody notes begin.

    Args:
        config: decides engine, style and syncopation.
        count: notes wanted, >= 0; a bar holds 16.
        draws: [16] uniform draws, one per slot.
        turn: uniform draw that turns a pattern.

    Returns:
        Ascending slots. More notes from the same draws keep the slots of fewer, except in a pattern.
    """
    count = min(count, SLOTS)
    syncopation = SYNCOPATION[config.syncopation]
    if count == 0:
        return []
    if config.melody_engine == "pattern":
        return _even_slots(count, 4 * int(turn * 4.0), syncopation)
    weights = np.array([_style_weight(config.melody, slot, syncopation) for slot in range(SLOTS)])
    # The first of independent exponential clocks: a draw without replacement in proportion to the weights.
    clocks = -np.log1p(-draws) / weights
    return sorted(int(slot) for slot in np.argsort(clocks, kind="stable")[:count])
