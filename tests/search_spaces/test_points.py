"""Points: order, identity, labels, and the untrained policies to compare with."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import UserError
from search_spaces.designs import enumerate_points
from search_spaces.points import config_hash, point, trial_id, untrained_points
from search_spaces.sweep_file import SweepFile


def sweep(**content: Any) -> SweepFile:
    return SweepFile.model_validate({"name": "x", **content})


def test_a_grid_is_full_factorial_with_the_last_axis_fastest() -> None:
    points = enumerate_points(sweep(space={"lora.r": [8, 4], "grpo.beta": [0.0, 0.04]})).points
    assert [(p.number, dict(p.params)) for p in points] == [
        (0, {"lora.r": 8, "grpo.beta": 0.0}),
        (1, {"lora.r": 8, "grpo.beta": 0.04}),
        (2, {"lora.r": 4, "grpo.beta": 0.0}),
        (3, {"lora.r": 4, "grpo.beta": 0.04}),
    ]
    assert points[1].label == "lora.r=8, grpo.beta=0.04"


def test_equal_points_run_once() -> None:
    # 16 and 16.0 are one alpha, 8 is given twice.
    points = enumerate_points(sweep(space={"lora.alpha": [16, 16.0, 8, 8]})).points
    assert [(p.number, p.params["lora.alpha"]) for p in points] == [(0, 16.0), (1, 8.0)]


def test_a_sweep_without_axes_has_one_point() -> None:
    (only,) = enumerate_points(sweep(base={"lora.r": 2})).points
    assert (only.label, only.params, only.config.lora.r) == ("base", {}, 2)


def test_an_axis_goes_before_the_base() -> None:
    (only,) = enumerate_points(sweep(base={"lora": {"r": 2, "alpha": 4}}, space={"lora.r": [32]})).points
    assert (only.config.lora.r, only.config.lora.alpha) == (32, 4)


def test_the_hash_is_of_what_is_learned() -> None:
    plain = point(sweep(), 0, {})
    assert plain.config_hash == config_hash(plain.config.model_copy(update={"seed": 7}))
    assert (
        plain.config_hash
        == point(sweep(base={"infra.max_retries": 9, "logging.save_steps": 3}), 0, {}).config_hash
    )
    assert plain.config_hash != point(sweep(base={"lora.r": 3}), 0, {}).config_hash
    assert len(plain.config_hash) == 16


def test_a_refused_combination_names_the_point() -> None:
    weights = [f"grpo.reward.weights.{name}_weight" for name in ("format", "schema", "audio")]
    with pytest.raises(UserError, match=r"must not all be 0.*in the point .*audio_weight=0"):
        enumerate_points(sweep(space={path: [0.5, 0] for path in weights}))


def test_each_base_model_and_prompt_has_its_untrained_policy() -> None:
    two = untrained_points(sweep(space={"base_model": ["tiny", "own/er"], "lora.r": [1, 2]}))
    assert [p.config.base_model for p in two] == ["tiny", "own/er"]
    (one,) = untrained_points(sweep(base={"base_model": "tiny"}, space={"lora.r": [1, 2]}))
    assert one.params == {}


def test_trials_are_named_by_point_and_seed() -> None:
    assert trial_id(3, 1) == "t003-s1"
    assert trial_id(1234, 42) == "t1234-s42"


@settings(max_examples=15, deadline=None)
@given(
    ranks=st.lists(st.integers(1, 128), min_size=1, max_size=3, unique=True),
    betas=st.lists(st.floats(0, 1), min_size=1, max_size=3, unique=True),
)
def test_every_combination_runs_exactly_as_given(ranks: list[int], betas: list[float]) -> None:
    points = enumerate_points(sweep(space={"lora.r": ranks, "grpo.beta": betas})).points
    assert [(p.config.lora.r, p.config.grpo.beta) for p in points] == list(product(ranks, betas))
    assert [(p.params["lora.r"], p.params["grpo.beta"]) for p in points] == list(product(ranks, betas))
    assert len({p.config_hash for p in points}) == len(points)
