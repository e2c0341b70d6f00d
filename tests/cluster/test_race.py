"""Races: rounds of added seeds in a sweep's own directory, on stand-in trials."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from cluster.plan import baselines
from cluster.proposals import proposals_for
from cluster.race import Race, RaceOutcome, run_race
from cluster.search import SweepSearcher
from cluster.sweep import resume_sweep, run_sweep
from cluster.sweep_directory import claimed, sweep_record
from cluster.task import TrialCode
from common.errors import UserError
from common.race import RaceRecord, RaceStep, Standing
from common.records import ResultRecord, TrialRecord

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from search_spaces.sweep_file import SweepFile
    from tests.cluster.conftest import MakeSweep

CODE = TrialCode("trivial_trials:quick", "trivial_trials:random_configs", "trivial_scorers:length_backend")


def seeds_of(directory: Path, number: int) -> list[int]:
    """Of the finished trials of a point."""
    folders = directory.glob(f"trials/t{number:03d}-s*/result.json")
    return sorted(TrialRecord.read(path.parent).seed for path in folders)


def until_seeds(
    directory: Path, num_seeds: int, contenders: tuple[int, ...] = (1,)
) -> Callable[[int], RaceStep]:
    """Point 1 is known to be the best when it has so many seeds."""

    def decide(num_left: int) -> RaceStep:
        finished = len(seeds_of(directory, 1))
        standings = (Standing(number=1, label="one", seeds=finished, probability=0.9),)
        if finished >= num_seeds:
            return RaceStep("known", standings, (), "it has enough seeds")
        return RaceStep("open", standings, contenders, f"{num_left} left")

    return decide


class Driver:
    """A driver of a race without Ray: trials end when they are told to."""

    def __init__(
        self, sweep: SweepFile, directory: Path, decide: Callable[[int], RaceStep], **rules: int
    ) -> None:
        self.race = Race(sweep, directory, decide, **{"most_added": 9} | rules)
        self.race.take_up()
        self.trials = directory / "trials"
        self.search = SweepSearcher(
            sweep, self.trials, baselines(sweep), proposals_for(sweep), more=self.race.next_round
        )
        self.count = 0
        self.running: dict[str, str] = {}

    def start(self) -> str | None:
        """The next trial's id; `FINISHED`, or None where it must wait."""
        self.count += 1
        suggestion = self.search.suggest(str(self.count))
        if isinstance(suggestion, dict):
            self.running[suggestion["trial_id"]] = str(self.count)
            return str(suggestion["trial_id"])
        return suggestion

    def end(self, trial_id: str, *, failed: bool = False) -> None:
        result = (
            ResultRecord(status="failed", reason="no luck")
            if failed
            else ResultRecord(status="finished", objective=0.5)
        )
        result.write(self.trials / trial_id)
        self.search.on_trial_complete(self.running.pop(trial_id))

    def run_out(self) -> list[str]:
        """Start and end one trial after the other."""
        order = []
        while (trial_id := self.start()) != "FINISHED":
            assert trial_id is not None
            self.end(trial_id)
            order.append(trial_id)
        return order


OWN = ["baseline-untrained", "baseline-random", "t000-s0", "t000-s1", "t001-s0", "t001-s1"]


def test_a_round_follows_when_all_trials_before_it_have_ended(make_sweep: MakeSweep, tmp_path: Path) -> None:
    sweep = make_sweep(seeds=[0, 1])
    driver = Driver(sweep, tmp_path, until_seeds(tmp_path, 4, (1, 0)))
    assert [driver.start() for _ in range(7)] == [*OWN, None]
    for trial_id in OWN[:-1]:
        driver.end(trial_id)
    assert driver.start() is None
    driver.end(OWN[-1])
    assert [driver.start() for _ in range(3)] == ["t001-s2", "t000-s2", None]
    driver.end("t001-s2")
    assert driver.start() is None
    driver.end("t000-s2")
    assert driver.run_out() == ["t001-s3", "t000-s3"]
    assert driver.race.ended == ("known", "it has enough seeds")
    # An added trial is its point with another seed.
    own, added = (TrialRecord.read(tmp_path / "trials" / f"t001-s{seed}") for seed in (0, 3))
    update = {"trial_id": "t001-s3", "seed": 3, "config": own.config.model_copy(update={"seed": 3})}
    assert added == own.model_copy(update=update)


def test_a_killed_race_goes_on_with_its_round(make_sweep: MakeSweep, tmp_path: Path) -> None:
    sweep = make_sweep(seeds=[0, 1])
    whole = Driver(sweep, tmp_path / "whole", until_seeds(tmp_path / "whole", 4, (1, 0)))
    whole.run_out()
    driver = Driver(sweep, tmp_path / "cut", until_seeds(tmp_path / "cut", 4, (1, 0)))
    for _ in range(7):
        trial_id = driver.start()
        assert trial_id is not None
        driver.end(trial_id)
    # As if it had been killed before all records of the round were written.
    record = tmp_path / "cut" / "trials" / "t000-s2" / "trial.json"
    record.unlink()
    again = Driver(sweep, tmp_path / "cut", until_seeds(tmp_path / "cut", 4, (1, 0)))
    assert again.run_out() == ["t000-s2", "t001-s3", "t000-s3"]
    assert RaceRecord.read(tmp_path / "cut") == RaceRecord.read(tmp_path / "whole")
    assert again.race.ended == whole.race.ended


def test_no_more_trials_are_added_than_the_race_may(make_sweep: MakeSweep, tmp_path: Path) -> None:
    sweep = make_sweep(seeds=[0, 1])
    driver = Driver(sweep, tmp_path, until_seeds(tmp_path, 9, (1, 0)), most_added=3)
    assert driver.run_out() == [*OWN, "t001-s2", "t000-s2", "t001-s3"]
    assert driver.race.ended == ("budget", "3 trials were added; 0 left")
    # Those of earlier races count, so that the same command ends at the same place.
    again = Driver(sweep, tmp_path, until_seeds(tmp_path, 9, (1, 0)), most_added=3)
    assert again.run_out() == []
    more = Driver(sweep, tmp_path, until_seeds(tmp_path, 9, (1, 0)), most_added=4)
    assert more.run_out() == ["t001-s4"]


def test_a_failed_seed_is_not_tried_again_and_a_round_without_outcome_ends_the_race(
    make_sweep: MakeSweep, tmp_path: Path
) -> None:
    sweep = make_sweep(seeds=[0, 1])
    driver = Driver(sweep, tmp_path, until_seeds(tmp_path, 9, (1, 0)))
    rounds = [*OWN, "t001-s2", "t000-s2", "t001-s3", "t000-s3"]
    for expected in rounds:
        assert driver.start() == expected
        driver.end(expected, failed=expected in ("t001-s2", "t001-s3", "t000-s3"))
    assert driver.start() == "FINISHED"
    assert driver.race.ended == (
        "failed",
        "no trial of the last round has an outcome; the first failed with: no luck",
    )


def test_the_sweeps_own_budget_holds_for_a_race(make_sweep: MakeSweep, tmp_path: Path) -> None:
    sweep = make_sweep(seeds=[0, 1])
    race = Race(sweep, tmp_path, until_seeds(tmp_path, 9), most_added=9)
    search = SweepSearcher(
        sweep, tmp_path / "trials", [], proposals_for(sweep), more=race.next_round,
        over_budget=lambda started: "five" if started >= 5 else None,
    )  # fmt: skip
    for number in range(5):
        suggestion = search.suggest(str(number))
        assert isinstance(suggestion, dict)
        ResultRecord(status="finished", objective=0.5).write(tmp_path / "trials" / suggestion["trial_id"])
        search.on_trial_complete(str(number))
    assert search.suggest("5") == "FINISHED"
    assert (search.stopped_by, race.ended) == ("five", None)


def test_a_sweep_with_a_scheduler_is_refused(make_sweep: MakeSweep, tmp_path: Path) -> None:
    sweep = make_sweep(scheduler={"type": "asha", "eval_steps": 2})
    with claimed(tmp_path / "out", sweep_record(sweep), overwrite=False):
        (tmp_path / "out" / "kept").touch()
    with pytest.raises(UserError, match=r"needs a sweep without a scheduler, got 'asha'"):
        run_race(tmp_path / "out", until_seeds(tmp_path, 4))


@pytest.mark.ray
@pytest.mark.usefixtures("local_ray")
@pytest.mark.parametrize("mode", ["grid", "optuna"])
def test_a_race_adds_ordinary_trials_on_ray(make_sweep: MakeSweep, tmp_path: Path, mode: str) -> None:
    content = {"seeds": [0, 1], "resources": {"scorers": 0}}
    if mode == "optuna":
        content |= {
            "space": {"grpo.beta": {"range": [0.0, 0.2], "kind": "float"}},
            "search": {"mode": "optuna", "trials": 2},
        }
    out, console = tmp_path / "out", io.StringIO()
    run_sweep(make_sweep(**content), out, code=CODE, console=Console(file=io.StringIO()))

    def race() -> RaceOutcome:
        return run_race(out, until_seeds(out, 4), code=CODE, console=Console(file=console, width=200))

    ended = race()
    assert (ended.verdict, ended.num_added, ended.sweep.num_finished) == ("known", 2, 8)
    assert (seeds_of(out, 0), seeds_of(out, 1)) == ([0, 1], [0, 1, 2, 3])
    assert "stand-in: round 1: 1 more, 4 left" in console.getvalue()
    assert "8/8 trials" in console.getvalue()
    assert {path.read_text() for path in out.glob("trials/t*/starts")} == {"start\n"}
    # Once known, there is nothing left to do; nor for the sweep, to which the trials now belong.
    assert race().sweep.was_done
    resumed = resume_sweep(out, code=CODE, console=Console(file=io.StringIO()))
    assert (resumed.num_finished, resumed.was_done) == (8, True)
