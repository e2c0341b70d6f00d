"""The shrunk sweep: what stays, what is dropped and said, and that two points are left at most."""

from __future__ import annotations

from typing import Any

import pytest

from common.training_config import PROJECT_ROOT
from search_spaces.axes import GridAxis
from search_spaces.designs import enumerate_points, grid_cells
from search_spaces.search_config import BudgetConfig, SearchConfig
from search_spaces.smoke import smoke_sweep
from search_spaces.sweep_file import SweepFile, load_sweep_file

FILES = sorted((PROJECT_ROOT / "sweeps").glob("*.yaml"))


def smoke(**content: Any) -> tuple[SweepFile, tuple[str, ...]]:
    return smoke_sweep(SweepFile.model_validate({"name": "x", **content}))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_shipped_sweep_shrinks_to_a_few_points_of_the_tiny_models(path: Any) -> None:
    sweep = load_sweep_file(path)
    small, _ = smoke_sweep(sweep)
    base = small.base_config()
    assert (small.name, small.seeds) == (f"{sweep.name}-smoke", sweep.seeds[:1])
    assert (base.base_model, base.max_steps, base.infra.gpus_per_trial) == ("tiny", 2, 0)
    assert base.grpo.reward.clap.model == small.objective.scorer.model == "tiny"
    assert (small.objective.num_vibes, small.objective.samples) == (2, 1)
    assert small.resources.scorers == 1
    assert small.budget == BudgetConfig()
    if small.search.mode in ("grid", "random"):
        points = enumerate_points(small).points
        assert len(points) == {"prompts": 1, "population": 4}.get(sweep.name, 2)
        assert all(p.config.base_model == "tiny" and p.config.max_steps == 2 for p in points)
    else:
        assert small.search.trials == 2


def test_another_backend_of_clap_gives_way_to_the_tiny_model() -> None:
    laion = {"backend": "laion-clap", "model": "630k-best.pt"}
    small, _ = smoke(
        base={f"grpo.reward.clap.{name}": value for name, value in laion.items()},
        space={"lora.r": [4, 8]},
        objective={"scorer": laion},
    )
    for clap in (small.base_config().grpo.reward.clap, small.objective.scorer):
        assert (clap.backend, clap.model) == ("transformers", "tiny")


def test_a_second_checkpoint_is_not_tried_and_that_is_said() -> None:
    small, changes = smoke(space={"lora.r": [4, 8]}, objective={"eval_clap": {"model": "larger-clap-music"}})
    assert small.objective.eval_clap is None
    assert "objective.eval_clap is dropped: the scorer is the only tiny CLAP" in changes


def test_the_grid_of_several_axes_becomes_two_points_that_differ_in_each() -> None:
    small, changes = smoke(space={"lora.r": [4, 64], "grpo.loss_type": ["dapo", "grpo"]})
    first, second = enumerate_points(small).points
    assert {first.config.lora.r, second.config.lora.r} == {4, 64}
    assert {first.config.grpo.loss_type, second.config.grpo.loss_type} == {"dapo", "grpo"}
    assert changes == ("search.mode is random: 2 points stand for the grid",)


def test_one_at_a_time_keeps_the_base_and_one_other_value() -> None:
    small, changes = smoke(
        base={"lora.r": 8},
        space={"lora.r": [8, 16, 32], "grpo.beta": [0.01, 0.08]},
        search={"design": "one_at_a_time"},
    )
    assert small.space == {"lora.r": GridAxis(grid=(16,))}
    assert [p.params for p in enumerate_points(small).points] == [{"lora.r": 8}, {"lora.r": 16}]
    assert changes == ()


def test_what_the_tiny_policy_cannot_try_is_dropped_and_said() -> None:
    small, changes = smoke(
        base={"base_model": "own/er", "optimizer.name": "adamw_8bit", "infra.gpus_per_trial": 1},
        space={
            "prompts.config_generation": ["config_v1", "system_v1"],
            "grpo.reward.clap.model": ["clap-htsat-unfused", "larger-clap-music"],
            "lora.r": [4, 8],
        },
        derived={"max_steps": "10 * lora.r", "lora.alpha": "lora.r"},
    )
    assert list(small.space) == ["lora.r"]
    assert small.derived == {"lora.alpha": "lora.r"}
    assert changes == (
        "space.prompts.config_generation is dropped: the tiny policy was taught to read the vibe alone",
        "space.grpo.reward.clap.model is dropped: it is tiny here",
        "derived.max_steps is dropped: it is 2 here",
        "base.optimizer.name is adamw_torch here: adamw_8bit needs a GPU",
        "search.mode is random: 2 points stand for the grid",
    )


def test_a_condition_goes_with_its_axis() -> None:
    small, _ = smoke(
        base={"base_model": "own/er"},
        space={"system_prompt": ["a", "b"], "grpo.beta": [0.01, 0.08]},
        when={"system_prompt": "grpo.beta < 0.05"},
    )
    assert (list(small.space), small.when) == (["grpo.beta"], {})


def test_constraints_that_leave_no_tiny_point_are_dropped() -> None:
    small, changes = smoke(
        base={"base_model": "own/er", "max_steps": 100},
        space={"lora.r": {"range": [4, 64], "kind": "int"}},
        constraints=["max_steps >= 50"],
        search={"mode": "optuna", "trials": 9},
    )
    assert small.constraints == ()
    assert changes == ("constraints are dropped: with the tiny models they leave no point",)
    kept, _ = smoke(space={"lora.r": [4, 8]}, constraints=["lora.r > 4"])
    assert [p.params for p in enumerate_points(kept).points] == [{"lora.r": 8}]


def test_a_mixed_search_has_two_cells_of_one_point() -> None:
    small, _ = smoke(
        space={
            "grpo.scale_rewards": ["group"],
            "grpo.loss_type": ["dapo", "grpo", "bnpo"],
            "lora.r": [4, 8],
            "grpo.beta": {"range": [0.01, 0.1]},
        },
        search={"mode": "mixed", "trials": 12, "sampler": "tpe"},
    )
    assert [tuple(cell.values()) for cell in grid_cells(small)] == [
        ("group", "dapo", 4),
        ("group", "grpo", 4),
    ]
    assert (small.search.mode, small.search.trials) == ("mixed", 2)


def test_a_mixed_search_without_its_listed_axis_is_one_search() -> None:
    small, changes = smoke(
        base={"base_model": "own/er"},
        space={"system_prompt": ["a", "b"], "grpo.beta": {"range": [0.01, 0.1]}},
        search={"mode": "mixed", "trials": 12},
    )
    assert (small.search.mode, small.search.trials) == ("optuna", 2)
    assert changes[-1] == "search.mode is optuna: one kind of axis is left"


def test_a_search_without_axes_runs_the_base() -> None:
    small, _ = smoke(
        base={"base_model": "own/er"},
        space={"system_prompt": ["a", "b"]},
        search={"mode": "random", "trials": 9},
    )
    assert small.search == SearchConfig()
    assert [p.label for p in enumerate_points(small).points] == ["base"]


def test_no_other_study_is_touched() -> None:
    small, changes = smoke(
        space={"grpo.beta": {"range": [0.01, 0.1]}},
        search={"mode": "optuna", "trials": 9, "mirror": "sqlite:///own.db", "warm_start": ["runs/before"]},
    )
    assert (small.search.mirror, small.search.warm_start) == (None, ())
    assert changes == (
        "search.mirror is dropped: no other study is written or read",
        "search.warm_start is dropped: no other study is written or read",
    )


def test_a_scheduler_can_stop_within_two_steps() -> None:
    small, _ = smoke(
        space={"grpo.beta": [0.01, 0.1]},
        scheduler={"type": "pbt", "eval_steps": 10, "grace_steps": 20, "perturbation_steps": 30},
    )
    assert small.scheduler.model_dump(
        include={"type", "eval_steps", "grace_steps", "perturbation_steps"}
    ) == {
        "type": "pbt",
        "eval_steps": 1,
        "grace_steps": 1,
        "perturbation_steps": 1,
    }
    # Fewer than four are no population.
    assert small.search.trials == 4
