"""A sweep's plan: its trials, what is left out, what it costs, and its budget."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from cluster.calibrations import Calibration, calibration_key
from cluster.machine import Machine
from cluster.planned_budget import BudgetLine, refuse_over_budget
from cluster.prompt_lengths import Prompts
from cluster.sweep_plan import plan_sweep, representatives
from common.errors import UserError
from search_spaces.designs import grid_cells

if TYPE_CHECKING:
    from pathlib import Path

    from cluster.sweep_plan import SweepPlan
    from common.training_config import TrainingConfig
    from search_spaces.sweep_file import SweepFile

MACHINE = Machine(cpus=3, gpus=0, cpu_kind="a cpu", gpu_kind=None)
SMALL = {"base_model": "tiny", "max_steps": 5, "batch.batch_size": 4, "grpo.num_generations": 2}


def ten_tokens(config: TrainingConfig) -> Prompts:
    """Two rows of ten tokens, for a policy that holds 8192."""
    return Prompts((10, 10), 8192, is_known=True)


def measured(sweep: SweepFile) -> Calibration:
    """A calibration of the sweep's base: powers of two, so that sums are exact."""
    return Calibration(
        key=calibration_key(sweep.base_config(), sweep.objective, sweep.resources, MACHINE),
        start_s=2,
        generate_s=0.5,
        learn_s=0.25,
        score_s=0.25,
        evaluation_generate_s=1,
        evaluation_score_s=0.5,
        scorer_start_s=8,
    )


def plan(sweep: SweepFile, *known: Calibration, lengths: Any = ten_tokens) -> SweepPlan:
    return plan_sweep(sweep, MACHINE, known, lengths, num_held_out=2)


def test_trials_are_points_with_each_seed(make_sweep: Any) -> None:
    made = plan(make_sweep(base=SMALL, seeds=[3, 4]))
    assert (made.num_points, made.num_trials, made.num_baselines) == (2, 4, 2)
    assert [(t.trial_id, t.number, t.seed, t.label) for t in made.trials] == [
        ("t000-s3", 0, 3, "grpo.beta=0"),
        ("t000-s4", 0, 4, "grpo.beta=0"),
        ("t001-s3", 1, 3, "grpo.beta=0.05"),
        ("t001-s4", 1, 4, "grpo.beta=0.05"),
    ]
    assert {(t.off_policy_depth, t.steps, t.status, t.reason) for t in made.trials} == {(1, 5, "ready", None)}
    assert made.trials[0].params == {"grpo.beta": 0.0}
    assert len({t.config_hash for t in made.trials}) == 2
    assert (made.duplicates, made.excluded, made.invalid, made.warnings) == ((), (), (), ())


def test_equal_left_out_and_invalid_points_are_listed_with_their_reason(make_sweep: Any) -> None:
    made = plan(
        make_sweep(
            base=SMALL,
            space={
                "lora.r": [8, 16, 8],
                "grpo.reward.reward_type": ["clap", "custom"],  # custom needs its path
            },
            constraints=["lora.r < 16"],
        )
    )
    assert [t.label for t in made.trials] == ["lora.r=8, grpo.reward.reward_type=clap"]
    assert [(d.label, d.number) for d in made.duplicates] == [("lora.r=8, grpo.reward.reward_type=clap", 0)]
    [excluded] = made.excluded
    assert excluded.params == {"lora.r": 16, "grpo.reward.reward_type": "clap"}
    # The point stands before it in the list.
    assert excluded.reason == "constraints: 'lora.r < 16' must hold"
    assert [one.params["lora.r"] for one in made.invalid] == [8, 16, 8]
    assert "custom_scorer_path must be set exactly when reward_type is 'custom'" in made.invalid[0].reason
    assert made.warnings == ("3 points are invalid, and `sweep run` refuses the sweep for them",)


def test_a_context_below_what_the_prompt_needs_is_infeasible_with_its_tokens(
    make_sweep: Any, tmp_path: Path
) -> None:
    # 10 tokens of prompt and 250 of completion: 260.
    base = SMALL | {"grpo.max_completion_length": 250}
    made = plan(make_sweep(base=base, space={"data.max_seq_length": [259, 260]}))
    assert [t.status for t in made.trials] == ["infeasible", "ready"]
    assert made.trials[0].reason == (
        f"{tmp_path / 'vibes.jsonl'} row 1: prompt and completion must fit data.max_seq_length 259, got 10 "
        "prompt tokens + grpo.max_completion_length 250; raise the one or lower the other"
    )
    [warning] = made.warnings
    assert warning.startswith("1 of 2 trials cannot train, first data.max_seq_length=259: ")


def test_too_few_rows_are_infeasible(make_sweep: Any) -> None:
    # batch 8 with 2 generations takes 4 prompts.
    made = plan(make_sweep(base=SMALL, space={"batch.batch_size": [4, 8]}))
    assert [t.status for t in made.trials] == ["ready", "infeasible"]
    assert "must have >= 4 rows" in (made.trials[1].reason or "")


def test_a_missing_tokenizer_is_said(make_sweep: Any) -> None:
    made = plan(make_sweep(base=SMALL), lengths=lambda config: Prompts((0, 0), None, is_known=False))
    assert made.warnings == (
        "the tokenizer of tiny is not here: whether prompts fit data.max_seq_length is not known",
    )


def test_a_policy_that_holds_less_than_prompt_and_completion_is_said(make_sweep: Any) -> None:
    made = plan(make_sweep(base=SMALL), lengths=lambda config: Prompts((10, 30), 1050, is_known=True))
    # 30 + 1024
    assert made.warnings == ("prompt and completion can take 1054 tokens, and tiny holds 1050",)


def test_several_workers_are_said(make_sweep: Any) -> None:
    rows = Prompts((10,) * 8, 8192, is_known=True)
    two = make_sweep(base=SMALL | {"infra.num_workers": 2})
    assert plan(two, lengths=lambda config: rows).warnings == (
        "each trial has 2 workers, and a step learns from batch.batch_size completions of each",
    )


def test_an_off_policy_depth_that_differs_is_said(make_sweep: Any) -> None:
    sweep = make_sweep(base=SMALL, space={"grpo.num_generations": [2, 4, 6]})
    made = plan(sweep)
    # 4 completions a step: groups of 6 take 3 steps.
    assert [t.off_policy_depth for t in made.trials] == [1, 1, 3]
    [depths] = [w for w in made.warnings if "off-policy" in w]
    assert depths.startswith("the off-policy depth differs within the sweep: 1, 3 optimizer steps")


def test_an_unmeasured_cost_says_how_to_find_it_out(make_sweep: Any) -> None:
    sweep = make_sweep(base=SMALL, budget={"trials": 2, "hours": 1})
    made = plan(sweep)
    assert made.cost.own is None
    assert made.cost.unknown == (
        "tiny was not measured here with these lengths, scorers and threads; "
        "`vibesweep sweep plan FILE --calibrate` finds it out"
    )
    assert [(line.name, line.status) for line in made.budget] == [("trials", "within"), ("hours", "unknown")]


def test_the_cost_of_a_small_sweep(make_sweep: Any) -> None:
    sweep = make_sweep(base=SMALL, resources={"scorers": 1, "cpus_per_scorer": 1})
    cost = plan(sweep, measured(sweep)).cost
    assert cost.unknown is None
    assert cost.trial is not None
    # 4 completions a step, 2 held-out ones, evaluated at the start and at the end.
    assert (cost.trial.generation_s, cost.trial.scoring_s, cost.trial.learning_s) == (2, 1, 1)
    # own: 2 + 5 x (2 + 1) + 2 x 2 = 21 s; scorer: 5 x 1 + 2 x 1 = 7 s; together 28 s
    # untrained: 2 + 2 + 1 = 5 s; random configs: 1 s, only scored
    # 2 places: 5 and 1 s, then 28 s from 1 on, 28 s from 5 on: 33 s; the scorer loads 8 s before.
    assert cost.own == (1, 2, 41, 0, "trials")
    # 2 scorers leave one place: (2 + 2 + 0.5) + 0.5 + 2 x (21 + 3.5) = 54 s, and 8 s
    assert [(one.scorers, one.wall_s) for one in cost.splits] == [(1, 41), (2, 62)]
    assert cost.best == cost.own


def test_evaluations_on_the_way_cost_too(make_sweep: Any) -> None:
    sweep = make_sweep(base=SMALL | {"logging.eval_steps": 2})
    cost = plan(sweep, measured(sweep)).cost
    assert cost.trial is not None
    assert cost.trial.evaluations == 4  # at 0, 2, 4 and 5


def test_a_cost_from_another_completion_length_says_so(make_sweep: Any) -> None:
    known = measured(make_sweep(base=SMALL | {"grpo.max_completion_length": 512}))
    made = plan(make_sweep(base=SMALL), known)
    assert made.cost.trial is not None
    # 4 completions x 0.5 s x 1024 / 512
    assert made.cost.trial.generation_s == 4
    assert made.warnings == (
        "tiny was measured with completions of up to 512 tokens; its cost is scaled to 1024",
    )


def test_a_machine_that_is_too_small_is_said(make_sweep: Any) -> None:
    sweep = make_sweep(base=SMALL | {"infra.gpus_per_trial": 1})
    assert plan(sweep, measured(sweep)).cost.unknown == (
        "1 scorers and one trial need 1 CPUs and 1 GPUs, got 3 and 0 here; plan on a machine that has them, "
        "or name a cluster's with --cpus and --gpus"
    )


def test_money_is_gpu_hours_at_their_price(make_sweep: Any) -> None:
    sweep = make_sweep(
        base=SMALL | {"infra.gpus_per_trial": 1},
        resources={"scorers": 1, "cpus_per_scorer": 1},
        budget={"money": 0.1, "gpu_hours": 0.02, "hours": 1, "price_per_gpu_hour": 9},
    )
    cluster = Machine(cpus=3, gpus=2, cpu_kind="a cpu", gpu_kind="a gpu")
    key = calibration_key(sweep.base_config(), sweep.objective, sweep.resources, cluster)
    known = measured(sweep).model_copy(update={"key": key})
    made = plan_sweep(sweep, cluster, [known], ten_tokens, num_held_out=2)
    # Trials hold their GPU for 5 + 1 + 28 + 28 = 62 s.
    assert made.budget == (
        BudgetLine("hours", 1, 41 / 3600),
        BudgetLine("gpu_hours", 0.02, 62 / 3600),
        BudgetLine("money", 0.1, 9 * 62 / 3600),
    )
    assert [line.status for line in made.budget] == ["within", "within", "over"]
    with pytest.raises(UserError, match=r"budget.money: .* budget of 0.1, got a plan of 0.155; .* --force"):
        refuse_over_budget(made.budget)


def test_a_budget_that_is_just_met_is_kept(make_sweep: Any) -> None:
    assert plan(make_sweep(base=SMALL, budget={"trials": 2})).budget[0].status == "within"
    over = plan(make_sweep(base=SMALL, seeds=[0, 1], budget={"trials": 3})).budget
    with pytest.raises(UserError, match=r"budget.trials: .* budget of 3, got a plan of 4; raise it, shrink"):
        refuse_over_budget(over)


def test_a_learning_search_has_a_number_of_points_and_a_space(make_sweep: Any) -> None:
    sweep = make_sweep(
        base=SMALL,
        space={"lora.r": [4, 8], "grpo.beta": {"range": [0.01, 0.16], "scale": "log"}},
        search={"mode": "mixed", "trials": 6},
        seeds=[0, 1],
    )
    made = plan(sweep, measured(sweep))
    assert (made.num_points, made.num_trials, made.trials) == (6, 12, ())
    assert made.space == sweep.space
    assert list(made.cells) == grid_cells(sweep) == [{"lora.r": 4}, {"lora.r": 8}]
    # cpus_per_scorer 0: 3 places. Baselines 5 and 1 s and a trial of 28 s first; then 28 s from 1 and from 5
    # on; the other nine follow, four on each place: the last ends 4 x 28 + 5 = 117 s, the scorer 8 s before.
    assert made.cost.own is not None
    assert (made.cost.own.trials_at_once, made.cost.own.wall_s) == (3, 125)


def test_representatives_keep_the_constraints(make_sweep: Any) -> None:
    sweep = make_sweep(
        space={"lora.r": {"range": [1, 64], "kind": "int"}},
        search={"mode": "optuna", "trials": 5},
        constraints=["lora.r < 9"],
    )
    assert {p.config.lora.r for p in representatives(sweep)} == set(range(1, 9))
    none = make_sweep(
        space={"lora.r": {"range": [1, 64], "kind": "int"}},
        search={"mode": "optuna", "trials": 5},
        constraints=["lora.r > 64"],
    )
    with pytest.raises(UserError, match=r"'lora.r > 64' must hold"):
        representatives(none)


def test_points_of_a_search_that_cannot_train_are_said(make_sweep: Any) -> None:
    sweep = make_sweep(
        base=SMALL,
        space={"data.max_seq_length": {"range": [256, 4096], "scale": "power_of_two", "kind": "int"}},
        search={"mode": "optuna", "trials": 5},
    )
    # 10 + 1024 tokens do not fit 256, 512 and 1024: three of five values, each as often.
    [warning] = plan(sweep).warnings
    assert "points drawn to stand for the search cannot train" in warning
    assert "got 10 prompt tokens + grpo.max_completion_length 1024" in warning


def test_early_stopping_is_not_counted_on(make_sweep: Any) -> None:
    sweep = make_sweep(base=SMALL, scheduler={"type": "asha", "eval_steps": 2})
    made = plan(sweep, measured(sweep))
    assert made.warnings == ("asha stops trials early: the cost is that of stopping none",)
    assert made.cost.trial is not None
    assert made.cost.trial.evaluations == 4  # at 0, 2, 4 and 5


def test_a_sampler_that_does_not_see_infeasible_points_is_said(make_sweep: Any) -> None:
    space = {"grpo.beta": {"range": [0.0, 0.2], "kind": "float"}}
    for sampler, expected in (("tpe", 0), ("gp", 0), ("nsga2", 0), ("cmaes", 1)):
        search = {"mode": "optuna", "trials": 4, "sampler": sampler}
        found = [
            w for w in plan(make_sweep(base=SMALL, space=space, search=search)).warnings if "sentinels" in w
        ]
        assert len(found) == expected
    assert found == [
        "cmaes sees objectives alone: it is not told which points the sentinels find infeasible, as tpe, gp, "
        "nsga2 are"
    ]
