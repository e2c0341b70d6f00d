"""Infeasible configurations are marked and ranked below the others, not hidden."""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

from analysis import compute_ranking, load_sweep, ranking_json, render_ranking
from analysis.comparisons import Prospect
from common.music_schema import canonical_json
from common.random_configs import random_config

if TYPE_CHECKING:
    from collections.abc import Callable

    from analysis.ranking import Ranking
    from tests.analysis.conftest import NewSweep, SweepWriter

VIBES = 20


def honest(vibe: int) -> dict[str, Any]:
    return {
        "similarity": 0.4 + 0.01 * (vibe % 3),
        "mismatched": 0.2,
        "level_db": -20.0,
        "clipped": 0.0,
        "flatness": 0.05,
        "music_config": canonical_json(random_config(random.Random(vibe))),
    }


def hacked(vibe: int) -> dict[str, Any]:
    """One noisy config for every vibe, which CLAP likes."""
    return honest(0) | {"similarity": 0.8 + 0.01 * (-1) ** vibe, "mismatched": 0.8, "flatness": 0.7}


def crowd_pleaser(vibe: int) -> dict[str, Any]:
    """One clean config that CLAP likes whatever the vibe."""
    return honest(0) | {"similarity": 0.8 + 0.01 * (-1) ** vibe, "mismatched": 0.8}


def silence(vibe: int) -> dict[str, Any]:
    """Another config for every vibe, of which nothing is heard, and which CLAP likes for some reason."""
    return honest(vibe) | {"level_db": -120.0, "flatness": 0.0}


def audio(score: float) -> list[float]:
    return [score + 0.01 * (vibe % 5) for vibe in range(VIBES)]


@pytest.fixture
def sweep(new_sweep: NewSweep) -> SweepWriter:
    """The hacked configuration has the highest objective."""
    sweep = new_sweep()
    sweep.untrained(audio(0.1), heard=honest)
    sweep.trial("random valid configs", {0: audio(0.0)}, kind="random_configs", heard=hacked)
    for seed in (0, 1):
        sweep.trial("good", {4: audio(0.3)}, seed=seed, params={"lora.r": 4}, heard=honest)
        sweep.trial(
            "hack", {4: audio(0.8)}, seed=seed, params={"lora.r": 8}, heard=hacked if seed else honest
        )
    return sweep


def ranked(sweep: SweepWriter) -> Ranking:
    return compute_ranking(load_sweep(sweep.directory))


def test_an_infeasible_configuration_ranks_last_and_is_not_the_best(sweep: SweepWriter) -> None:
    ranking = ranked(sweep)
    assert [row.label for row in ranking.rows] == ["good", "untrained policy", "random valid configs", "hack"]
    assert [row.rank for row in ranking.rows] == [1, 2, 3, 4]
    good, hack = ranking.configurations
    assert hack.objective.mean > good.objective.mean
    assert (good.infeasible, good.tied_with_best, hack.tied_with_best) == ((), True, False)
    assert ranking.feasible == (good,)


def test_the_reasons_name_the_seed_that_broke_a_rule(sweep: SweepWriter) -> None:
    # Its other seed is honest, and both together fit their vibes.
    distinct, noise = ranked(sweep).rows[-1].infeasible
    assert distinct == "seed 1: only 5% of its configs are distinct"
    assert noise == "seed 1: 100% of its clips are noise"


def test_baselines_are_not_judged(sweep: SweepWriter) -> None:
    baseline = next(row for row in ranked(sweep).rows if row.label == "random valid configs")
    assert baseline.infeasible == ()
    assert baseline.sentinels[0].noise_share == 1


def test_the_table_marks_it_and_says_why(sweep: SweepWriter) -> None:
    console = Console(width=100, record=True)
    console.print(render_ranking(ranked(sweep)))
    text = " ".join(console.export_text().split())
    assert " !4 hack" in text
    assert "Best configuration: good" in text
    # There is no other that it could be better than.
    assert "It is better than every other" not in text
    assert "Infeasible, and ranked below the others: hack, because seed 1: only 5% of its configs" in text
    assert "!: infeasible, its score is not to be trusted." in text


def test_json_has_the_reasons_and_the_sentinels(sweep: SweepWriter) -> None:
    best, *_, last = ranking_json(ranked(sweep))["rows"]
    assert best["infeasible"] == []
    assert len(last["infeasible"]) == 2
    assert [one["seed"] for one in last["sentinels"]] == [0, 1]
    assert last["sentinels"][1]["vibe_margin"] == pytest.approx(0, abs=1e-12)
    assert last["sentinels"][0]["vibe_margin"] == pytest.approx(0.2095)
    assert last["sentinels"][0]["field_entropy"]["tempo"] > 0.5


@pytest.mark.parametrize(
    ("planted", "reasons"),
    [
        (crowd_pleaser, ["its sound fits its own vibe no better", "seed 0: only 5% of its configs are dist"]),
        (silence, ["seed 0: 100% of its clips are silent"]),
    ],
)
def test_a_planted_cheat_is_flagged_by_default_and_not_ranked_first(
    new_sweep: NewSweep, planted: Callable[[int], dict[str, Any]], reasons: list[str]
) -> None:
    sweep = new_sweep()
    sweep.untrained(audio(0.1), heard=honest)
    for seed in (0, 1):
        sweep.trial("honest", {4: audio(0.2)}, seed=seed, params={"lora.r": 4}, heard=honest)
        sweep.trial("cheat", {4: audio(0.9)}, seed=seed, params={"lora.r": 8}, heard=planted)
    ranking = ranked(sweep)
    first, last = ranking.configurations
    assert (first.label, first.infeasible) == ("honest", ())
    assert last.objective.mean > first.objective.mean
    for reason in reasons:
        assert any(rule.startswith(reason) for rule in last.infeasible), last.infeasible
    # It is no candidate for the best either.
    assert (first.prospect, last.prospect) == (Prospect(1.0, first.objective.mean), None)
    assert any(line.startswith("Infeasible, and ranked") for line in ranking_json(ranking)["warnings"])


def test_where_all_are_infeasible_the_summary_says_so(new_sweep: NewSweep) -> None:
    sweep = new_sweep()
    sweep.trial("a", {1: audio(0.1)}, params={"lora.r": 4}, heard=hacked)
    sweep.trial("b", {1: audio(0.6)}, params={"lora.r": 8}, heard=hacked)
    ranking = ranked(sweep)
    assert [row.label for row in ranking.rows] == ["b", "a"]
    margin, _, _ = ranking.rows[0].infeasible
    assert margin.startswith("its sound fits its own vibe no better than others (by 0.000, noise is 0.002)")
    sentences = ranking_json(ranking)["summary"]
    assert sentences[0].startswith("No configuration is feasible (see below). Highest: b")
    assert "It is better than every other configuration by more than noise." in sentences


def test_thresholds_are_the_sweeps_own(new_sweep: NewSweep) -> None:
    sweep = new_sweep(
        sentinels={"vibe_margin_errors": None, "min_distinct_share": None, "max_bad_sound_share": None}
    )
    sweep.trial("hack", {4: audio(0.8)}, heard=hacked)
    assert ranked(sweep).rows[0].infeasible == ()


def test_only_the_last_evaluation_is_judged(new_sweep: NewSweep) -> None:
    sweep = new_sweep()
    folder = sweep.trial("a", {0: audio(0.1)}, heard=hacked)
    sweep.trial("a", {4: audio(0.3)}, heard=honest)
    assert len(list(folder.glob("ledger/*.parquet"))) == 2
    assert ranked(sweep).rows[0].infeasible == ()


def test_a_ledger_without_sentinels_is_not_judged(small_sweep: SweepWriter) -> None:
    assert {row.infeasible for row in ranked(small_sweep).rows} == {()}


def test_the_vibe_margin_is_judged_over_all_seeds(new_sweep: NewSweep) -> None:
    def fits(shift: float) -> Callable[[int], dict[str, Any]]:
        return lambda vibe: honest(vibe) | {"similarity": 0.2 + shift + 0.1 * math.cos(vibe)}

    sweep = new_sweep()
    for seed, shift in enumerate((-0.03, 0.13)):
        sweep.trial("a", {4: audio(0.3)}, seed=seed, heard=fits(shift))
        sweep.trial("b", {4: audio(0.3)}, seed=seed, heard=fits(-shift))
    # Standard deviation 0.07 over 20 vibes: an error of 0.016, beside margins of 0.05 and -0.05.
    a, b = ranked(sweep).rows
    assert (a.label, a.infeasible) == ("a", ())
    assert [rule[:14] for rule in b.infeasible] == ["its sound fits"]
