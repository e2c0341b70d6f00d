"""Whether the scorers and one trial fit into the cluster, asked before the first starts; and how many do."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from ray.util.placement_group import placement_group, remove_placement_group

from cluster.autoscaler import growth, says_never
from cluster.nodes import Room, living_nodes, trials_beside
from common.errors import ClusterError, UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cluster.nodes import Node
    from common.training_config import InfraConfig
    from search_spaces.resources import Resources

__all__ = ["PATIENCE_S", "Demand", "Places", "check_room", "trial_resources", "worker_resources"]

PATIENCE_S: Final = 600.0
"""Longest wait for an autoscaler that does not say what it can add; as long as the pool waits for scorers."""
_LOOK_EVERY_S: Final = 2.0
_COUNT_EVERY_S: Final = 5.0
_GIB: Final = 2**30
_ACCELERATOR: Final = "accelerator_type:"
"""What the names of the resources begin with that say which GPU a node has."""


def trial_resources(infra: InfraConfig) -> dict[str, float]:
    """What a trial takes, for Ray. A sliver of the accelerator's own resource pins the type."""
    bundle = {
        "CPU": infra.cpus_per_trial,
        "GPU": infra.gpus_per_trial,
        "memory": infra.memory_gb_per_trial * _GIB,
    }
    if infra.gpu_type is not None:
        bundle[_ACCELERATOR + infra.gpu_type] = 0.001
    return {name: amount for name, amount in bundle.items() if amount > 0}


def worker_resources(infra: InfraConfig) -> dict[str, float]:
    """What each of a trial's workers takes; they may lie on several nodes."""
    return {
        name: amount if name.startswith(_ACCELERATOR) else amount / infra.workers
        for name, amount in trial_resources(infra).items()
    }


class Demand:
    """What a sweep asks of the nodes: its scorers, and one trial or none."""

    def __init__(self, resources: Resources, infra: InfraConfig | None) -> None:
        """
        Args:
            resources: the scorers' share.
            infra: a trial's share; None where there are only scorers.
        """
        self.scorers = resources.scorers
        self.most_scorers = resources.most_scorers
        scorer = {"CPU": resources.cpus_per_scorer, "GPU": resources.gpus_per_scorer}
        self.scorer = {name: amount for name, amount in scorer.items() if amount > 0}
        self.workers = infra.workers if infra else 0
        self.worker = worker_resources(infra) if infra else {}

    @property
    def bundles(self) -> list[dict[str, float]]:
        """What must be there at once before the first trial can run."""
        return [self.scorer] * (self.scorers if self.scorer else 0) + [self.worker] * self.workers

    def places(self, nodes: Sequence[Node]) -> int:
        """Trials that run at once beside all the scorers that there may be; at least one where one does
        beside the fewest, and 0 where none does."""
        trial = [self.worker] * self.workers
        most = trials_beside(nodes, self.most_scorers, self.scorer, trial)
        return most or min(1, trials_beside(nodes, self.scorers, self.scorer, trial))

    def fits(self, nodes: Sequence[Node]) -> bool:
        """Whether the scorers and one trial run at once."""
        if self.workers:
            return self.places(nodes) > 0
        return not self.scorer or trials_beside(nodes, self.scorers - 1, self.scorer, [self.scorer]) > 0

    def missing(self, nodes: Sequence[Node]) -> str:
        """What these nodes lack, as `who need …, got …`."""
        worker = "a trial" if self.workers == 1 else f"each of a trial's {self.workers} workers"
        for who, bundle in ((worker, self.worker), ("a scorer", self.scorer)):
            if bundle and not any(Room(node).holds(bundle) for node in nodes):
                nearest = max(nodes, key=lambda node: _likeness(node, bundle), default=None)
                there = "none" if nearest is None else _amounts(nearest.resources, bundle)
                return (
                    f"{who} must fit on one node with {_amounts(bundle, bundle)}, got {there} on the nearest "
                    f"of {len(nodes)}"
                )
        wanted: dict[str, float] = {}
        for bundle in self.bundles:
            for name, amount in bundle.items():
                wanted[name] = wanted.get(name, 0.0) + amount
        got = {name: sum(node.resources.get(name, 0.0) for node in nodes) for name in wanted}
        who = " and ".join(
            [f"{self.scorers} scorers"] * bool(self.scorer and self.scorers)
            + ["one trial"] * bool(self.workers)
        )
        each = "; ".join(_amounts(node.resources, wanted) for node in nodes[:4])
        more = ", …" if len(nodes) > 4 else ""
        return (
            f"{who} must fit at once with {_amounts(wanted, wanted)}, got {_amounts(got, wanted)} on "
            f"{len(nodes)} nodes ({each}{more})"
        )


def check_room(
    demand: Demand, *, is_local: bool, cure: str, say: Callable[[str], None], patience_s: float = PATIENCE_S
) -> None:
    """See that the scorers and one trial fit, now or with what an autoscaler may add.

    Args:
        demand: what is asked.
        is_local: whether Ray is this machine's alone, which then is what the user has chosen.
        cure: what the user can ask less of.
        say: hears what is waited for.
        patience_s: longest wait for an autoscaler that does not say what it can add.

    Raises:
        UserError: this machine is too small.
        ClusterError: the cluster is, or its autoscaler adds nothing in time.
    """
    living = living_nodes()
    if not demand.bundles or demand.fits(living):
        return
    if is_local:
        raise UserError(f"{demand.missing(living)}; {cure}")
    grown = growth(living)
    if grown is None:
        raise ClusterError(f"{demand.missing(living)}; {cure}, or add nodes")
    if grown.nodes is None:
        _wait_for_room(demand, cure, say, patience_s)
    elif not demand.fits(grown.nodes):
        raise ClusterError(
            f"{demand.missing(grown.nodes)} that the autoscaler may start; {cure}, or raise its limits"
        )


def _wait_for_room(demand: Demand, cure: str, say: Callable[[str], None], patience_s: float) -> None:
    """Ask Ray for all of it at once, so that the autoscaler hears of it, and wait until it is there."""
    lacking = demand.missing(living_nodes())
    say(f"waiting at most {patience_s:.0f} s for the autoscaler, which does not tell its limits: {lacking}")
    group = placement_group(demand.bundles)
    try:
        deadline = time.monotonic() + patience_s
        while not group.wait(_LOOK_EVERY_S):
            if says_never():
                raise ClusterError(
                    f"{lacking}, and the autoscaler has no type of node for it; {cure}, or raise its limits"
                )
            if time.monotonic() >= deadline:
                raise ClusterError(
                    f"{lacking}, and the autoscaler added nothing that helps within "
                    f"{patience_s:.0f} s; {cure}, or run the same command again when there are more nodes"
                )
    finally:
        remove_placement_group(group)


class Places:
    """How many trials run at once, counted anew as nodes come and go."""

    def __init__(self, demand: Demand, limit: int | None) -> None:
        """
        Args:
            demand: the sweep's.
            limit: the user's; None for as many as fit.
        """
        self._demand = demand
        self._limit = limit
        self._counted_at = float("-inf")
        self._count: int | None = None

    def __call__(self) -> int | None:
        """Trials that may run now, at least one; None where only the autoscaler knows.

        More would take the room of a scorer that is started anew.
        """
        now = time.monotonic()
        if now - self._counted_at > _COUNT_EVERY_S:
            self._counted_at = now
            living = living_nodes()
            grown = growth(living)
            nodes = living if grown is None else grown.nodes
            self._count = self._limit
            if nodes is not None:
                fitting = max(1, self._demand.places(nodes))
                self._count = fitting if self._limit is None else min(self._limit, fitting)
        return self._count


def _likeness(node: Node, bundle: Mapping[str, float]) -> float:
    """How much of a bundle a node has: 1 for each resource that it has enough of, else the share."""
    return sum(min(1.0, node.resources.get(name, 0.0) / amount) for name, amount in bundle.items())


def _amounts(there: Mapping[str, float], names: Mapping[str, float]) -> str:
    """Some of the resources in words."""
    words = []
    for name in sorted(names, key=lambda name: (":" in name, name == "memory", name)):
        amount = there.get(name, 0.0)
        if name == "memory":
            words.append(f"{amount / _GIB:.3g} GiB of memory")
        elif name.startswith(_ACCELERATOR):
            words.append(f"{'' if amount > 0 else 'no '}accelerator {name.removeprefix(_ACCELERATOR)}")
        else:
            words.append(f"{amount:g} {name}{'s' * (amount != 1)}")
    return ", ".join(words)
