"""Mixed mode: every cell of the grid axes has its own search and its share of the points."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from cluster.mixed_search import MixedProposals
from cluster.point_outcome import PointOutcome

if TYPE_CHECKING:
    from search_spaces.sweep_file import SweepFile
    from tests.cluster.conftest import MakeSweep

SPACE = {
    "lora.r": [8, 16],
    "grpo.beta": {"range": [0.0, 0.5], "kind": "float"},
    "lora.alpha": [16, 32],
}


def mixed(make_sweep: MakeSweep, trials: int = 8, **content: Any) -> SweepFile:
    return make_sweep(**{"space": SPACE, "search": {"mode": "mixed", "trials": trials}} | content)


def finished(beta: float) -> PointOutcome:
    return PointOutcome("finished", {"held_out_objective": -beta}, {})


def cell(params: Any) -> tuple[Any, Any]:
    return params["lora.r"], params["lora.alpha"]


def test_the_cells_take_turns_and_share_the_points_evenly(make_sweep: MakeSweep) -> None:
    proposals = MixedProposals(mixed(make_sweep))
    cells = []
    for number in range(8):
        point = proposals.propose()
        assert point is not None
        assert point.number == number
        cells.append(cell(point.params))
        proposals.tell(number, finished(point.params["grpo.beta"]))
    assert cells == [(8, 16.0), (8, 32.0), (16, 16.0), (16, 32.0)] * 2
    assert proposals.propose() is None


def test_a_rebuilt_search_goes_on_in_the_cell_whose_turn_it_is(make_sweep: MakeSweep) -> None:
    sweep = mixed(make_sweep)
    first = MixedProposals(sweep)
    second = MixedProposals(sweep)
    for number in range(5):
        point = first.propose()
        assert point is not None
        second.restore(number, point.params, first.notes(number))
        for proposals in (first, second):
            proposals.tell(number, finished(point.params["grpo.beta"]))
    expected = first.propose()
    assert expected is not None
    assert cell(expected.params) == (8, 32.0)
    assert second.propose() == expected


def test_a_mixed_sweep_goes_on_with_more_trials_where_a_longer_one_would_be(make_sweep: MakeSweep) -> None:
    short, whole = MixedProposals(mixed(make_sweep, 4)), MixedProposals(mixed(make_sweep, 12))
    extended = MixedProposals(mixed(make_sweep, 12))
    for number in range(4):
        point = short.propose()
        assert point is not None
        assert whole.propose() == point
        # As a new driver finds it: known, and ended.
        extended.restore(number, json.loads(json.dumps(dict(point.params))), short.notes(number))
        for proposals in (whole, extended):
            proposals.tell(number, finished(point.params["grpo.beta"]))
    assert short.propose() is None
    cells = []
    for number in range(4, 12):
        point = extended.propose()
        assert point is not None
        assert point == whole.propose()
        cells.append(cell(point.params))
        for proposals in (whole, extended):
            proposals.tell(number, finished(point.params["grpo.beta"]))
    assert cells == [(8, 16.0), (8, 32.0), (16, 16.0), (16, 32.0)] * 2
    assert extended.propose() is None
