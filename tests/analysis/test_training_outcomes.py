"""What training learned from, what it cost, and whether stopping was right."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from analysis import compute_ranking, load_sweep
from analysis.cost import compute_costs
from analysis.reward_shares import compute_reward_mixtures
from analysis.stopping import compute_stopping_audit

if TYPE_CHECKING:
    from tests.analysis.conftest import Completion, NewSweep, SweepWriter


def test_a_component_that_never_varies_teaches_nothing_whatever_its_weight(new_sweep: NewSweep) -> None:
    sweep = new_sweep()
    # Less the group's mean: audio 0.5 * (-0.1, 0.1), schema 0.3 * (0.1, -0.1) against it, format 0.
    # Reward (-0.02, 0.02): shares 0.05 / 0.02 and -0.03 / 0.02.
    sweep.trial("a", {1: [0.1, 0.2]}, rollouts={1: [[(1.0, 0.9, 0.1), (1.0, 0.7, 0.3)]]})
    [mixture] = compute_reward_mixtures(load_sweep(sweep.directory))
    effective = {share.component: share.effective for share in mixture.shares}
    assert effective == pytest.approx({"format": 0.0, "schema": -1.5, "audio": 2.5})
    assert [share.nominal for share in mixture.shares] == pytest.approx([0.2, 0.3, 0.5])
    assert [share.component for share in mixture.shares if share.is_inert] == ["format"]
    assert (mixture.flat_groups, mixture.num_groups) == (0, 1)


def test_what_cannot_be_rendered_has_the_floor_and_what_is_unscored_counts_nowhere(
    new_sweep: NewSweep,
) -> None:
    sweep = new_sweep()
    # Audio 0 and the floor -1, deviations 0.5 * (0.5, -0.5); schema 0.3 * (0.25, -0.25): 0.25 of 0.325.
    group: list[Completion] = [(1.0, 1.0, 0.0), (1.0, 0.5, None), "unscored"]
    sweep.trial("a", {1: [0.1, 0.2]}, rollouts={1: [group, [(1.0, 1.0, 0.2), (1.0, 1.0, 0.2)]]})
    [mixture] = compute_reward_mixtures(load_sweep(sweep.directory))
    assert {s.component: s.effective for s in mixture.shares}["audio"] == pytest.approx(0.25 / 0.325)
    assert (mixture.flat_groups, mixture.num_groups) == (0.5, 2)


def test_groups_are_of_one_trial_prompt_and_step(new_sweep: NewSweep) -> None:
    sweep = new_sweep()
    same, other = [(1.0, 1.0, 0.2)] * 2, [(1.0, 1.0, 0.4)] * 2
    # Within every group all are alike, though groups differ by step, prompt and trial.
    sweep.trial("a", {1: [0.1, 0.2]}, seed=0, rollouts={1: [same, other], 2: [other, same]})
    sweep.trial("a", {1: [0.1, 0.2]}, seed=1, rollouts={1: [other, same]})
    [mixture] = compute_reward_mixtures(load_sweep(sweep.directory))
    assert (mixture.shares, mixture.flat_groups, mixture.num_groups) == ((), 1.0, 6)


def test_seeds_have_shares_of_their_own_and_schema_only_has_no_audio(new_sweep: NewSweep) -> None:
    sweep = new_sweep()
    params = {"grpo.reward.reward_type": "schema_only"}
    for seed, formats in enumerate(((1.0, 1.0), (0.0, 1.0))):
        group = [(formats[0], 0.5, None), (formats[1], 1.0, None)]
        sweep.trial("a", {1: [0.1, 0.2]}, seed=seed, params=params, rollouts={1: [group]})
    [mixture] = compute_reward_mixtures(load_sweep(sweep.directory))
    assert [share.component for share in mixture.shares] == ["format", "schema"]
    # Second seed: 0.2 * 0.5 of 0.2 * 0.5 + 0.3 * 0.25.
    assert mixture.shares[0].by_seed == pytest.approx((0.0, 0.1 / 0.175))
    assert mixture.shares[0].nominal == pytest.approx(0.4)


def test_a_sweep_without_rollouts_has_no_mixture(new_sweep: NewSweep) -> None:
    sweep = new_sweep()
    sweep.untrained([0.0, 0.1])
    assert compute_reward_mixtures(load_sweep(sweep.directory)) == []


def test_the_front_are_those_that_no_cheaper_one_beats(new_sweep: NewSweep) -> None:
    sweep = new_sweep()
    for label, audio, seconds, cpus in (
        ("slow", 0.5, 30.0, 1),
        ("quick", 0.2, 10.0, 1),
        ("wide", 0.4, 20.0, 2),
    ):
        params = {"infra.cpus_per_trial": cpus}
        for seed, more in enumerate((-1.0, 1.0)):
            sweep.trial(label, {1: [audio, audio + 0.1]}, seed=seed, params=params, seconds=seconds + more)
    stored = load_sweep(sweep.directory)
    costs = compute_costs(stored, compute_ranking(stored))
    assert [(c.row.label, c.seconds, c.device_seconds, c.is_on_front) for c in costs] == [
        ("quick", 10, 10, True),
        ("slow", 30, 30, True),
        # 40 CPU seconds for less.
        ("wide", 20, 40, False),
    ]
    assert {cost.device for cost in costs} == {"CPU"}


def test_gpus_are_what_counts_where_there_are_any(new_sweep: NewSweep) -> None:
    sweep = new_sweep()
    sweep.trial("a", {1: [0.1, 0.2]}, params={"infra.gpus_per_trial": 0.5}, seconds=10)
    stored = load_sweep(sweep.directory)
    [cost] = compute_costs(stored, compute_ranking(stored))
    assert (cost.device, cost.device_seconds) == ("GPU", 5)


def test_stopped_trials_are_given_the_gains_of_those_that_went_on(new_sweep: NewSweep) -> None:
    sweep = new_sweep()
    # Objective is 0.5 + audio / 2. Gains of audio from step 2 on: 0.1, 0.2, 0.3; the best ends at 0.6.
    for label, there, end in (("a", 0.3, 0.6), ("b", 0.3, 0.5), ("c", 0.3, 0.4)):
        sweep.trial(label, {2: [there, there], 4: [end, end]})
    sweep.trial("near", {2: [0.45, 0.45]}, status="stopped")
    sweep.trial("far", {2: [0.0, 0.0]}, status="stopped")
    stored = load_sweep(sweep.directory)
    audit = compute_stopping_audit(stored, compute_ranking(stored))
    assert audit is not None
    assert audit.best == pytest.approx(0.8)
    # 0.45 + 0.2 and + 0.3 pass 0.6; 0.0 + 0.3 does not.
    assert [(one.label, one.share_won, one.num_behind) for one in audit.stopped] == [
        ("near", pytest.approx(2 / 3), 3),
        ("far", 0.0, 0),
    ]
    # All were alike at step 2: it told nothing, and has no correlation.
    assert audit.agreement == {}
    assert audit.says.startswith(
        "1 of 2 stopped trials could have passed the best configuration, and 1 would"
    )


def test_too_few_finished_trials_leave_it_open(new_sweep: NewSweep) -> None:
    sweep = new_sweep()
    sweep.trial("a", {2: [0.3, 0.3], 4: [0.6, 0.6]})
    sweep.trial("b", {2: [0.4, 0.4]}, status="stopped")
    stored = load_sweep(sweep.directory)
    audit = compute_stopping_audit(stored, compute_ranking(stored))
    assert audit is not None
    assert audit.stopped[0].share_won is None
    assert "cannot be told" in audit.says


def test_nothing_stopped_is_nothing_to_audit(small_sweep: SweepWriter) -> None:
    stored = load_sweep(small_sweep.directory)
    assert compute_stopping_audit(stored, compute_ranking(stored)) is None


def test_an_evaluation_that_tells_who_will_be_ahead_agrees_with_the_end(searched_sweep: SweepWriter) -> None:
    stored = load_sweep(searched_sweep.directory)
    audit = compute_stopping_audit(stored, compute_ranking(stored))
    assert audit is not None
    assert audit.agreement[2] > 0.7
