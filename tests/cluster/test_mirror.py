"""The mirror: a copy that two sweeps never share, that is written again by every driver, and may fail."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import optuna
import pytest

from cluster.mirror import opened_mirror, study_name
from cluster.point_outcome import PointOutcome
from cluster.study import KnownPoint
from common.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

    from search_spaces.sweep_file import SweepFile
    from tests.cluster.conftest import MakeSweep

FINGERPRINT = "0123456789abcdef"
FAILED = PointOutcome("failed", {}, {})


def finished(value: float) -> PointOutcome:
    return PointOutcome("finished", {"held_out_objective": value, "train_seconds": 3.0}, {})


def mirrored(make_sweep: MakeSweep, folder: Path, **search: Any) -> SweepFile:
    return make_sweep(
        space={"grpo.beta": {"range": [0.0, 0.5], "kind": "float"}, "lora.r": [8, 16]},
        search={"mode": "optuna", "trials": 4, "mirror": f"sqlite:///{folder}/study.db"} | search,
    )


def known(number: int, outcome: PointOutcome | None = None) -> KnownPoint:
    return KnownPoint(number, {"grpo.beta": number / 10, "lora.r": 8}, outcome)


def url(sweep: SweepFile) -> str:
    assert sweep.search.mirror is not None
    return sweep.search.mirror


def stored(sweep: SweepFile, fingerprint: str = FINGERPRINT) -> optuna.Study:
    return optuna.load_study(study_name=study_name(sweep, fingerprint), storage=url(sweep))


def states(sweep: SweepFile) -> list[str]:
    return [trial.state.name for trial in stored(sweep).trials]


def test_the_study_has_every_point_as_it_ended(make_sweep: MakeSweep, tmp_path: Path) -> None:
    sweep = mirrored(make_sweep, tmp_path)
    with opened_mirror(sweep, FINGERPRINT) as mirror:
        for number in range(4):
            mirror.take_in(known(number))
        assert states(sweep) == ["RUNNING"] * 4
        mirror.take_in(known(2, FAILED))
        mirror.take_in(known(0, finished(0.25)._replace(intermediate={6: 0.125, 12: 0.25})))
        mirror.take_in(known(1, PointOutcome("stopped", {}, {4: 0.5, 8: 0.75})))
    study = stored(sweep)
    # A stopped sweep leaves no trial running.
    assert states(sweep) == ["COMPLETE", "PRUNED", "FAIL", "FAIL"]
    assert study.directions == [optuna.study.StudyDirection.MAXIMIZE]
    assert study.trials[0].value == 0.25
    assert study.trials[0].params == {"grpo.beta": 0.0, "lora.r": "8"}
    assert study.trials[0].intermediate_values == {6: 0.125, 12: 0.25}
    # As Optuna itself does it, so that the dashboard draws it: its last value stands for a pruned trial.
    assert (study.trials[1].value, study.trials[1].intermediate_values) == (0.75, {4: 0.5, 8: 0.75})
    assert [trial.user_attrs["point"] for trial in study.trials] == [0, 1, 2, 3]


def test_the_study_says_which_points_are_infeasible_and_by_how_much(
    make_sweep: MakeSweep, tmp_path: Path
) -> None:
    sweep = mirrored(make_sweep, tmp_path)
    with opened_mirror(sweep, FINGERPRINT) as mirror:
        mirror.take_in(known(0))
        mirror.take_in(known(0, finished(0.75)._replace(misses={"vibe_margin": -0.1, "noise_share": 0.2})))
        mirror.take_in(known(1, finished(0.25)._replace(misses={"vibe_margin": -0.1, "noise_share": -0.05})))
        mirror.take_in(known(2, FAILED))
    study = stored(sweep)
    # What optuna-dashboard draws infeasible trials by; Optuna reads it too, so that the best one is feasible.
    assert [trial.system_attrs.get("constraints") for trial in study.trials] == [
        [-0.1, 0.2], [-0.1, -0.05], None,
    ]  # fmt: skip
    assert study.best_trial.number == 1
    assert study.trials[0].user_attrs == {
        "point": 0,
        "misses vibe_margin by": -0.1,
        "misses noise_share by": 0.2,
    }


def test_a_driver_after_a_killed_one_doubles_nothing_and_leaves_nothing_running(
    make_sweep: MakeSweep, tmp_path: Path
) -> None:
    sweep = mirrored(make_sweep, tmp_path)
    # The first driver's context is never left, as if it had been killed.
    first = opened_mirror(sweep, FINGERPRINT)
    mirror = first.__enter__()
    mirror.take_in(known(0, finished(0.25)))
    mirror.take_in(known(1))
    for _ in range(2):
        with opened_mirror(sweep, FINGERPRINT) as mirror:
            mirror.take_in(known(0))
            mirror.take_in(known(0, finished(0.25)))
            mirror.take_in(known(1))
            mirror.take_in(known(1, finished(0.5)))
        assert states(sweep) == ["COMPLETE", "COMPLETE"]
        assert [trial.value for trial in stored(sweep).trials] == [0.25, 0.5]


def test_two_sweeps_of_one_name_have_two_studies(make_sweep: MakeSweep, tmp_path: Path) -> None:
    sweep = mirrored(make_sweep, tmp_path)
    for fingerprint, number in (("a" * 64, 0), ("b" * 64, 1)):
        with opened_mirror(sweep, fingerprint) as mirror:
            mirror.take_in(known(number, finished(0.5)))
    for fingerprint, number in (("a" * 64, 0), ("b" * 64, 1)):
        (trial,) = stored(sweep, fingerprint).trials
        assert trial.user_attrs["point"] == number


def test_a_study_of_another_direction_or_space_is_refused(make_sweep: MakeSweep, tmp_path: Path) -> None:
    sweep = mirrored(make_sweep, tmp_path)
    with opened_mirror(sweep, FINGERPRINT):
        pass
    for other in (
        mirrored(make_sweep, tmp_path, metrics=["train_seconds"]),
        sweep.model_validate(sweep.model_dump() | {"space": {"lora.r": [8, 16]}}),
    ):
        with (
            pytest.raises(UserError, match=r"must not hold another study named 'stand-in-0123456789ab'"),
            opened_mirror(other, FINGERPRINT),
        ):
            pass
    assert stored(sweep).trials == []


def test_several_metrics_have_their_names_and_directions(make_sweep: MakeSweep, tmp_path: Path) -> None:
    sweep = mirrored(make_sweep, tmp_path, metrics=["held_out_objective", "train_seconds"])
    with opened_mirror(sweep, FINGERPRINT) as mirror:
        mirror.take_in(known(0, finished(0.25)))
    study = stored(sweep)
    assert study.metric_names == ["held_out_objective", "train_seconds"]
    assert [direction.name for direction in study.directions] == ["MAXIMIZE", "MINIMIZE"]
    assert study.trials[0].values == [0.25, 3.0]


def test_a_mirror_that_cannot_be_opened_is_refused_without_its_password(
    make_sweep: MakeSweep, tmp_path: Path
) -> None:
    sweep = mirrored(make_sweep, tmp_path, mirror="sqlite://me:secret@nowhere/study.db")
    with (
        pytest.raises(UserError, match=r"search.mirror must be a storage that Optuna can open") as refused,
        opened_mirror(sweep, FINGERPRINT),
    ):
        pass
    assert "sqlite://nowhere/study.db" in str(refused.value)
    assert "secret" not in str(refused.value)


def test_a_mirror_that_fails_says_so_once_and_is_left_alone(make_sweep: MakeSweep, tmp_path: Path) -> None:
    sweep = mirrored(make_sweep, tmp_path)
    said: list[str] = []
    with opened_mirror(sweep, FINGERPRINT) as mirror:
        mirror.say = said.append
        mirror.take_in(known(0))
        optuna.delete_study(study_name=study_name(sweep, FINGERPRINT), storage=url(sweep))
        mirror.take_in(known(0, finished(0.25)))
        mirror.take_in(known(1))
    assert len(said) == 1
    assert said[0].startswith("the mirror is written no more: ")


def test_without_a_mirror_nothing_is_written(make_sweep: MakeSweep) -> None:
    with opened_mirror(make_sweep(), FINGERPRINT) as mirror:
        mirror.take_in(KnownPoint(0, {"grpo.beta": 0.05}))
