"""Mixed mode: one Optuna search for each cell of the grid axes, in turn."""

from __future__ import annotations

import json
from itertools import product
from typing import TYPE_CHECKING, Any

from cluster.distributions import grid_values
from cluster.optuna_search import StudySearch, refuse_gap
from common.errors import UserError
from search_spaces.axes import GridAxis

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cluster.point_outcome import PointOutcome
    from cluster.study import KnownPoint
    from search_spaces.points import Point
    from search_spaces.sweep_file import SweepFile

__all__ = ["MixedProposals", "check_mixed"]


def check_mixed(sweep: SweepFile) -> None:
    """See that a mixed sweep has axes of both kinds, and as many trials for each cell.

    Raises:
        UserError: it has not.
    """
    num_grids = sum(isinstance(axis, GridAxis) for axis in sweep.space.values())
    if not 0 < num_grids < len(sweep.space):
        raise UserError(
            "search.mode mixed must have axes with values and axes with ranges, got "
            f"{num_grids} with values of {len(sweep.space)}; use mode {'grid' if num_grids else 'optuna'}"
        )
    trials = sweep.search.trials
    assert trials is not None, "SearchConfig requires trials in mixed mode"
    cells = len(_cells(sweep))
    if trials % cells:
        below = trials // cells * cells
        nearest = f"{below} or {below + cells}" if below else str(cells)
        raise UserError(
            f"search.trials must be a multiple of the {cells} cells of the grid axes, got {trials}; the "
            f"nearest is {nearest}"
        )


def _cells(sweep: SweepFile) -> list[dict[str, Any]]:
    """Every combination of the grid axes' values."""
    grids = {
        path: grid_values(sweep, path, axis)
        for path, axis in sweep.space.items()
        if isinstance(axis, GridAxis)
    }
    return [dict(zip(grids, values, strict=True)) for values in product(*grids.values())]


class MixedProposals:
    """A search for each cell, over the axes that are no grid; the cell with the fewest points is next."""

    def __init__(self, sweep: SweepFile, earlier: Sequence[KnownPoint] = ()) -> None:
        """
        Args:
            sweep: one that `check_mixed` accepts.
            earlier: points of earlier sweeps; each goes to its cell.
        """
        assert sweep.search.trials is not None, "SearchConfig requires trials in mixed mode"
        drawn = {path: axis for path, axis in sweep.space.items() if not isinstance(axis, GridAxis)}
        self._grid_paths = [path for path in sweep.space if path not in drawn]
        cells = _cells(sweep)
        self._share = sweep.search.trials // len(cells)
        self._searches = {
            self._key(cell): StudySearch(
                sweep, drawn, cell, [known for known in earlier if self._key(known.params) == self._key(cell)]
            )
            for cell in cells
        }
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
        return json.dumps([params[path] for path in self._grid_paths])
