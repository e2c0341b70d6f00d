"""Rankings of small sweeps whose outcome is worked out by hand.

How completions are written is in conftest.py: 0.2 is a valid payload with audio 0.2, whose objective is
0.2 + 0.3 + 0.5 * 0.2 = 0.6; None cannot be rendered, and has 0.2 + 0.3 * 0.5 - 0.5 = -0.15.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeVar

import pyarrow.parquet as pq
import pytest

from analysis import compute_ranking, load_sweep, ranking_json
from analysis.summary import short_name, warnings
from common.lineage import Change, LineageRecord
from common.objective import OBJECTIVE_NAME
from common.reward_config import RewardWeights
from common.training_config import TrainingConfig

if TYPE_CHECKING:
    from analysis.ranking import Ranking
    from tests.analysis.conftest import NewSweep, SweepWriter

T_1, T_2, T_2_OF_TWO = 12.706205, 4.302653, 6.205347
"""97.5 % points of Student's t with 1 and 2 degrees of freedom; 98.75 % point with 2."""


T = TypeVar("T")


def given(value: T | None) -> T:
    assert value is not None
    return value


def ranked(sweep: SweepWriter, **options: Any) -> Ranking:
    return compute_ranking(load_sweep(sweep.directory), **options)


def test_a_configuration_with_a_stopped_seed_is_not_ranked_but_counted(new_sweep: NewSweep) -> None:
    sweep = new_sweep()
    sweep.untrained([0.0, 0.1])
    sweep.trial("slow", {0: [0.0, 0.1], 4: [0.9, 0.9]}, seed=0, status="stopped")
    sweep.trial("slow", {0: [0.0, 0.1], 8: [0.9, 0.9]}, seed=1)
    sweep.trial("fast", {0: [0.0, 0.1], 8: [0.5, 0.5]}, seed=0)
    ranking = compute_ranking(load_sweep(sweep.directory))
    assert [row.label for row in ranking.configurations] == ["fast"]
    assert (ranking.num_stopped, ranking.unranked) == (1, ())
    assert ranking_json(ranking)["num_stopped"] == 1
    assert any(
        "1 trial that the scheduler stopped early" in line for line in ranking_json(ranking)["warnings"]
    )


def test_rows_are_the_mean_objectives_best_first(small_sweep: SweepWriter) -> None:
    rows = ranked(small_sweep).rows
    # r=8: 0.5 + 0.5 * (0.2 + 0.4 + 0.6) / 3 = 0.7 with both seeds. random: 0.5 + 0.5 * 0 = 0.5.
    # untrained: (0.5 - 0.15 + 0.6) / 3 = 0.95 / 3. r=4: (0.5 - 0.15 + 0.5) / 3 = 0.85 / 3 with both.
    assert [(row.rank, row.label, row.kind) for row in rows] == [
        (1, "lora.r=8, grpo.beta=0.02", "trial"),
        (2, "random valid configs", "baseline"),
        (3, "untrained policy", "baseline"),
        (4, "lora.r=4, grpo.beta=0.02", "trial"),
    ]
    assert [row.objective.mean for row in rows] == pytest.approx([0.7, 0.5, 0.95 / 3, 0.85 / 3])
    assert [row.validity for row in rows] == pytest.approx([1, 1, 2 / 3, 2 / 3])
    assert [row.audio_over_valid for row in rows] == pytest.approx([0.4, 0, 0.1, 0])
    assert [row.seeds for row in rows] == [(0, 1), (0,), (0,), (0, 1)]


def test_the_interval_of_a_baseline_is_that_of_its_vibes(small_sweep: SweepWriter) -> None:
    [row] = [row for row in ranked(small_sweep).rows if row.label == "random valid configs"]
    # Objectives 0.5, 0.55, 0.45: variance 0.0025, over 3.
    assert row.objective.half_width == pytest.approx(T_2 * (0.0025 / 3) ** 0.5, rel=1e-6)


def test_the_difference_to_the_untrained_policy_is_paired_by_vibe(new_sweep: NewSweep) -> None:
    sweep = new_sweep()
    sweep.untrained([-0.4, 0.0, 0.4])
    sweep.trial("better", {5: [-0.2, 0.4, 1.0]})
    [row] = ranked(sweep).configurations
    # Half of the differences 0.2, 0.4, 0.6: mean 0.2, variance 0.01, over 3; the vibes' own spread is gone.
    assert given(row.difference).total.mean == pytest.approx(0.2)
    assert given(row.difference).total.half_width == pytest.approx(T_2 * (0.01 / 3) ** 0.5, rel=1e-6)
    assert given(row.difference).total == given(row.difference).single


def test_the_difference_is_corrected_for_picking_the_best_of_two(new_sweep: NewSweep) -> None:
    sweep = new_sweep()
    sweep.untrained([-0.4, 0.0, 0.4])
    sweep.trial("better", {5: [-0.2, 0.4, 1.0]})
    sweep.trial("same", {5: [-0.4, 0.0, 0.4]})
    row = ranked(sweep).configurations[0]
    # Each of two intervals at 97.5 %, so both hold at once with at least 95 %.
    assert given(row.difference).total.half_width == pytest.approx(T_2_OF_TWO * (0.01 / 3) ** 0.5, rel=1e-6)
    assert given(row.difference).single.half_width == pytest.approx(T_2 * (0.01 / 3) ** 0.5, rel=1e-6)


def test_the_parts_of_the_difference_make_it_up(small_sweep: SweepWriter) -> None:
    for row in ranked(small_sweep).configurations:
        parts = given(given(row.difference).validity).mean + given(given(row.difference).audio).mean
        assert parts == pytest.approx(given(row.difference).total.mean, abs=1e-14)
    best = ranked(small_sweep).configurations[0]
    # r: 1 against 2/3, middle 5/6. a: 0.4 against 0.1, middle 0.25.
    # Audio: 0.5 * 5/6 * 0.3 = 0.125. Total 0.7 - 0.95 / 3.
    assert given(given(best.difference).audio).mean == pytest.approx(0.125)
    assert given(given(best.difference).audio_over_valid).mean == pytest.approx(0.3)
    assert given(given(best.difference).validity).mean == pytest.approx(0.7 - 0.95 / 3 - 0.125)


def test_only_the_last_evaluation_counts(new_sweep: NewSweep) -> None:
    sweep = new_sweep()
    sweep.trial("a", {0: [0.9, 0.9], 5: [0.8, 0.8], 10: [0.0, 0.2]})
    assert ranked(sweep).rows[0].objective.mean == pytest.approx(0.55)


def test_the_floor_is_the_objectives(new_sweep: NewSweep) -> None:
    sweep = new_sweep(audio_floor=-2)
    sweep.trial("a", {0: [None, None]})
    # 0.2 + 0.3 * 0.5 - 0.5 * 2 = -0.65.
    assert ranked(sweep).rows[0].objective.mean == pytest.approx(-0.65)
    assert ranked(sweep).rows[0].audio_over_valid is None


def test_samples_of_a_vibe_are_averaged_first(new_sweep: NewSweep) -> None:
    sweep = new_sweep()
    sweep.trial("a", {0: [[0.0, 0.4], [0.2, 0.6]]})
    # Vibes 0.2 and 0.4, objectives 0.6 and 0.7: mean 0.65, variance 0.005, over 2.
    interval = ranked(sweep).rows[0].objective
    assert interval.mean == pytest.approx(0.65)
    assert interval.half_width == pytest.approx(T_1 * 0.05, rel=1e-6)


def test_unscored_completions_are_counted_and_left_out_of_both_sides(new_sweep: NewSweep) -> None:
    sweep = new_sweep()
    sweep.untrained([[0.0, -0.8], [0.2, 0.4], [0.0, 0.0]])
    sweep.trial("a", {1: [[0.2, "unscored"], [0.4, 0.6], ["unscored", "unscored"]]})
    ranking = ranked(sweep)
    [row] = ranking.configurations
    assert ranking.unscored_reasons == (("timeout", 3),)
    sentence = "Without a score, rollouts included: 3 completions; 3 of them because: timeout."
    assert sentence in warnings(ranking)
    # Means 0.2 and 0.5 of the two vibes that have a score.
    assert (row.unscored, row.num_vibes) == (3, 2)
    assert row.objective.mean == pytest.approx(0.675)
    # Pairs: 0.2 - 0.0, and the means 0.5 - 0.3. The -0.8 has no partner.
    assert given(row.difference).total.mean == pytest.approx(0.5 * 0.2)
    assert given(row.difference).total.half_width == pytest.approx(0, abs=1e-12)


def test_a_component_that_is_not_finite_is_unscored(new_sweep: NewSweep) -> None:
    sweep = new_sweep()
    sweep.trial("a", {0: [0.0, 0.2, (1.0, 1.0, float("nan"))]})
    row = ranked(sweep).rows[0]
    assert (row.unscored, row.num_vibes) == (1, 2)
    assert row.objective.mean == pytest.approx(0.55)


def test_failed_seeds_are_counted_and_left_out(new_sweep: NewSweep) -> None:
    sweep = new_sweep()
    sweep.trial("a", {0: [0.9, 0.9], 5: [0.0, 0.2]}, seed=0)
    sweep.trial("a", {0: [0.9, 0.9]}, seed=1, status="failed")
    [row] = ranked(sweep).rows
    assert (row.seeds, row.num_failed) == ((0,), 1)
    assert row.objective.mean == pytest.approx(0.55)


def test_a_configuration_without_a_finished_seed_is_named_with_the_reason(new_sweep: NewSweep) -> None:
    sweep = new_sweep()
    sweep.trial("a", {0: [0.9, 0.9]}, status="failed")
    ranking = ranked(sweep)
    assert ranking.rows == ()
    assert [(entry.label, entry.reason) for entry in ranking.unranked] == [("a", "out of memory")]


def test_a_running_trial_is_left_out(new_sweep: NewSweep) -> None:
    sweep = new_sweep()
    sweep.trial("a", {0: [0.9, 0.9]}, status=None)
    ranking = ranked(sweep)
    assert (ranking.rows, ranking.unranked, ranking.num_running) == ((), (), 1)


def test_an_earlier_evaluation_never_stands_for_a_lost_last_one(new_sweep: NewSweep) -> None:
    sweep = new_sweep()
    folder = sweep.trial("a", {0: [0.9, 0.9], 5: [0.0, 0.2]})
    (folder / "ledger" / "held-out-000005.parquet").write_bytes(b"PAR1 torn")
    ranking = ranked(sweep)
    assert ranking.rows == ()
    assert ranking.unranked[0].reason == "its evaluation at step 5 is not in the ledger"


def test_a_torn_file_changes_nothing_else(small_sweep: SweepWriter) -> None:
    before = ranked(small_sweep)
    folder = next(small_sweep.directory.glob("trials/*s0"))
    (folder / "ledger" / "train-000009.parquet").write_bytes(b"PAR1 torn")
    after = ranked(small_sweep)
    assert after.rows == before.rows
    assert (before.num_torn_files, after.num_torn_files) == (0, 1)


def test_the_order_of_ledger_rows_does_not_matter(small_sweep: SweepWriter) -> None:
    sweep = load_sweep(small_sweep.directory)
    before = compute_ranking(sweep)
    for part in sweep.parts:
        table = pq.read_table(part.path, partitioning=None)
        pq.write_table(table.take(list(reversed(range(table.num_rows)))), part.path)
    assert compute_ranking(load_sweep(small_sweep.directory)) == before


def test_other_weights_rank_as_an_evaluation_under_them_would(
    new_sweep: NewSweep, small_sweep: SweepWriter
) -> None:
    weights = RewardWeights(format_weight=0, schema_weight=1, audio_weight=0)
    ranking = ranked(small_sweep, weights=weights)
    # Schema alone: 1, 1, and (1 + 0.5 + 1) / 3 twice.
    assert [row.objective.mean for row in ranking.rows] == pytest.approx([1, 1, 2.5 / 3, 2.5 / 3])
    assert given(given(ranking.configurations[0].difference).audio).mean == 0


def test_each_base_model_is_compared_with_its_own_untrained_policy(new_sweep: NewSweep) -> None:
    sweep = new_sweep()
    sweep.untrained([0.0, 0.0])
    sweep.untrained([0.4, 0.4], "untrained policy (other)", base_model="qwen3-600m")
    sweep.trial("a", {1: [0.4, 0.4]})
    sweep.trial("b", {1: [0.4, 0.4]}, base_model="qwen3-600m")
    ranking = ranked(sweep)
    differences = {row.label: given(row.difference).total.mean for row in ranking.configurations}
    assert differences == pytest.approx({"a": 0.2, "b": 0.0})
    baselines = sorted(row.label for row in ranking.rows if row.kind == "baseline")
    assert baselines == ["untrained policy", "untrained policy (other)"]


def test_a_trial_that_began_with_an_sft_policy_is_compared_with_it(new_sweep: NewSweep) -> None:
    sweep = new_sweep()
    sweep.trial("SFT policy", {0: [0.0, 0.2]}, kind="sft_policy")
    sweep.trial("nearest vibe's config", {0: [0.1, 0.1]}, kind="retrieval")
    sweep.trial("a", {1: [0.4, 0.2]})
    ranking = ranked(sweep)
    difference = given(ranking.configurations[0].difference)
    assert difference.start == "sft_policy"
    assert difference.total.mean == pytest.approx(0.1)
    data = ranking_json(ranking)
    assert data["summary"][1].startswith("Against the SFT policy, paired by vibe: +0.100")
    assert {row["label"]: row["baseline"] for row in data["rows"]} == {
        "a": None, "SFT policy": "sft_policy", "nearest vibe's config": "retrieval",
    }  # fmt: skip


def test_without_an_untrained_policy_there_is_no_difference(new_sweep: NewSweep) -> None:
    sweep = new_sweep()
    sweep.trial("a", {1: [0.4, 0.2]})
    ranking = ranked(sweep)
    assert ranking.configurations[0].difference is None
    assert ranking_json(ranking)["best_vs_untrained"] is None
    assert ranking_json(ranking)["warnings"][-1] == "No untrained policy to compare 1 configuration with."


def test_ties_are_told_from_what_is_clearly_worse(new_sweep: NewSweep) -> None:
    sweep = new_sweep()
    vibes = [0.1 * vibe for vibe in range(8)]
    for seed in (0, 1):
        sweep.trial("best", {1: [x + 0.01 * seed for x in vibes]}, seed=seed)
        sweep.trial("near", {1: [x + 0.01 * seed - 0.002 for x in vibes]}, seed=seed)
        sweep.trial("far", {1: [x + 0.01 * seed - 0.5 for x in vibes]}, seed=seed)
    assert [(row.label, row.tied_with_best) for row in ranked(sweep).rows] == [
        ("best", True),
        ("near", True),
        ("far", False),
    ]


def test_a_point_suggested_twice_is_no_second_seed(new_sweep: NewSweep) -> None:
    sweep = new_sweep()
    sweep.trial("a", {1: [0.4, 0.2]})
    folder = sweep.trial("b", {1: [0.4, 0.2]})
    record = json.loads((folder / "trial.json").read_text())
    (folder / "trial.json").write_text(json.dumps(record | {"config_hash": "hash of a"}))
    [row] = ranked(sweep).rows
    assert row.seeds == (0,)


def test_a_configuration_that_changed_is_marked_and_is_no_seed_of_another(new_sweep: NewSweep) -> None:
    sweep = new_sweep()
    sweep.untrained([0.0, 0.1])
    other_model = sweep.untrained([0.2, 0.3], "untrained policy (other)", base_model="other")
    assert other_model.is_dir()
    sweep.trial("a", {1: [0.4, 0.2]}, seed=0)
    folder = sweep.trial("a", {1: [0.6, 0.4]}, seed=1, params={"grpo.beta": 0.02})
    change = Change(
        step=1, copied_from="b-s0", objective=0.1, objective_copied=0.2, params_before={"grpo.beta": 0.02},
        params_after={"grpo.beta": 0.025}, config_hash="new", config=TrainingConfig(base_model="other"),
    )  # fmt: skip
    LineageRecord(changes=(change, change)).write(folder)
    ranking = ranked(sweep)
    first, second = ranking.configurations
    assert (first.seeds, second.seeds) == ((1,), (0,))
    assert short_name(first) == "a (changed while training 2 times)"
    # Its weights are trained from the other model: half the weight is audio, 0.5 - 0.25 against 0.1 - 0.05.
    assert given(first.difference).total.mean == pytest.approx(0.5 * ((0.6 + 0.4) - (0.2 + 0.3)) / 2)
    rows = {row["label"]: row for row in ranking_json(ranking)["rows"]}
    assert set(rows["untrained policy"]) == set(rows["a"])
    lineage = ranking_json(ranking)["rows"][0]["lineage"]
    assert [(one["step"], one["copied_from"], one["params_after"]) for one in lineage] == [
        (1, "b-s0", {"grpo.beta": 0.025})
    ] * 2
    assert any("1 configuration changed while training" in text for text in ranking_json(ranking)["warnings"])


def test_one_seed_says_that_seeds_are_not_covered(new_sweep: NewSweep) -> None:
    sweep = new_sweep()
    sweep.trial("a", {1: [0.4, 0.2]})
    ranking = ranked(sweep)
    assert not ranking.covers_seeds
    assert ranking_json(ranking)["warnings"][0].startswith("One seed per configuration")


def test_two_scorers_are_pointed_out(new_sweep: NewSweep) -> None:
    sweep = new_sweep()
    sweep.trial("a", {1: [0.4, 0.2]})
    sweep.trial("b", {1: [0.4, 0.2]}, scorer_id="other")
    expected = "Scores of different scorers cannot be compared: clap on torch; other on torch."
    assert expected in ranking_json(ranked(sweep))["warnings"]


def test_the_json_has_the_keys_that_scripts_rely_on_and_no_nan(small_sweep: SweepWriter) -> None:
    data = ranking_json(ranked(small_sweep))
    json.dumps(data, allow_nan=False)
    assert data["objective"] == OBJECTIVE_NAME
    best = data["rows"][0]
    assert best["params"] == {"lora.r": 8, "grpo.beta": 0.02}
    assert (best["rank"], best["label"], best["kind"]) == (1, "lora.r=8, grpo.beta=0.02", "trial")
    assert (best["num_seeds"], best["num_failed"], best["unscored"], best["num_vibes"]) == (2, 0, 0, 3)
    assert best["low"] < best["mean"] < best["high"]
    assert best["diff_low"] < best["diff_low_single"] < best["diff_mean"] < best["diff_high_single"]
    assert best["diff_validity_part_mean"] + best["diff_audio_part_mean"] == pytest.approx(best["diff_mean"])
    assert data["best_vs_untrained"]["diff_mean"] == best["diff_mean"]
    assert data["best_vs_untrained"]["beyond_noise"] is False
    assert {len(row) for row in data["rows"]} == {len(best)}
    assert data["rows"][1]["diff_mean"] is None


def test_an_empty_sweep_has_an_empty_ranking(new_sweep: NewSweep) -> None:
    data = ranking_json(ranked(new_sweep()))
    assert data["rows"] == []
    assert data["summary"] == ["No configuration has a finished trial, so there is nothing to rank yet."]
