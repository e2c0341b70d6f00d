"""Derived settings, axes with a condition, and constraints: what holds at a point, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from common.errors import UserError
from search_spaces.designs import enumerate_points
from search_spaces.points import ConstraintError, point, untrained_points
from search_spaces.problems import sweep_problem
from search_spaces.sweep_file import SweepFile


def sweep(**content: Any) -> SweepFile:
    return SweepFile.model_validate({"name": "x", **content})


def refusal(**content: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        sweep(**content)
    return sweep_problem(caught.value, SweepFile)


def test_a_derived_setting_follows_its_axis() -> None:
    found = enumerate_points(sweep(space={"lora.r": [4, 8]}, derived={"lora.alpha": "2 * lora.r"})).points
    assert [(p.config.lora.r, p.config.lora.alpha) for p in found] == [(4, 8), (8, 16)]
    assert [dict(p.params) for p in found] == [{"lora.r": 4}, {"lora.r": 8}]


def test_derived_settings_are_computed_in_the_order_of_what_they_read() -> None:
    # r = 4 -> alpha = 8 -> batch = 9; written the other way round.
    (only,) = enumerate_points(
        sweep(
            space={"lora.r": [4]}, derived={"batch.batch_size": "lora.alpha + 1", "lora.alpha": "lora.r * 2"}
        )
    ).points
    assert (only.config.lora.alpha, only.config.batch.batch_size) == (8, 9)


def test_an_axis_exists_only_where_its_condition_is_true() -> None:
    found = enumerate_points(
        sweep(
            base={"noise.error_rate": 0.3},
            space={"grpo.beta": [0.05, 0.2], "noise.error_rate": [0.0, 0.5]},
            when={"noise.error_rate": "grpo.beta < 0.1"},
        )
    )
    assert [dict(p.params) for p in found.points] == [
        {"grpo.beta": 0.05, "noise.error_rate": 0.0},
        {"grpo.beta": 0.05, "noise.error_rate": 0.5},
        {"grpo.beta": 0.2},
    ]
    assert found.points[2].config.noise.error_rate == 0.3
    assert found.points[2].label == "grpo.beta=0.2"
    assert [duplicate.number for duplicate in found.duplicates] == [2]


def test_a_derived_setting_reads_the_base_where_its_axis_is_dropped() -> None:
    space = sweep(
        base={"lora.r": 3},
        space={"grpo.beta": [0.0, 1.0], "lora.r": [64]},
        when={"lora.r": "grpo.beta > 0.5"},
        derived={"lora.alpha": "lora.r + 1"},
    )
    assert [p.config.lora.alpha for p in enumerate_points(space).points] == [4, 65]


def test_a_condition_may_read_a_derived_setting_and_another_conditional_axis() -> None:
    space = sweep(
        space={"lora.r": [4, 8], "lora.dropout": [0.1], "grpo.beta": [0.5]},
        derived={"lora.alpha": "lora.r * 2"},
        when={"lora.dropout": "lora.alpha > 8", "grpo.beta": "lora.dropout > 0"},
    )
    assert [dict(p.params) for p in enumerate_points(space).points] == [
        {"lora.r": 4},
        {"lora.r": 8, "lora.dropout": 0.1, "grpo.beta": 0.5},
    ]


def test_the_mixture_may_have_a_condition() -> None:
    space = sweep(
        space={"grpo.reward.reward_type": ["clap", "schema_only"], "reward.mixture": [[0, 0, 1]]},
        when={"reward.mixture": "grpo.reward.reward_type == 'clap'"},
    )
    clap, schema = enumerate_points(space).points
    assert clap.config.grpo.reward.weights.as_tuple() == (0, 0, 1)
    assert schema.config.grpo.reward.weights.as_tuple() == (0.2, 0.3, 0.5)


def test_a_setting_that_only_one_choice_needs_is_an_axis_with_a_condition() -> None:
    space = sweep(
        space={
            "grpo.reward.reward_type": ["clap", "custom"],
            "grpo.reward.custom_scorer_path": ["my:scorer"],
        },
        when={"grpo.reward.custom_scorer_path": "grpo.reward.reward_type == 'custom'"},
    )
    found = enumerate_points(space).points
    assert [p.config.grpo.reward.custom_scorer_path for p in found] == [None, "my:scorer"]


def test_points_that_break_a_constraint_are_left_out_and_said_so() -> None:
    found = enumerate_points(
        sweep(
            space={"batch.batch_size": [8, 32], "grpo.num_generations": [4, 8]},
            constraints=["batch.batch_size * grpo.num_generations <= 128"],
        )
    )
    assert [p.number for p in found.points] == [0, 1, 2]
    [excluded] = found.excluded
    assert excluded.params == {"batch.batch_size": 32, "grpo.num_generations": 8}
    assert excluded.reason == "constraints: 'batch.batch_size * grpo.num_generations <= 128' must hold"


def test_a_point_that_breaks_a_constraint_is_refused() -> None:
    with pytest.raises(ConstraintError, match=r"'lora.r < 4' must hold, got the point lora.r=4"):
        point(sweep(space={"lora.r": [2, 4]}, constraints=["lora.r < 4"]), 0, {"lora.r": 4})


def test_untrained_policies_are_compared_whatever_the_constraints_say() -> None:
    space = sweep(space={"base_model": ["tiny", "own/er"], "lora.r": [1]}, constraints=["lora.r < 4"])
    assert [p.config.base_model for p in untrained_points(space)] == ["tiny", "own/er"]


def test_a_derived_value_that_training_config_refuses_is_said_with_its_point() -> None:
    space = sweep(space={"lora.r": [3]}, derived={"batch.batch_size": "lora.r / 2"})
    with pytest.raises(
        UserError, match=r"^derived\.batch\.batch_size: .*valid integer, got .* \(in the point lora\.r=3\)"
    ):
        enumerate_points(space)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"derived": {"lora.alpha": "2 * lora.rank"}}, "derived.lora.alpha: lora.rank: must be a setting"),
        ({"derived": {"lora.alfa": "2"}}, "derived.lora.alfa: must be a setting of TrainingConfig, got"),
        ({"derived": {"lora.alpha": "lora.bias"}}, "derived.lora.alpha: the expression must give a number"),
        ({"derived": {"seed": "3"}}, "derived.seed: every point runs with all seeds, got it as a derived"),
        ({"derived": {"infra.max_retries": "3"}}, "derived.infra.max_retries: a derived setting must change"),
        ({"derived": {"reward.mixture": "3"}}, "derived.reward.mixture: the mixture is an axis"),
        (
            {"space": {"lora.r": [1]}, "derived": {"lora.r": "3"}},
            "derived.lora.r: a derived setting must not be an axis too, got both; remove one",
        ),
        (
            {"base": {"lora.r": 1}, "derived": {"lora.r": "3"}},
            "derived.lora.r: must not be in `base` too, got both",
        ),
        (
            {
                "space": {"reward.mixture": {"points": 2}},
                "derived": {"grpo.reward.weights.audio_weight": "1"},
            },
            "derived.grpo.reward.weights.audio_weight: a derived setting must not be an axis too",
        ),
        (
            {"derived": {"lora.r": "lora.alpha / 2", "lora.alpha": "lora.r * 2"}},
            "derived: settings must not depend on themselves, got lora.",
        ),
        (
            {"derived": {"lora.r": "lora.r + 1"}},
            "derived: settings must not depend on themselves, got lora.r",
        ),
        (
            {"space": {"lora.r": [1]}, "when": {"lora.r": "lora.r > 1"}},
            "when: settings must not depend on themselves, got lora.r <- lora.r; break the circle",
        ),
        ({"when": {"lora.r": "true"}}, "when.lora.r: a condition must be for an axis of `space` (none)"),
        (
            {"space": {"lora.r": [1]}, "when": {"lora.r": "3"}},
            "when.lora.r: the expression must give a boolean",
        ),
        ({"constraints": ["true", "lora.r + 1"]}, "constraints.1: the expression must give a boolean"),
        ({"constraints": ["lora.r < "]}, "constraints.0: an expression must be such as"),
    ],
)
def test_relations_that_cannot_hold_are_refused_at_load(content: dict[str, Any], message: str) -> None:
    assert refusal(**content).startswith(message)
