"""The arithmetic of a sweep's cost."""

from __future__ import annotations

import pytest

from cluster.calibrations import Calibration, CalibrationKey
from cluster.cost import TrialCost, best_split, places, split, splits, trial_cost
from cluster.machine import Machine
from common.training_config import InfraConfig, TrainingConfig, apply_overrides
from search_spaces.resources import Resources

# own: 10 + 20 x (1 + 2) + 2 x 15 = 100 s; of one scorer: 20 x 2 + 2 x 5 = 50 s
TRIAL = TrialCost(
    start_s=10,
    generation_s=1,
    scoring_s=2,
    learning_s=2,
    evaluation_generation_s=15,
    evaluation_scoring_s=5,
    steps=20,
    evaluations=2,
)
CALIBRATION = Calibration(
    key=CalibrationKey(
        base_model="tiny",
        max_completion_length=112,
        training_scorer="tiny",
        evaluation_scorer="tiny",
        trial_device="a cpu",
        trial_threads=1,
        scorer_device="a cpu",
        scorer_threads=1,
    ),
    start_s=3,
    generate_s=0.5,
    learn_s=0.25,
    score_s=0.125,
    evaluation_generate_s=1,
    evaluation_score_s=2,
    scorer_start_s=9,
)
ONE_CPU = InfraConfig(cpus_per_trial=1)


def machine(cpus: float, gpus: float = 0) -> Machine:
    return Machine(cpus, gpus, "a cpu", "a gpu" if gpus else None)


def test_a_trial_is_the_sum_of_its_parts() -> None:
    assert (TRIAL.own_s, TRIAL.scorer_s) == (100, 50)


def test_a_trials_parts_are_completions_times_seconds() -> None:
    config = apply_overrides(
        TrainingConfig(),
        {
            "batch.batch_size": 4,
            "batch.gradient_accumulation_steps": 2,
            "grpo.num_generations": 6,  # 24 completions a cycle, for 3 steps of 8
        },
    )
    assert config.off_policy_depth == 3
    # 4 x 2 = 8 completions a step, whatever the depth; 10 held-out completions
    assert trial_cost(config, CALIBRATION, steps=6, evaluations=2, num_evaluated=10) == TrialCost(
        start_s=3,
        generation_s=4,
        scoring_s=1,
        learning_s=2,
        evaluation_generation_s=10,
        evaluation_scoring_s=20,
        steps=6,
        evaluations=2,
    )


def test_workers_share_what_is_written_and_learned_and_not_what_is_scored() -> None:
    four = {"batch.batch_size": 4, "infra.num_workers": 4, "infra.cpus_per_trial": 4}
    config = apply_overrides(TrainingConfig(), four)
    # 4 x 4 = 16 completions a step, 4 of each worker; 10 held-out completions, 2.5 of each
    cost = trial_cost(config, CALIBRATION, steps=6, evaluations=2, num_evaluated=10)
    assert (cost.generation_s, cost.learning_s, cost.evaluation_generation_s) == (2, 1, 2.5)
    assert (cost.scoring_s, cost.evaluation_scoring_s) == (2, 20)
    # 3 + 6 x (2 + 1) + 2 x 2.5 = 26 s of each of 4 workers with 1 thread, on 4 cores
    [alone] = [
        one for one in splits([cost], Resources(scorers=1), config.infra, machine(5)) if one.scorers == 1
    ]
    assert alone.trials_at_once == 1
    assert alone.wall_s == 26 + 6 * 2 + 2 * 20


def test_trials_take_the_places_that_scorers_leave() -> None:
    resources = Resources(cpus_per_scorer=1)
    one = split([TRIAL] * 4, resources, ONE_CPU, machine(4), scorers=1)
    # 3 places; each 100 + 50 s; the 4th starts when the first ends: 300 s. Scorer: 4 x 50 = 200 s.
    assert one == (1, 3, 300, 0, "trials")
    two = split([TRIAL] * 4, resources, ONE_CPU, machine(4), scorers=2)
    # 2 places; each 100 + 50 / 2 s; two after each other: 250 s.
    assert two == (2, 2, 250, 0, "trials")
    assert split([TRIAL] * 4, resources, ONE_CPU, machine(4), scorers=4) is None


def test_a_place_is_taken_as_soon_as_it_is_free() -> None:
    short = TrialCost(50, 0, 0, 0, 0, 0, 0, 0)
    long = TrialCost(120, 0, 0, 0, 0, 0, 0, 0)
    # Two places: 120 on one; 50 + 50 + 50 on the other.
    found = split([long, short, short, short], Resources(cpus_per_scorer=0), ONE_CPU, machine(2), scorers=1)
    assert found is not None
    assert (found.wall_s, found.bound) == (150, "trials")


def test_scorers_can_take_longest() -> None:
    # own 10 s, scorer 90 s
    slow = TrialCost(10, 0, 0, 0, 0, 90, 0, 1)
    found = split([slow] * 3, Resources(cpus_per_scorer=1), ONE_CPU, machine(8), scorers=1, scorer_start_s=5)
    # All three at once take 100 s, but the scorer answers for 270 s; it loads 5 s before.
    assert found == (1, 3, 275, 0, "scorers")


def test_cores_can_take_longest_where_scorers_are_not_counted() -> None:
    # 2 scorers beside 2 trials on 2 cores: 8 x (100 + 50) / 2 = 600 s of work a core;
    # the trials alone would be done after 4 x 125 = 500 s.
    found = split([TRIAL] * 8, Resources(cpus_per_scorer=0), ONE_CPU, machine(2), scorers=2)
    assert found == (2, 2, 600, 0, "cores")


def test_without_scorers_a_trial_scores_with_its_own_threads() -> None:
    # 2 places of 2 CPUs: 150 s each, two after each other; cores: 4 x 150 x 2 / 4 = 300 s
    found = split([TRIAL] * 4, Resources(scorers=0), InfraConfig(cpus_per_trial=2), machine(4), scorers=0)
    assert found == (0, 2, 300, 0, "trials")


def test_gpu_hours_are_what_trials_and_scorers_hold() -> None:
    infra = InfraConfig(cpus_per_trial=1, gpus_per_trial=0.5)
    resources = Resources(cpus_per_scorer=1, gpus_per_scorer=0.5)
    found = split([TRIAL] * 4, resources, infra, machine(8, gpus=2), scorers=1)
    # (2 - 0.5) / 0.5 = 3 places: 300 s. 4 x 150 s x 0.5 + 300 s x 0.5 = 450 GPU-seconds = 0.125 h
    assert found == (1, 3, 300, 0.125, "trials")


def test_trials_that_wait_for_scorers_hold_their_gpus_longer() -> None:
    infra = InfraConfig(cpus_per_trial=1, gpus_per_trial=0.5)
    slow = TrialCost(10, 0, 0, 0, 0, 90, 0, 1)
    resources = Resources(cpus_per_scorer=1, gpus_per_scorer=0.5)
    found = split([slow] * 3, resources, infra, machine(8, gpus=2), scorers=1)
    # 270 s instead of 100 s. 3 x 270 s x 0.5 + 270 s x 0.5 = 540 GPU-seconds = 0.15 h
    assert found is not None
    assert (found.wall_s, found.bound) == (270, "scorers")
    assert found.gpu_hours == pytest.approx(0.15, abs=1e-12)


def test_no_more_trials_run_at_once_than_are_asked_for() -> None:
    resources = Resources(cpus_per_scorer=0, max_concurrent_trials=3)
    assert places(resources, ONE_CPU, machine(16), 1) == 3
    assert places(Resources(cpus_per_scorer=0.5), InfraConfig(cpus_per_trial=0.1), machine(1), 1) == 5


def test_the_best_split_is_the_shortest() -> None:
    found = splits([TRIAL] * 4, Resources(cpus_per_scorer=1), ONE_CPU, machine(4))
    # 1: 300 s; 2: 250 s; 3: one place, 4 x (100 + 50 / 3) = 466.7 s; 4 leave no place.
    assert [(one.scorers, round(one.wall_s, 1)) for one in found] == [(1, 300), (2, 250), (3, 466.7)]
    assert best_split(found).scorers == 2


def test_of_equally_short_splits_the_one_with_fewer_scorers_is_best() -> None:
    unscored = TrialCost(100, 0, 0, 0, 0, 0, 0, 0)
    found = splits([unscored], Resources(cpus_per_scorer=0), ONE_CPU, machine(4))
    assert [one.wall_s for one in found] == [100] * 4
    assert best_split(found).scorers == 1
