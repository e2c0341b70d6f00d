"""Axes: which values a grid tries, where a draw lands, and how an axis is written."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from search_spaces.axes import Axis, GridAxis, MixtureAxis, RangeAxis
from search_spaces.axis_spelling import parse_axis


def axis_of(low: float, high: float, **content: Any) -> RangeAxis:
    return RangeAxis.model_validate({"range": (low, high), "kind": "float"} | content)


@pytest.mark.parametrize(
    ("axis", "values"),
    [
        (axis_of(0, 0.5, points=3), (0.0, 0.25, 0.5)),
        # A factor of 2 each: the guide's five.
        (axis_of(0.01, 0.16, scale="log", points=5), (0.01, 0.02, 0.04, 0.08, 0.16)),
        (axis_of(2, 8, kind="int", points=4), (2, 4, 6, 8)),
        (axis_of(1, 100, kind="int", scale="log", points=3), (1, 10, 100)),
        (axis_of(4, 64, kind="int", scale="power_of_two"), (4, 8, 16, 32, 64)),
        (axis_of(4, 64, kind="int", scale="power_of_two", points=3), (4, 16, 64)),
    ],
)
def test_a_grid_takes_values_evenly_spread_on_the_scale(axis: RangeAxis, values: tuple[float, ...]) -> None:
    assert axis.grid_values() == values
    assert [type(value) for value in axis.grid_values()] == [int if axis.kind == "int" else float] * len(
        values
    )


@pytest.mark.parametrize(
    ("axis", "u", "value"),
    [
        (axis_of(0, 0.5), 0.5, 0.25),
        (axis_of(1e-4, 1e-2, scale="log"), 0.5, 1e-3),
        # 2..8 are seven values with a seventh of [0, 1] each.
        (axis_of(2, 8, kind="int"), 1 / 7 - 1e-9, 2),
        (axis_of(2, 8, kind="int"), 1 / 7 + 1e-9, 3),
        (axis_of(4, 64, kind="int", scale="power_of_two"), 0.41, 16),
        (GridAxis(grid=("a", "b")), 0.49, "a"),
        (GridAxis(grid=("a", "b")), 0.5, "b"),
        (GridAxis(grid=("a", "b")), 1.0, "b"),
    ],
)
def test_a_draw_lands_where_its_share_says(axis: GridAxis | RangeAxis, u: float, value: object) -> None:
    assert axis.num_coordinates == 1
    assert axis.from_unit((u,)) == value


@given(
    low=st.floats(1e-6, 1),
    factor=st.floats(1.01, 1e6),
    u=st.floats(0, 1),
    scale=st.sampled_from(["linear", "log"]),
)
def test_both_ends_are_exact_and_draws_between(low: float, factor: float, u: float, scale: str) -> None:
    high = low * factor
    axis = axis_of(low, high, scale=scale)
    assert (axis.from_unit((0.0,)), axis.from_unit((1.0,))) == (low, high)
    assert low <= axis.from_unit((u,)) <= high


@given(low=st.integers(1, 50), more=st.integers(1, 50), scale=st.sampled_from(["linear", "log"]))
def test_every_whole_number_of_a_range_is_drawn(low: int, more: int, scale: str) -> None:
    axis = axis_of(low, low + more, kind="int", scale=scale)
    assert {axis.from_unit((n / 5000,)) for n in range(5001)} == set(range(low, low + more + 1))


@pytest.mark.parametrize(
    ("raw", "axis"),
    [
        ([8, 16], GridAxis(grid=(8, 16))),
        ({"grid": [8]}, GridAxis(grid=(8,))),
        ("guide", axis_of(4, 64, kind="int", scale="power_of_two")),
        ({"guide": 3}, axis_of(4, 64, kind="int", scale="power_of_two", points=3)),
        ({"range": [4, 64], "points": 5}, axis_of(4, 64, kind="int", points=5)),
        ({"preset": "lora_rank"}, GridAxis(grid=(4, 8, 16, 32, 64))),
        ({"preset": "lora_rank:r32"}, GridAxis(grid=(32,))),
        ({"preset": ["lora_rank:r8", "lora_rank:r32"]}, GridAxis(grid=(8, 32))),
    ],
)
def test_an_axis_may_be_written_in_these_ways(raw: object, axis: Axis) -> None:
    assert parse_axis("lora.r", raw) == axis


def test_the_mixture_may_be_written_in_these_ways() -> None:
    assert parse_axis("reward.mixture", "guide") == MixtureAxis()
    assert parse_axis("reward.mixture", {}) == MixtureAxis()
    assert parse_axis("reward.mixture", {"points": 5, "faces": False}) == MixtureAxis(points=5, faces=False)
    listed = parse_axis("reward.mixture", [[1, 0, 0], [0.2, 0.3, 0.5]])
    assert listed == GridAxis(grid=((1.0, 0.0, 0.0), (0.2, 0.3, 0.5)))


@pytest.mark.parametrize(
    ("path", "raw", "message"),
    [
        ("lora.r", {"rang": [1, 2]}, r"got {'rang': \[1, 2\]}; did you mean range\?"),
        ("lora.r", {"range": [1, 2], "scle": "log"}, r"; did you mean scale\?"),
        (
            "lora.r",
            {"preset": "lora_rank:r33"},
            r"must be one of r4, .* got 'lora_rank:r33'; did you mean r32\?",
        ),
        ("lora.r", {"preset": "lora_rnk"}, r"got 'lora_rnk'; did you mean lora_rank\?"),
        ("lora.r", {"preset": "lora_rank:"}, r"must be one of r4"),
        ("lora.r", {"guide": 1}, r"points"),
        ("lora.r", {"guide": 9}, r"points must be <= the values of the range, got 9 > 5"),
        ("lora.alpha", {"range": [8, 32], "scale": "power_of_two"}, r"must be of kind 'int'"),
        ("optimizer.max_grad_norm", "guide", r"must have a row for it, got 'optimizer.max_grad_norm'"),
        ("reward.mixture", [[0, 0, 0]], r"three weights >= 0 that are not all 0, got \[0, 0, 0\]"),
        ("reward.mixture", [[1, 1]], r"got \[1, 1\]; write \[format, schema, audio\]"),
        ("reward.mixture", {"face": True}, r"got {'face': True}; did you mean faces\?"),
        ("reward.mixture", {"range": [0, 1]}, r"the mixture must be {points"),
    ],
)
def test_another_spelling_is_refused_with_what_was_meant(path: str, raw: object, message: str) -> None:
    with pytest.raises((ValueError, ValidationError), match=message):
        parse_axis(path, raw)
