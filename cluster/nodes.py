"""The nodes that a sweep is placed on, and how many bundles of resources they hold, as Ray places them.

A bundle lies on one node. Ray keeps account of each GPU, so a fraction lies on one GPU and a whole number
takes GPUs that nobody shares.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple

import ray

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["HEAD", "MARKET_TYPE", "SPOT", "Node", "Room", "living_nodes", "trials_beside"]

HEAD: Final = "node:__internal_head__"
"""A resource that the head node alone has."""
MARKET_TYPE: Final = "ray.io/market-type"
"""Label of a node that says whether it can be taken away: `spot` or `on-demand`."""
SPOT: Final = "spot"
_ROUNDING: Final = 1e-6
"""Ten scorers of 0.1 GPU fill one, which floating point denies."""


class Node(NamedTuple):
    """A node that is there, or that an autoscaler may add."""

    resources: Mapping[str, float]
    """What it has in all, in use or not, as Ray names it; memory in bytes."""
    labels: Mapping[str, str] = {}

    @property
    def is_spot(self) -> bool:
        """Whether its labels say that it can be taken away."""
        return self.labels.get(MARKET_TYPE) == SPOT


def living_nodes() -> tuple[Node, ...]:
    """The nodes of this process's Ray that are alive."""
    return tuple(Node(node["Resources"], node["Labels"]) for node in ray.nodes() if node["Alive"])


class Room:
    """What is left of a node."""

    def __init__(self, node: Node) -> None:
        self._left = dict(node.resources)
        self._gpus = [1.0] * int(self._left.pop("GPU", 0.0))

    def holds(self, bundle: Mapping[str, float]) -> int:
        """How many such bundles fit in; a bundle has at least one amount above 0."""
        counts = [
            math.floor(self._left.get(name, 0.0) / amount + _ROUNDING)
            for name, amount in bundle.items()
            if amount > 0 and name != "GPU"
        ]
        gpus = bundle.get("GPU", 0.0)
        if 0 < gpus < 1:
            counts.append(sum(math.floor(left / gpus + _ROUNDING) for left in self._gpus))
        elif gpus:
            counts.append(sum(left > 1 - _ROUNDING for left in self._gpus) // math.ceil(gpus))
        return min(counts)

    def copy(self) -> Room:
        """The same room, to try something in."""
        other = Room.__new__(Room)
        other._left, other._gpus = dict(self._left), list(self._gpus)
        return other

    def take(self, bundle: Mapping[str, float]) -> None:
        """Put a bundle in that fits; a fraction of a GPU on the fullest one that has room for it."""
        for name, amount in bundle.items():
            if name != "GPU":
                self._left[name] = self._left.get(name, 0.0) - amount
        gpus = bundle.get("GPU", 0.0)
        each = gpus if gpus < 1 else 1.0
        for _ in range(math.ceil(gpus)):
            place = min(
                (place for place, left in enumerate(self._gpus) if left > each - _ROUNDING),
                key=self._gpus.__getitem__,
            )
            self._gpus[place] -= each


def trials_beside(
    nodes: Sequence[Node],
    scorers: int,
    scorer: Mapping[str, float],
    trial: Sequence[Mapping[str, float]],
) -> int:
    """Trials that run at once beside the scorers; 0 where a scorer or the first trial does not fit.

    Each scorer goes where it costs the fewest trials.

    Args:
        nodes: where.
        scorers: how many.
        scorer: the bundle of each; empty where it takes nothing.
        trial: a trial's bundles; equal ones, which may lie on several nodes.
    """
    rooms = [Room(node) for node in nodes]
    worker = trial[0]
    for _ in range(scorers if scorer else 0):
        costs = [
            (_cost(room, scorer, worker), place) for place, room in enumerate(rooms) if room.holds(scorer)
        ]
        if not costs:
            return 0
        rooms[min(costs)[1]].take(scorer)
    return sum(room.holds(worker) for room in rooms) // len(trial)


def _cost(room: Room, scorer: Mapping[str, float], worker: Mapping[str, float]) -> int:
    """How many workers fewer a node holds with one more scorer on it."""
    after = room.copy()
    after.take(scorer)
    return room.holds(worker) - after.holds(worker)
