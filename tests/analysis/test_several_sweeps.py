"""Several sweeps as one, and side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from analysis import compute_ranking, load_sweep
from analysis.compare import compare_sweeps
from analysis.comparison_text import comparison_json, comparison_text
from analysis.curves import compute_learning_curves
from analysis.pooled import load_sweeps
from common.errors import UserError
from common.objective import ObjectiveConfig
from search_spaces.sweep_file import SweepFile
from tests.analysis.conftest import SweepWriter
from vibesweep.cli import run

if TYPE_CHECKING:
    from pathlib import Path


def written(
    place: Path, *, ahead: float = 0.0, record: Any = None, scorer: str = "clap", **objective: Any
) -> Path:
    """A sweep of an untrained policy, `lora.r=8` and one configuration of its own."""
    sweep = SweepWriter(place, record=record, **objective)
    sweep.untrained([0.0, 0.1, 0.2], scorer_id=scorer)
    for seed in (0, 1):
        shift = ahead + 0.01 * seed
        both = [0.3 + shift, 0.5 + shift, 0.4 + shift]
        sweep.trial("lora.r=8", {4: both}, seed=seed, params={"lora.r": 8}, scorer_id=scorer)
        own = {4: [x - 0.2 for x in both]}
        sweep.trial(f"own of {place.name}", own, seed=seed, params={"lora.r": 4}, scorer_id=scorer)
    return place


def test_one_sweep_is_itself(tmp_path: Path) -> None:
    place = written(tmp_path / "one")
    assert compute_ranking(load_sweeps([place])) == compute_ranking(load_sweep(place))


def test_several_sweeps_are_ranked_as_one_under_their_names(tmp_path: Path) -> None:
    places = [written(tmp_path / "one"), written(tmp_path / "two", ahead=0.1)]
    pooled = load_sweeps(places)
    ranking = compute_ranking(pooled)
    assert ranking.sweep == "one + two"
    assert [row.label for row in ranking.rows] == [
        "two: lora.r=8", "one: lora.r=8", "two: own of two", "one: own of one", "untrained policy",
    ]  # fmt: skip
    # Trials of the same id keep their own rows and seeds.
    alone = {row.label: row.objective.mean for row in compute_ranking(load_sweep(places[1])).configurations}
    assert ranking.rows[0].objective.mean == pytest.approx(alone["lora.r=8"])
    assert [len(row.seeds) for row in ranking.configurations] == [2] * 4
    assert len({curve.trial_id for curve in compute_learning_curves(pooled)}) == 9
    ids = set(pooled.ledger["trial_id"].to_pylist())
    assert ids == {trial.record.trial_id for trial in pooled.trials}
    assert "two/lora.r=8-s0" in ids


@pytest.mark.parametrize(
    ("other", "difference"),
    [
        ({"audio_floor": -2.0}, r"objective \(audio_floor is -1.0 in one and -2.0 in two\)"),
        ({"weights": {"format_weight": 0.1}}, "weights.format_weight is 0.2 in one and 0.1 in two"),
        ({"num_vibes": 3}, "num_vibes is None in one and 3 in two"),
        ({"sentinels": {"min_distinct_share": 0.5}}, "sentinels"),
        ({"scorer": "other"}, r"scorer \(clap in one and other in two\)"),
        ({"record": {"data_sha256": {"held_out": "0" * 64}}}, r"held-out set \(none in one and 0{12}…"),
    ],
)  # fmt: skip
def test_sweeps_that_were_not_evaluated_alike_are_refused_in_one_line(
    tmp_path: Path, other: dict[str, Any], difference: str
) -> None:
    places = [written(tmp_path / "one"), written(tmp_path / "two", **other)]
    with pytest.raises(
        UserError, match=f"must be evaluated alike to be one sweep, got another .*{difference}"
    ):
        load_sweeps(places)


def test_the_same_folder_twice_is_refused(tmp_path: Path) -> None:
    place = written(tmp_path / "one")
    with pytest.raises(UserError, match=r"must be different folders, got .*one twice"):
        load_sweeps([place, place])


def test_sweeps_of_one_name_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    first, second = written(tmp_path / "a" / "one"), written(tmp_path / "b" / "one")
    assert load_sweeps([first, second]).name == f"{first} + {second}"


def test_the_same_configuration_is_compared_across_sweeps(tmp_path: Path) -> None:
    one, two = written(tmp_path / "one"), written(tmp_path / "two", ahead=0.1)
    [found] = compare_sweeps([load_sweep(one), load_sweep(two)])
    [same] = found.same
    assert (same.first, same.num_vibes, same.seeds) == ("lora.r=8", 3, (2, 2))
    # Half of the audio's 0.1, at every vibe; seeds are 0.005 apart.
    assert same.difference.mean == pytest.approx(0.05)
    assert same.difference.excludes_zero
    assert not same.is_identical
    assert found.num_only == (1, 1)
    assert found.best is not None
    assert found.best.difference == same.difference
    assert found.probability is not None
    assert sum(found.probability) == pytest.approx(1)
    assert found.probability[1] > 0.95
    text = "\n".join(comparison_text(found))
    assert "Best against best: +0.050 ±" in text
    assert "1 of 1 moved by more than noise" in text
    assert "Nothing else differs" in text


def test_a_configuration_that_cheats_is_not_the_best_of_its_sweep(tmp_path: Path) -> None:
    one, two = written(tmp_path / "one"), written(tmp_path / "two")
    noise = {"flatness": 1.0, "level_db": -90.0, "clipped": 0.0, "similarity": 0.5, "mismatched": 0.5}
    cheat = SweepWriter(two)
    cheat.trial("cheat", {4: [0.9] * 15}, params={"lora.r": 64}, heard=lambda vibe: noise)
    [found] = compare_sweeps([load_sweep(one), load_sweep(two)])
    assert found.num_infeasible == (0, 1)
    assert found.best is not None
    assert found.best.second == "lora.r=8"
    assert "the sentinels mark, 1 in all" in "\n".join(comparison_text(found))


def test_a_repeated_sweep_is_identical(tmp_path: Path) -> None:
    [found] = compare_sweeps([load_sweep(written(tmp_path / name)) for name in ("one", "two")])
    assert [pair.is_identical for pair in found.same] == [True]
    assert "lora.r=8: identical, to the last digit, on 3 vibes" in "\n".join(comparison_text(found))


def test_fewer_vibes_are_compared_on_those_that_both_have(tmp_path: Path) -> None:
    one = SweepWriter(tmp_path / "one")
    one.trial("a", {1: [0.1, 0.2, 0.3, 9.0]})
    two = SweepWriter(tmp_path / "two", num_vibes=3)
    two.trial("a", {1: [0.3, 0.4, 0.5]})
    [found] = compare_sweeps([load_sweep(one.directory), load_sweep(two.directory)])
    [same] = found.same
    assert same.num_vibes == 3
    assert same.difference.mean == pytest.approx(0.1)


def test_what_differs_is_listed_and_another_evaluation_gives_no_numbers(tmp_path: Path) -> None:
    record = {
        "sweep": SweepFile(name="two", objective=ObjectiveConfig(temperature=0.5), base={"lora.r": 32}),
        "versions": {"torch": "9"},
        "git_revision": "abc",
        "data_sha256": {"train": "f" * 64},
    }
    one, two = written(tmp_path / "one"), written(tmp_path / "two", record=record)
    [found] = compare_sweeps([load_sweep(one), load_sweep(two)])
    assert found.incomparable == ("objective (temperature is 0.8 in one and 0.5 in two)",)
    assert (found.same, found.best, found.probability) == ((), None, None)
    assert {(entry.what, entry.first, entry.second) for entry in found.differences} == {
        ("base.lora.r", 16, 32),
        ("data.train", None, "ffffffffffff…"),
        ("version.torch", None, "9"),
        ("code", None, "abc"),
    }
    data = comparison_json(found)
    assert data["best"] is None
    assert data["differences"][0] == {"what": "base.lora.r", "first": 16, "second": 32}
    assert "base.lora.r: 16 → 32" in "\n".join(comparison_text(found))


def test_the_commands_take_several_sweeps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    places = [str(written(tmp_path / name)) for name in ("one", "two")]
    assert run(["compare", *places]) == 0
    assert "two against one" in capsys.readouterr().out
    assert run(["compare", *places, "--json"]) == 0
    assert '"p_best_in_first"' in capsys.readouterr().out
    assert run(["rank", *places]) == 0
    assert "one + two" in capsys.readouterr().out
    assert run(["importance", *places]) == 0
    assert "Importance is not told: importance takes at least 8" in capsys.readouterr().out
    assert run(["importance", *places, "--json"]) == 0
    assert '"responses"' in capsys.readouterr().out
    assert run(["compare", places[0]]) == 2
    assert "compare must be given at least two sweeps" in capsys.readouterr().err
