"""Designs: which points a grid and a random search run, each learned once."""

from __future__ import annotations

from itertools import islice
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import UserError
from search_spaces.designs import enumerate_points, factorial, grid_cells, one_at_a_time, random_points
from search_spaces.points import params_of, point
from search_spaces.sweep_file import SweepFile
from search_spaces.tables import TABLE, SpaceRow

WIDE = {
    "optimizer.learning_rate": "guide",
    "grpo.beta": "guide",
    "lora.r": "guide",
    "grpo.num_generations": "guide",
    "noise.error_rate": "guide",
    "grpo.loss_type": ["dapo", "grpo"],
    "lora.target_modules": [["q_proj"], ["q_proj", "v_proj"]],
    "reward.mixture": "guide",
}


def sweep(**content: Any) -> SweepFile:
    return SweepFile.model_validate({"name": "x", **content})


def random_sweep(sampler: str, trials: int, seed: int = 0, **content: Any) -> SweepFile:
    search = {"mode": "random", "sampler": sampler, "trials": trials, "seed": seed}
    return sweep(**{"space": WIDE, "search": search} | content)


def test_one_at_a_time_is_the_base_and_each_axis_alone() -> None:
    space = sweep(
        base={"lora.r": 8},
        space={"lora.r": [4, 8, 16], "grpo.beta": {"range": [0.01, 0.04], "points": 2}},
        search={"design": "one_at_a_time"},
    )
    # The base's own 8 and 0.04 are not tried again.
    assert list(one_at_a_time(space)) == [
        {"lora.r": 8, "grpo.beta": 0.04},
        {"lora.r": 4, "grpo.beta": 0.04},
        {"lora.r": 16, "grpo.beta": 0.04},
        {"lora.r": 8, "grpo.beta": 0.01},
    ]
    found = enumerate_points(space)
    assert [p.params for p in found.points] == list(one_at_a_time(space))
    assert (found.duplicates, found.excluded) == ((), ())


def test_one_at_a_time_leaves_the_base_mixture_alone() -> None:
    space = sweep(space={"reward.mixture": {"points": 2}}, search={"design": "one_at_a_time"})
    assert [p.config.grpo.reward.weights.as_tuple() for p in enumerate_points(space).points] == [
        (0.2, 0.3, 0.5), (1, 0, 0), (0, 1, 0), (0, 0, 1),
    ]  # fmt: skip


def test_presets_are_crossed() -> None:
    space = sweep(space={"lora.r": {"preset": "lora_rank:r32"}, "batch.batch_size": {"preset": "batch_size"}})
    assert [tuple(params.values()) for params in factorial(space)] == [(32, 4), (32, 8), (32, 16), (32, 32)]


def test_two_preset_groups_have_the_product_of_their_members() -> None:
    space = sweep(
        space={
            "lora.r": {"preset": "lora_rank"},
            "optimizer.learning_rate": {"preset": "learning_rate"},
            "grpo.beta": {"preset": "grpo_beta"},
        }
    )
    assert len(enumerate_points(space).points) == 5 * 5 * 5


@pytest.mark.parametrize("sampler", ["uniform", "sobol", "halton"])
def test_a_longer_random_sweep_begins_with_a_shorter_ones_points(sampler: str) -> None:
    short = enumerate_points(random_sweep(sampler, 11)).points
    long = enumerate_points(random_sweep(sampler, 80)).points
    assert (len(short), len(long)) == (11, 80)
    assert long[:11] == short
    assert enumerate_points(random_sweep(sampler, 11, seed=1)).points != short


def test_the_samplers_differ() -> None:
    first = [
        next(random_points(random_sweep(sampler, 1)))["grpo.beta"]
        for sampler in ("uniform", "sobol", "halton")
    ]
    assert len(set(first)) == 3


@pytest.mark.parametrize("sampler", ["sobol", "halton"])
def test_low_discrepancy_draws_fill_the_range_evenly(sampler: str) -> None:
    space = random_sweep(sampler, 64, space={"noise.error_rate": {"range": [0, 64]}})
    cells = [int(params["noise.error_rate"]) for params in random_points(space)]
    # 64 scrambled Sobol points in one dimension: one in each of 64 cells. Halton's: one in each pair.
    if sampler == "sobol":
        assert sorted(cells) == list(range(64))
    assert {cell // 2 for cell in cells} == set(range(32))


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), sampler=st.sampled_from(["uniform", "sobol", "halton"]))
def test_config_to_point_to_config_is_the_identity(seed: int, sampler: str) -> None:
    space = random_sweep(sampler, 12, seed)
    found = enumerate_points(space).points
    assert len({p.identity for p in found}) == len(found) == 12
    for p in found:
        again = point(space, p.number, params_of(space, p.config))
        assert again == p


def test_points_that_repeat_or_break_a_constraint_are_drawn_anew() -> None:
    # 5 ranks, of which two are left out: 3 points, then the space counts as exhausted.
    space = random_sweep("uniform", 9, space={"lora.r": "guide"}, constraints=["lora.r < 32"])
    found = enumerate_points(space)
    assert sorted(p.config.lora.r for p in found.points) == [4, 8, 16]
    assert {excluded.params["lora.r"] for excluded in found.excluded} == {32, 64}
    assert len(found.duplicates) + len(found.excluded) >= 256


# seed is no axis, and reward_type custom needs a path beside it.
AXIS_ROWS = [
    row for row in TABLE if row.kind != "text" and row.path not in ("seed", "grpo.reward.reward_type")
]


@pytest.mark.parametrize("entry", AXIS_ROWS, ids=lambda row: row.path)
def test_a_guide_row_runs_at_both_its_ends(entry: SpaceRow) -> None:
    axis = "guide" if entry.choices else {"guide": 2}
    grid = enumerate_points(sweep(space={entry.path: axis})).points
    values = [p.params[entry.path] for p in grid]
    if entry.choices:
        assert values == [list(c) if isinstance(c, tuple) else c for c in entry.choices]
    else:
        assert values == [entry.low, entry.high]


def test_cells_of_a_mixed_sweep_are_the_combinations_of_listed_axes() -> None:
    space = sweep(
        space={"lora.r": [4, 8], "grpo.beta": "guide", "lora.bias": ["none", "all"]},
        search={"mode": "mixed", "trials": 8},
    )
    assert grid_cells(space) == [
        {"lora.r": 4, "lora.bias": "none"},
        {"lora.r": 4, "lora.bias": "all"},
        {"lora.r": 8, "lora.bias": "none"},
        {"lora.r": 8, "lora.bias": "all"},
    ]


@settings(max_examples=20, deadline=None)
@given(
    values=st.lists(st.tuples(*[st.sampled_from([0.0, 0.25, 0.5, 1.0])] * 3), min_size=1, max_size=12),
    scale=st.sampled_from(["group", "batch"]),
)
def test_no_identity_runs_twice(values: list[tuple[float, ...]], scale: str) -> None:
    mixtures = [list(value) for value in values if any(value)] or [[1, 0, 0]]
    found = enumerate_points(sweep(base={"grpo.scale_rewards": scale}, space={"reward.mixture": mixtures}))
    assert len({p.identity for p in found.points}) == len(found.points)
    assert len(found.points) + len(found.duplicates) == len(mixtures)
    assert [p.number for p in found.points] == list(range(len(found.points)))


def test_random_points_are_as_many_as_the_trials() -> None:
    space = random_sweep("sobol", 5)
    assert len(list(random_points(space))) == 5
    assert [p.params["grpo.beta"] for p in enumerate_points(space).points] == [
        params["grpo.beta"] for params in islice(random_points(space), 5)
    ]


def test_refused_points_are_listed_where_that_is_asked_for() -> None:
    space = sweep(space={"grpo.reward.reward_type": ["clap", "custom"], "lora.r": [4, 8]})
    with pytest.raises(UserError, match=r"custom_scorer_path must be set"):
        enumerate_points(space)
    found = enumerate_points(space, keep_invalid=True)
    assert [(p.number, p.config.lora.r) for p in found.points] == [(0, 4), (1, 8)]
    assert [one.params["lora.r"] for one in found.invalid] == [4, 8]
    assert "custom_scorer_path must be set" in found.invalid[0].reason
