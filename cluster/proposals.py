"""What chooses a sweep's points: the one interface of all search modes, and which mode is whose."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from cluster.listed_search import ListedProposals
from cluster.mixed_search import MixedProposals
from cluster.optuna_search import OptunaProposals
from search_spaces.designs import enumerate_points

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cluster.point_outcome import PointOutcome
    from cluster.study import KnownPoint
    from search_spaces.points import Point
    from search_spaces.sweep_file import SweepFile

__all__ = ["Proposals", "proposals_for"]


class Proposals(Protocol):
    """Chooses points; it is told how they end, and can be rebuilt from what was stored."""

    def propose(self) -> Point | None:
        """The next point; None when there is no more."""
        ...

    def notes(self, number: int) -> Mapping[str, int]:
        """What has to be stored beside a proposed point, so that `restore` is complete."""
        ...

    def restore(self, number: int, params: Mapping[str, Any], notes: Mapping[str, int]) -> None:
        """Take in a point that an earlier driver proposed; called in the order of the numbers."""
        ...

    def tell(self, number: int, outcome: PointOutcome) -> None:
        """A point has ended with all its seeds."""
        ...


def proposals_for(sweep: SweepFile, earlier: Sequence[KnownPoint] = ()) -> Proposals:
    """The sweep's search mode.

    Args:
        sweep: what is searched.
        earlier: points of earlier sweeps that an Optuna search starts with.

    Raises:
        UserError: a point that is known beforehand is refused by TrainingConfig.
    """
    match sweep.search.mode:
        case "optuna":
            return OptunaProposals(sweep, earlier)
        case "mixed":
            return MixedProposals(sweep, earlier)
        case _:
            return ListedProposals(enumerate_points(sweep).points)
