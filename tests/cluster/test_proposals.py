"""Which point comes next, and that a rebuilt search goes on as if nothing had happened."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import optuna
import pytest

from cluster.proposals import EnumeratedProposals, OptunaProposals
from common.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable

    from search_spaces.points import Point
    from search_spaces.sweep_file import SweepFile

SPACE = {
    "grpo.beta": {"range": [0.0, 0.5], "kind": "float"},
    "optimizer.learning_rate": {"range": [1e-5, 1e-3], "scale": "log", "kind": "float"},
    "lora.r": {"range": [4, 64], "scale": "log", "kind": "int"},
    "lora.alpha": [8, 16, 32],
    "lora.target_modules": [["q_proj"], ["q_proj", "v_proj"]],
}


def optuna_sweep(make_sweep: Callable[..., SweepFile], **search: Any) -> SweepFile:
    return make_sweep(space=SPACE, search={"mode": "optuna", "trials": 24} | search)


def objective(point: Point) -> float:
    return -((point.config.grpo.beta - 0.1) ** 2)


def run(proposals: OptunaProposals, number: int) -> list[dict[str, Any]]:
    proposed = []
    for _ in range(number):
        point = proposals.propose()
        assert point is not None
        proposed.append(dict(point.params))
        proposals.tell(point.number, objective(point))
    return proposed


def test_a_grid_is_proposed_in_order_and_restored_points_are_left_out(make_sweep: Any) -> None:
    proposals = EnumeratedProposals(make_sweep(space={"lora.r": [4, 8, 16]}))
    proposals.restore(0, {"lora.r": 4})
    proposals.restore(2, {"lora.r": 16})
    point = proposals.propose()
    assert point is not None
    assert (point.number, point.params) == (1, {"lora.r": 8})
    assert proposals.propose() is None


def test_optuna_proposes_its_number_of_points_inside_the_space(make_sweep: Any) -> None:
    proposals = OptunaProposals(optuna_sweep(make_sweep))
    proposed = run(proposals, 24)
    assert proposals.propose() is None
    for params in proposed:
        assert 0 <= params["grpo.beta"] <= 0.5
        assert 1e-5 <= params["optimizer.learning_rate"] <= 1e-3
        assert isinstance(params["lora.r"], int)
        assert params["lora.alpha"] in (8.0, 16.0, 32.0)
        assert params["lora.target_modules"] in (["q_proj"], ["q_proj", "v_proj"])


def test_optuna_is_deterministic_and_its_seed_counts(make_sweep: Any) -> None:
    first = run(OptunaProposals(optuna_sweep(make_sweep)), 12)
    assert run(OptunaProposals(optuna_sweep(make_sweep)), 12) == first
    assert run(OptunaProposals(optuna_sweep(make_sweep, seed=1)), 12) != first


def test_a_rebuilt_study_proposes_what_the_uninterrupted_one_does(make_sweep: Any) -> None:
    sweep = optuna_sweep(make_sweep)
    # The first driver is killed with points 12 and 13 running; 12 had failed, 13 goes on.
    first = OptunaProposals(sweep)
    before = run(first, 12)
    expected = [first.propose(), first.propose()]
    first.tell(12, None)
    expected.append(first.propose())

    second = OptunaProposals(sweep)
    for number, params in enumerate(before):
        second.restore(number, params)
        second.tell(number, -((params["grpo.beta"] - 0.1) ** 2))
    for point in expected[:2]:
        assert point is not None
        second.restore(point.number, point.params)
    second.tell(12, None)
    assert second.propose() == expected[2]


def test_a_point_missing_from_the_records_is_an_error(make_sweep: Any) -> None:
    proposals = OptunaProposals(optuna_sweep(make_sweep))
    with pytest.raises(UserError, match=r"got none of number 0 but 1"):
        proposals.restore(1, {})


def test_a_small_space_ends_early_instead_of_repeating_points(make_sweep: Any) -> None:
    sweep = make_sweep(space={"lora.r": [4, 8]}, search={"mode": "optuna", "trials": 10})
    proposals = OptunaProposals(sweep)
    assert sorted(params["lora.r"] for params in run(proposals, 2)) == [4, 8]
    assert proposals.propose() is None


def test_refused_combinations_are_drawn_again(make_sweep: Any) -> None:
    # All weights zero is refused: one of the four combinations.
    space = {f"grpo.reward.weights.{name}_weight": [0.0, 1.0] for name in ("format", "schema")}
    sweep = make_sweep(
        base={
            "base_model": "tiny",
            "grpo.reward.weights.audio_weight": 0.0,
            "grpo.reward.weights.format_weight": 1,
        },
        space=space,
        search={"mode": "optuna", "trials": 3},
    )
    proposals = OptunaProposals(sweep)
    assert len(run(proposals, 3)) == 3
    assert proposals.propose() is None


def test_the_study_learns(make_sweep: Any) -> None:
    """On a parabola in beta the last 8 of 24 points are nearer its top than the first 10, drawn at random."""
    proposed = run(OptunaProposals(optuna_sweep(make_sweep)), 24)
    regret = [abs(params["grpo.beta"] - 0.1) for params in proposed]
    assert sum(regret[-8:]) / 8 < sum(regret[:10]) / 10


def test_the_study_maximizes(make_sweep: Any) -> None:
    proposals = OptunaProposals(optuna_sweep(make_sweep))
    assert proposals._study.direction == optuna.study.StudyDirection.MAXIMIZE


def test_random_points_are_proposed_in_order_and_a_longer_sweep_goes_on(make_sweep: Any) -> None:
    def proposals(trials: int) -> EnumeratedProposals:
        return EnumeratedProposals(make_sweep(space=SPACE, search={"mode": "random", "trials": trials}))

    short, long = proposals(3), proposals(5)
    for number in range(3):
        point = short.propose()
        assert point is not None
        # As a record in the sweep directory has it.
        long.restore(number, json.loads(json.dumps(dict(point.params))))
    assert short.propose() is None
    numbers = [point.number for point in (long.propose(), long.propose()) if point is not None]
    assert (numbers, long.propose()) == ([3, 4], None)


def test_optuna_goes_through_mixtures_derived_settings_and_conditions(make_sweep: Any) -> None:
    sweep = make_sweep(
        space={"reward.mixture": "guide", "lora.r": "guide", "grpo.beta": "guide"},
        derived={"lora.alpha": "2 * lora.r"},
        when={"grpo.beta": "lora.r > 8"},
        search={"mode": "optuna", "trials": 12},
    )
    first, second = OptunaProposals(sweep), OptunaProposals(sweep)
    for number in range(12):
        point = first.propose()
        assert point is not None
        assert sum(point.config.grpo.reward.weights.as_tuple()) == pytest.approx(1)
        assert point.config.lora.alpha == 2 * point.config.lora.r
        assert ("grpo.beta" in point.params) is (point.config.lora.r > 8)
        first.tell(number, float(point.config.lora.r))
        second.restore(number, json.loads(json.dumps(dict(point.params))))
    assert second.propose() is None
