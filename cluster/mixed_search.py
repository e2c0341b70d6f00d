"""Mixed mode: one Optuna search for each cell of the grid axes, in turn."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from cluster.optuna_search import StudySearch, refuse_gap
from search_spaces.axes import GridAxis
from search_spaces.designs import grid_cells
from search_spaces.points import held_value

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cluster.point_outcome import PointOutcome
    from cluster.study import KnownPoint
    from search_spaces.points import Point
    from search_spaces.sweep_file import SweepFile

__all__ = ["MixedProposals"]


class MixedProposals:
    """A search for each cell, over the axes that are no grid; the cell with the fewest points is next."""

    def __init__(self, sweep: SweepFile, earlier: Sequence[KnownPoint] = ()) -> None:
        """
        Args:
            sweep: one with axes of both kinds, and with trials for each cell.
            earlier: points of earlier sweeps; each goes to its cell.
        """
        assert sweep.search.trials is not None, "SearchConfig requires trials in mixed mode"
        drawn = {path: axis for path, axis in sweep.space.items() if not isinstance(axis, GridAxis)}
        self._grid_paths = [path for path in sweep.space if path not in drawn]
        cells = [
            {path: held_value(sweep, path, value) for path, value in cell.items()}
            for cell in grid_cells(sweep)
        ]
        self._searches = {
            self._key(cell): StudySearch(
                sweep, drawn, cell, [known for known in earlier if self._key(known.params) == self._key(cell)]
            )
            for cell in cells
        }
        self._share = sweep.search.trials // len(self._searches)
        self._cell_of: dict[int, StudySearch] = {}

    def propose(self) -> Point | None:
        """The next point; None when each cell has its share, or has no more.

        Raises:
            UserError: every point that was drawn in a cell is refused.
        """
        number = len(self._cell_of)
        for search in sorted(self._searches.values(), key=lambda search: len(search.points)):
            if len(search.points) < self._share and (chosen := search.propose(number)):
                self._cell_of[number] = search
                return chosen
        return None

    def notes(self, number: int) -> Mapping[str, int]:
        """What the sampler noted when it drew a point."""
        return self._cell_of[number].points[number].notes

    def restore(self, number: int, params: Mapping[str, Any], notes: Mapping[str, int]) -> None:
        """Take in a point that an earlier driver proposed.

        Raises:
            UserError: points before it are missing.
        """
        refuse_gap(number, len(self._cell_of))
        search = self._cell_of[number] = self._searches[self._key(params)]
        search.restore(number, params, notes)

    def tell(self, number: int, outcome: PointOutcome) -> None:
        """A point has ended; only its own cell learns of it."""
        self._cell_of[number].tell(number, outcome)

    def _key(self, params: Mapping[str, Any]) -> str:
        # An axis whose condition is false there has no value at a point.
        return json.dumps([params.get(path) for path in self._grid_paths])
