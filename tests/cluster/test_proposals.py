"""Which point comes next, and that a rebuilt search goes on as if nothing had happened."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from cluster.listed_search import ListedProposals
from cluster.optuna_search import OptunaProposals
from cluster.point_outcome import PointOutcome
from cluster.proposals import proposals_for
from cluster.study import KnownPoint
from common.errors import UserError
from search_spaces.designs import enumerate_points

if TYPE_CHECKING:
    from search_spaces.search_config import Metric
    from search_spaces.sweep_file import SweepFile
    from tests.cluster.conftest import MakeSweep

SPACE = {
    "grpo.beta": {"range": [0.0, 0.5], "kind": "float"},
    "optimizer.learning_rate": {"range": [1e-5, 1e-3], "scale": "log", "kind": "float"},
    "lora.r": {"range": [4, 64], "scale": "log", "kind": "int"},
    "lora.alpha": [8, 16, 32],
    "lora.target_modules": [["q_proj"], ["q_proj", "v_proj"]],
}


def optuna_sweep(make_sweep: MakeSweep, **search: Any) -> SweepFile:
    return make_sweep(space=SPACE, search={"mode": "optuna", "trials": 24} | search)


FAILED = PointOutcome("failed", {}, {})


def outcome(beta: float) -> PointOutcome:
    """A parabola in beta with its top at 0.1."""
    return PointOutcome("finished", {"held_out_objective": -((beta - 0.1) ** 2)}, {})


def run(proposals: OptunaProposals, number: int) -> list[dict[str, Any]]:
    proposed = []
    for _ in range(number):
        point = proposals.propose()
        assert point is not None
        proposed.append(dict(point.params))
        proposals.tell(point.number, outcome(point.config.grpo.beta))
    return proposed


def test_a_grid_is_proposed_in_order_and_restored_points_are_left_out(make_sweep: MakeSweep) -> None:
    proposals = ListedProposals(enumerate_points(make_sweep(space={"lora.r": [4, 8, 16]})).points)
    proposals.restore(0, {"lora.r": 4}, {})
    proposals.restore(2, {"lora.r": 16}, {})
    point = proposals.propose()
    assert point is not None
    assert (point.number, point.params) == (1, {"lora.r": 8})
    assert proposals.propose() is None


def test_optuna_proposes_its_number_of_points_inside_the_space(make_sweep: MakeSweep) -> None:
    proposals = OptunaProposals(optuna_sweep(make_sweep))
    proposed = run(proposals, 24)
    assert proposals.propose() is None
    for params in proposed:
        assert 0 <= params["grpo.beta"] <= 0.5
        assert 1e-5 <= params["optimizer.learning_rate"] <= 1e-3
        assert isinstance(params["lora.r"], int)
        assert params["lora.alpha"] in (8.0, 16.0, 32.0)
        assert params["lora.target_modules"] in (["q_proj"], ["q_proj", "v_proj"])


def test_optuna_is_deterministic_and_its_seed_counts(make_sweep: MakeSweep) -> None:
    first = run(OptunaProposals(optuna_sweep(make_sweep)), 12)
    assert run(OptunaProposals(optuna_sweep(make_sweep)), 12) == first
    assert run(OptunaProposals(optuna_sweep(make_sweep, seed=1)), 12) != first


@pytest.mark.parametrize("sampler", ["tpe", "gp", "cmaes", "nsga2"])
def test_a_rebuilt_search_proposes_what_the_uninterrupted_one_does(
    make_sweep: MakeSweep, sampler: str
) -> None:
    sweep = optuna_sweep(make_sweep, sampler=sampler)
    # The first driver is killed with points 16 and 17 running; 16 had failed, 17 goes on.
    first = OptunaProposals(sweep)
    before = run(first, 16)
    expected = [first.propose(), first.propose()]
    first.tell(16, FAILED)
    expected.append(first.propose())

    second = OptunaProposals(sweep)
    for number, params in enumerate(before):
        second.restore(number, params, first.notes(number))
        second.tell(number, outcome(params["grpo.beta"]))
    for point in expected[:2]:
        assert point is not None
        second.restore(point.number, point.params, first.notes(point.number))
    second.tell(16, FAILED)
    assert second.propose() == expected[2]


@pytest.mark.parametrize("sampler", ["gp", "cmaes", "nsga2"])
def test_every_sampler_proposes_its_number_of_points_and_its_seed_counts(
    make_sweep: MakeSweep, sampler: str
) -> None:
    proposals = OptunaProposals(optuna_sweep(make_sweep, sampler=sampler))
    first = run(proposals, 14)
    assert len({str(params) for params in first}) == 14
    assert run(OptunaProposals(optuna_sweep(make_sweep, sampler=sampler)), 14) == first
    assert run(OptunaProposals(optuna_sweep(make_sweep, sampler=sampler, seed=1)), 14) != first


@pytest.mark.parametrize(("sampler", "key"), [("cmaes", "cma"), ("nsga2", "NSGAIISampler")])
def test_generations_follow_each_other(make_sweep: MakeSweep, sampler: str, key: str) -> None:
    """One numeric axis: populations of 4 + floor(3 ln 1) = 4 points for CMA-ES, and of 8 for NSGA-II."""
    space = {"grpo.beta": {"range": [0.0, 0.5], "kind": "float"}}
    sweep = make_sweep(space=space, search={"mode": "optuna", "trials": 24, "sampler": sampler})
    proposals = OptunaProposals(sweep)
    betas = [params["grpo.beta"] for params in run(proposals, 24)]
    generations = [proposals.notes(number).get(f"{key}:generation", 0) for number in range(24)]
    assert generations == sorted(generations)
    assert generations[-1] >= (4 if sampler == "cmaes" else 2)
    assert sum(abs(beta - 0.1) for beta in betas[-4:]) < sum(abs(beta - 0.1) for beta in betas[:4])


@pytest.mark.parametrize("sampler", ["tpe", "nsga2"])
def test_several_metrics_have_a_direction_each(make_sweep: MakeSweep, sampler: str) -> None:
    metrics = ["held_out_objective", "train_seconds"]
    proposals = OptunaProposals(optuna_sweep(make_sweep, sampler=sampler, metrics=metrics))
    for number in range(14):
        point = proposals.propose()
        assert point is not None
        beta = point.config.grpo.beta
        both: dict[Metric, float] = {"held_out_objective": -((beta - 0.1) ** 2), "train_seconds": 10 * beta}
        # A stopped point of several metrics has no value that could be compared.
        stopped = PointOutcome("stopped", {}, {4: 0.5})
        proposals.tell(number, stopped if number == 3 else PointOutcome("finished", both, {}))
    space = proposals._search._space
    assert space.directions == ["maximize", "minimize"]
    assert [space.frozen(proposals._search.points[n]).state.name for n in (2, 3)] == ["COMPLETE", "FAIL"]


def test_a_stopped_point_is_pruned_with_what_it_was_worth_at_each_step(make_sweep: MakeSweep) -> None:
    proposals = OptunaProposals(optuna_sweep(make_sweep))
    first, second = proposals.propose(), proposals.propose()
    assert first is not None
    assert second is not None
    proposals.tell(0, PointOutcome("stopped", {}, {0: 0.25, 4: 0.5}))
    proposals.tell(1, FAILED)
    trials = proposals._search._space.study(proposals._search.points.values()).trials
    assert [trial.state.name for trial in trials] == ["PRUNED", "FAIL"]
    assert trials[0].intermediate_values == {0: 0.25, 4: 0.5}
    assert proposals.propose() is not None


def test_a_point_missing_from_the_records_is_an_error(make_sweep: MakeSweep) -> None:
    proposals = OptunaProposals(optuna_sweep(make_sweep))
    with pytest.raises(UserError, match=r"got none of number 0 but 1"):
        proposals.restore(1, {}, {})


def misleading(beta: float) -> PointOutcome:
    """Best at beta 0.4, but above 0.25 it is infeasible, by more and more."""
    misses = {"vibe_margin": -0.1, "noise_share": beta - 0.25}
    return PointOutcome("finished", {"held_out_objective": -((beta - 0.4) ** 2)}, {}, misses)


def betas_told(sweep: SweepFile, number: int, *, infeasible: bool) -> list[float]:
    """The betas of a search, told of infeasible points or not."""
    proposals, betas = OptunaProposals(sweep), []
    for _ in range(number):
        point = proposals.propose()
        assert point is not None
        betas.append(point.config.grpo.beta)
        known = misleading(betas[-1])
        proposals.tell(point.number, known if infeasible else known._replace(misses={}))
    return betas


@pytest.mark.parametrize(("sampler", "at_most"), [("tpe", 12), ("gp", 0), ("nsga2", 12)])
def test_a_search_turns_away_from_where_points_are_infeasible(
    make_sweep: MakeSweep, sampler: str, at_most: int
) -> None:
    """Points clearly inside the infeasible region, which looks best, among the last 16 of 32, for two seeds.

    A region of 0.3 to 0.5 has 2 of 5 points by chance, 13 of 32. The Gaussian process ends at the border.
    """
    space = {"grpo.beta": {"range": [0.0, 0.5], "kind": "float"}, "lora.alpha": [8, 16, 32]}
    search = {"mode": "optuna", "trials": 32, "sampler": sampler}
    sweeps = [make_sweep(space=space, search=search | {"seed": seed}) for seed in (0, 1)]
    judged, unjudged = (
        sum(beta > 0.3 for sweep in sweeps for beta in betas_told(sweep, 32, infeasible=infeasible)[-16:])
        for infeasible in (True, False)
    )
    assert judged <= at_most < unjudged


def test_cmaes_sees_no_constraints_and_says_none(make_sweep: MakeSweep) -> None:
    sweep = optuna_sweep(make_sweep, sampler="cmaes")
    assert betas_told(sweep, 14, infeasible=True) == betas_told(sweep, 14, infeasible=False)
    space = OptunaProposals(sweep)._search._space
    [trial] = space.study([KnownPoint(0, {"grpo.beta": 0.5}, misleading(0.5))]).trials
    assert trial.constraints == {}


@pytest.mark.parametrize("sampler", ["tpe", "gp", "nsga2"])
def test_while_every_point_is_feasible_the_search_is_as_without_rules(
    make_sweep: MakeSweep, sampler: str
) -> None:
    sweep = optuna_sweep(make_sweep, sampler=sampler)
    plain, judged = OptunaProposals(sweep), OptunaProposals(sweep)
    expected = run(plain, 14)
    for params in expected:
        point = judged.propose()
        assert point is not None
        assert point.params == params
        judged.tell(point.number, outcome(point.config.grpo.beta)._replace(misses={"noise_share": -0.05}))


def test_every_complete_trial_has_the_same_constraints(make_sweep: MakeSweep) -> None:
    sweep = optuna_sweep(make_sweep)
    space = OptunaProposals(sweep)._search._space
    known = [
        KnownPoint(0, {"grpo.beta": 0.5}, misleading(0.5)),
        # As of a warm start that an earlier version wrote, which judged nothing.
        KnownPoint(1, {"grpo.beta": 0.1}, outcome(0.1)),
        KnownPoint(2, {"grpo.beta": 0.2}, FAILED),
        KnownPoint(3, {"grpo.beta": 0.3}),
    ]
    assert [trial.constraints for trial in space.study(known).trials] == [
        {"noise_share": 0.25, "vibe_margin": -0.1}, {"noise_share": 0.0, "vibe_margin": 0.0}, {}, {},
    ]  # fmt: skip


def test_a_small_space_ends_early_instead_of_repeating_points(make_sweep: MakeSweep) -> None:
    sweep = make_sweep(space={"lora.r": [4, 8]}, search={"mode": "optuna", "trials": 10})
    proposals = OptunaProposals(sweep)
    assert sorted(params["lora.r"] for params in run(proposals, 2)) == [4, 8]
    assert proposals.propose() is None


def test_refused_combinations_are_drawn_again(make_sweep: MakeSweep) -> None:
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


def test_the_study_learns(make_sweep: MakeSweep) -> None:
    """On a parabola in beta the last 8 of 24 points are nearer its top than the first 10, drawn at random."""
    proposed = run(OptunaProposals(optuna_sweep(make_sweep)), 24)
    regret = [abs(params["grpo.beta"] - 0.1) for params in proposed]
    assert sum(regret[-8:]) / 8 < sum(regret[:10]) / 10


def test_random_points_are_proposed_in_order_and_a_longer_sweep_goes_on(make_sweep: MakeSweep) -> None:
    def proposals(trials: int) -> Any:
        return proposals_for(make_sweep(space=SPACE, search={"mode": "random", "trials": trials}))

    short, long = proposals(3), proposals(5)
    for number in range(3):
        point = short.propose()
        assert point is not None
        # As a record in the sweep directory has it.
        long.restore(number, json.loads(json.dumps(dict(point.params))), {})
    assert short.propose() is None
    numbers = [point.number for point in (long.propose(), long.propose()) if point is not None]
    assert (numbers, long.propose()) == ([3, 4], None)


@pytest.mark.parametrize("sampler", ["tpe", "gp", "cmaes", "nsga2"])
def test_optuna_goes_through_mixtures_derived_settings_and_conditions(
    make_sweep: MakeSweep, sampler: str
) -> None:
    sweep = make_sweep(
        space={"reward.mixture": "guide", "lora.r": "guide", "grpo.beta": "guide"},
        derived={"lora.alpha": "2 * lora.r"},
        when={"grpo.beta": "lora.alpha > 16"},
        search={"mode": "optuna", "trials": 16, "sampler": sampler},
    )
    first, second = OptunaProposals(sweep), OptunaProposals(sweep)
    for number in range(16):
        point = first.propose()
        assert point is not None
        assert sum(point.config.grpo.reward.weights.as_tuple()) == pytest.approx(1)
        assert point.config.lora.alpha == 2 * point.config.lora.r
        assert ("grpo.beta" in point.params) is (point.config.lora.r > 8)
        second.restore(number, json.loads(json.dumps(dict(point.params))), first.notes(number))
        for proposals in (first, second):
            proposals.tell(number, outcome(point.config.grpo.beta))
    assert second.propose() is None


def test_an_axis_whose_condition_is_false_is_not_in_the_study(make_sweep: MakeSweep) -> None:
    sweep = make_sweep(
        space={"lora.r": [4, 16], "grpo.beta": {"range": [0.0, 0.5], "kind": "float"}},
        when={"grpo.beta": "lora.r > 8"},
        search={"mode": "optuna", "trials": 4},
    )
    proposals = OptunaProposals(sweep)
    run(proposals, 4)
    trials = proposals._search._space.study(proposals._search.points.values()).trials
    assert {trial.params["lora.r"]: sorted(trial.params) for trial in trials} == {
        "4": ["lora.r"], "16": ["grpo.beta", "lora.r"],
    }  # fmt: skip
