"""The mixture of reward weights: its grid, its faces, its coordinates, and points equal up to scale."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import UserError
from search_spaces.designs import enumerate_points
from search_spaces.mixture import MixtureAxis
from search_spaces.points import point
from search_spaces.sweep_file import SweepFile

UNIT = st.floats(0, 1)


def sweep(**content: Any) -> SweepFile:
    return SweepFile.model_validate({"name": "x", **content})


def test_a_grid_of_three_points_a_side_has_corners_and_middles_of_sides() -> None:
    assert MixtureAxis(points=3).grid_values() == (
        (1, 0, 0), (0.5, 0.5, 0), (0, 1, 0), (0.5, 0, 0.5), (0, 0.5, 0.5), (0, 0, 1),
    )  # fmt: skip


def test_a_grid_without_faces_lies_inside() -> None:
    # Two points a side: the fours of (2, 1, 1) and so on.
    assert MixtureAxis(points=2, faces=False).grid_values() == (
        (0.5, 0.25, 0.25), (0.25, 0.5, 0.25), (0.25, 0.25, 0.5),
    )  # fmt: skip


@pytest.mark.parametrize("faces", [True, False])
@pytest.mark.parametrize("points", [2, 5, 8])
def test_a_grid_has_a_triangular_number_of_points(points: int, faces: bool) -> None:
    values = MixtureAxis(points=points, faces=faces).grid_values()
    assert len(set(values)) == len(values) == points * (points + 1) // 2
    assert any(0 in value for value in values) is faces


@pytest.mark.parametrize(
    ("u", "weights"),
    [
        # The first coordinate: 12/24 inside, 3/24 for each side, 1/24 for each corner.
        ((0.0, 0.2, 0.5), (0.2, 0.3, 0.5)),
        ((0.49, 0.5, 0.2), (0.2, 0.3, 0.5)),
        ((0.51, 0.25, 0.9), (0.25, 0.75, 0.0)),
        ((0.63, 0.25, 0.9), (0.25, 0.0, 0.75)),
        ((0.76, 0.25, 0.9), (0.0, 0.25, 0.75)),
        ((0.89, 0.3, 0.9), (1.0, 0.0, 0.0)),
        ((0.93, 0.3, 0.9), (0.0, 1.0, 0.0)),
        ((1.0, 0.3, 0.9), (0.0, 0.0, 1.0)),
    ],
)
def test_the_first_coordinate_picks_the_face(
    u: tuple[float, float, float], weights: tuple[float, ...]
) -> None:
    assert MixtureAxis().num_coordinates == 3
    assert MixtureAxis().from_unit(u) == weights


@given(u=st.tuples(UNIT, UNIT, UNIT), faces=st.booleans())
def test_every_draw_is_a_mixture_of_whole_millionths_and_has_its_coordinates(
    u: tuple[float, float, float], faces: bool
) -> None:
    axis = MixtureAxis(faces=faces)
    weights = axis.from_unit(u)
    units = [round(weight * 10**6) for weight in weights]
    assert sum(units) == 10**6
    assert [unit / 10**6 for unit in units] == list(weights)
    assert faces or 0 not in units
    assert axis.from_unit(axis.to_unit(weights)) == weights
    assert axis.normalized(weights) == weights


@given(u=st.tuples(UNIT, UNIT, UNIT), scale=st.floats(1e-3, 1e3))
def test_config_to_point_to_config_is_the_same_mixture(u: tuple[float, float, float], scale: float) -> None:
    space = sweep(space={"reward.mixture": {}}, search={"mode": "random", "trials": 1})
    weights = MixtureAxis().from_unit(u)
    scaled = point(space, 0, {"reward.mixture": [scale * weight for weight in weights]})
    plain = point(space, 0, {"reward.mixture": weights})
    assert plain.config.grpo.reward.weights.as_tuple() == weights
    assert plain.params == {"reward.mixture": list(weights)}
    assert scaled.identity == plain.identity


@pytest.mark.parametrize(("scale_rewards", "runs"), [("group", 1), ("batch", 2), ("none", 2)])
def test_points_equal_up_to_scale_run_once_where_only_ratios_matter(scale_rewards: str, runs: int) -> None:
    found = enumerate_points(
        sweep(
            base={"grpo.scale_rewards": scale_rewards},
            space={"reward.mixture": [[0.2, 0.3, 0.5], [0.4, 0.6, 1.0]]},
        )
    )
    assert len(found.points) == runs
    assert [(d.label, d.number) for d in found.duplicates] == (
        [("reward.mixture=[0.4, 0.6, 1.0]", 0)] if runs == 1 else []
    )


def test_weights_that_are_axes_of_their_own_are_merged_too() -> None:
    # 1:1:1 and 2:2:2, 1:2:1, ... : of the 8 combinations two are one.
    axes = {f"grpo.reward.weights.{name}_weight": [1.0, 2.0] for name in ("format", "schema", "audio")}
    found = enumerate_points(sweep(space=axes))
    assert (len(found.points), len(found.duplicates)) == (7, 1)


def test_no_weight_at_all_is_refused() -> None:
    with pytest.raises(UserError, match=r"reward weights must not all be 0"):
        point(sweep(space={"reward.mixture": {"points": 2}}), 0, {"reward.mixture": [0, 0, 0]})


def test_huge_and_tiny_weights_are_compared_by_ratio() -> None:
    axes = {"reward.mixture": [[1e300, 1e300, 0], [1e-300, 1e-300, 0]]}
    assert len(enumerate_points(sweep(space=axes)).points) == 1
