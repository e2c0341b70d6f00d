"""The searcher: baselines first, seeds together, means told once, and all of it again from the records."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from ray.tune.search import Searcher

from cluster.plan import baselines
from cluster.point_outcome import PointOutcome
from cluster.proposals import proposals_for
from cluster.search import CRASH_FILE, SweepSearcher
from common.ledger import write_part
from common.records import EvaluationsRecord, ResultRecord, TrialRecord
from tests.cluster.trivial_trials import heard_row

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from common.training_config import TrainingConfig
    from search_spaces.points import Point
    from search_spaces.sweep_file import SweepFile
    from tests.cluster.conftest import MakeSweep
    from trainables.spec import TrialSpec


class Told:
    """Proposals that remember what they were told."""

    def __init__(self, sweep: SweepFile) -> None:
        self._inner = proposals_for(sweep)
        self.told: list[tuple[int, PointOutcome]] = []

    def propose(self) -> Point | None:
        return self._inner.propose()

    def notes(self, number: int) -> Mapping[str, int]:
        return self._inner.notes(number)

    def restore(self, number: int, params: Mapping[str, Any], notes: Mapping[str, int]) -> None:
        self._inner.restore(number, params, notes)

    def tell(self, number: int, outcome: PointOutcome) -> None:
        self.told.append((number, outcome))
        self._inner.tell(number, outcome)

    @property
    def objectives(self) -> list[tuple[int, float | None]]:
        return [(number, outcome.metrics.get("held_out_objective")) for number, outcome in self.told]


def searcher(sweep: SweepFile, trials: Path, **options: Any) -> tuple[SweepSearcher, Told]:
    proposals = Told(sweep)
    return SweepSearcher(sweep, trials, baselines(sweep), proposals, **options), proposals


def suggested(search: SweepSearcher, tune_id: str) -> str:
    suggestion = search.suggest(tune_id)
    if suggestion is None:
        return "later"
    return suggestion if isinstance(suggestion, str) else str(suggestion["trial_id"])


def finish(search: SweepSearcher, trials: Path, tune_id: str, trial_id: str, objective: float) -> None:
    ResultRecord(status="finished", objective=objective).write(trials / trial_id)
    search.on_trial_complete(tune_id, {})


def test_no_more_trials_start_than_have_places(make_sweep: MakeSweep, tmp_path: Path) -> None:
    search, _ = searcher(make_sweep(), tmp_path)
    search.places = lambda: 2
    assert [suggested(search, str(n)) for n in range(3)] == ["baseline-untrained", "baseline-random", "later"]
    finish(search, tmp_path, "0", "baseline-untrained", 0.1)
    assert [suggested(search, str(n)) for n in (2, 3)] == ["t000-s0", "later"]
    search.places = lambda: None  # only an autoscaler knows
    assert suggested(search, "3") == "t001-s0"


def test_baselines_come_first_then_all_seeds_of_each_point(make_sweep: MakeSweep, tmp_path: Path) -> None:
    search, _ = searcher(make_sweep(seeds=[3, 5]), tmp_path)
    order = [suggested(search, str(n)) for n in range(7)]
    assert order == [
        "baseline-untrained", "baseline-random",
        "t000-s3", "t000-s5", "t001-s3", "t001-s5",
        Searcher.FINISHED,
    ]  # fmt: skip
    record = TrialRecord.read(tmp_path / "t001-s5")
    assert (record.seed, record.config.seed, record.number, record.label) == (5, 5, 1, "grpo.beta=0.05")
    assert record.config_hash == TrialRecord.read(tmp_path / "t001-s3").config_hash


def test_a_record_lies_in_the_folder_before_its_trial_is_suggested(
    make_sweep: MakeSweep, tmp_path: Path
) -> None:
    search, _ = searcher(make_sweep(), tmp_path)
    for number in range(4):
        trial_id = suggested(search, str(number))
        assert TrialRecord.read(tmp_path / trial_id).trial_id == trial_id


def test_the_mean_is_told_when_the_last_seed_has_ended(make_sweep: MakeSweep, tmp_path: Path) -> None:
    search, proposals = searcher(make_sweep(seeds=[0, 1]), tmp_path)
    ids = {suggested(search, str(n)): str(n) for n in range(6)}
    finish(search, tmp_path, ids["t000-s1"], "t000-s1", 0.5)
    assert proposals.told == []
    finish(search, tmp_path, ids["t000-s0"], "t000-s0", 0.25)
    assert proposals.objectives == [(0, 0.375)]


def test_a_failed_seed_is_left_out_of_the_mean_and_a_point_of_failed_seeds_fails(
    make_sweep: MakeSweep, tmp_path: Path
) -> None:
    search, proposals = searcher(make_sweep(seeds=[0, 1]), tmp_path)
    ids = {suggested(search, str(n)): str(n) for n in range(6)}
    search.on_trial_complete(ids["t000-s0"], error=True)
    finish(search, tmp_path, ids["t000-s1"], "t000-s1", 0.5)
    search.on_trial_complete(ids["t001-s0"], error=True)
    search.on_trial_complete(ids["t001-s1"], error=True)
    assert proposals.objectives == [(0, 0.5), (1, None)]


def test_a_trial_that_crashed_too_often_has_its_reason_recorded(
    make_sweep: MakeSweep, tmp_path: Path
) -> None:
    search, _ = searcher(make_sweep(), tmp_path)
    ids = {suggested(search, str(n)): str(n) for n in range(4)}
    (tmp_path / "t000-s0" / CRASH_FILE).write_text("Traceback\n  here\nRuntimeError: out of luck\n")
    search.on_trial_complete(ids["t000-s0"], error=True)
    search.on_trial_complete(ids["t001-s0"], error=True)
    first, second = (ResultRecord.read(tmp_path / trial_id) for trial_id in ("t000-s0", "t001-s0"))
    assert first is not None
    assert second is not None
    assert (first.status, second.status) == ("failed", "failed")
    assert "RuntimeError: out of luck" in (first.reason or "")
    assert "died without a word" in (second.reason or "")


def test_a_new_searcher_runs_what_has_not_ended_first_and_tells_what_has(
    make_sweep: MakeSweep, tmp_path: Path
) -> None:
    sweep = make_sweep(space={"grpo.beta": [0.0, 0.05, 0.1]}, seeds=[0, 1])
    search, _ = searcher(sweep, tmp_path)
    ids = {suggested(search, str(n)): str(n) for n in range(6)}
    for trial_id, objective in {
        "baseline-untrained": 0.1,
        "t000-s0": 0.2,
        "t000-s1": 0.4,
        "t001-s0": 0.3,
    }.items():
        finish(search, tmp_path, ids[trial_id], trial_id, objective)
    # A kill between the two records of a point loses one of them.
    (tmp_path / "t001-s1" / "trial.json").unlink()

    again, proposals = searcher(sweep, tmp_path)
    assert proposals.objectives == [(0, (0.2 + 0.4) / 2)]
    order = [suggested(again, str(n)) for n in range(5)]
    assert order == ["baseline-random", "t001-s1", "t002-s0", "t002-s1", Searcher.FINISHED]
    assert TrialRecord.read(tmp_path / "t001-s1").config.seed == 1


def test_a_finished_sweep_has_no_work(make_sweep: MakeSweep, tmp_path: Path) -> None:
    sweep = make_sweep()
    search, _ = searcher(sweep, tmp_path)
    for number in range(4):
        finish(search, tmp_path, str(number), suggested(search, str(number)), 0.0)
    assert not searcher(sweep, tmp_path)[0].has_work()


def test_a_trial_that_ended_without_an_error_and_a_result_was_stopped(
    make_sweep: MakeSweep, tmp_path: Path
) -> None:
    sweep = make_sweep(seeds=[0, 1], scheduler={"type": "asha", "eval_steps": 4})
    search, proposals = searcher(sweep, tmp_path)
    ids = {suggested(search, str(n)): str(n) for n in range(6)}
    EvaluationsRecord(objectives={0: 0.1, 4: 0.25, 8: 0.5}, seconds=7.0).write(tmp_path / "t000-s0")
    EvaluationsRecord(objectives={0: 0.3, 4: 0.75}).write(tmp_path / "t000-s1")
    search.on_trial_complete(ids["t000-s0"], {})
    finish(search, tmp_path, ids["t000-s1"], "t000-s1", 0.75)
    stopped = ResultRecord(status="stopped", objective=0.5, steps=8, seconds=7.0)
    assert ResultRecord.read(tmp_path / "t000-s0") == stopped
    # The point is stopped where one seed was; its steps have the mean of the seeds that got there.
    assert proposals.told == [(0, PointOutcome("stopped", {}, {0: 0.2, 4: 0.5, 8: 0.5}))]
    # Without an evaluation nobody could have stopped it; an error is none of the scheduler's.
    EvaluationsRecord(objectives={4: 0.25}).write(tmp_path / "t001-s1")
    search.on_trial_complete(ids["t001-s0"], {})
    search.on_trial_complete(ids["t001-s1"], error=True)
    for trial_id in ("t001-s0", "t001-s1"):
        result = ResultRecord.read(tmp_path / trial_id)
        assert result is not None
        assert result.status == "failed"

    again, proposals = searcher(sweep, tmp_path)
    assert [(number, outcome.state) for number, outcome in proposals.told] == [(0, "stopped"), (1, "failed")]
    assert suggested(again, "0") == "baseline-untrained"


def test_trials_are_evaluated_as_often_as_the_scheduler_asks_and_are_the_same_points(
    make_sweep: MakeSweep, tmp_path: Path
) -> None:
    for name, content in (("plain", {}), ("asha", {"scheduler": {"type": "asha", "eval_steps": 4}})):
        search, _ = searcher(make_sweep(**content), tmp_path / name)
        for number in range(4):
            suggested(search, str(number))
    plain, asha = (TrialRecord.read(tmp_path / name / "t001-s0") for name in ("plain", "asha"))
    assert (plain.config.logging.eval_steps, asha.config.logging.eval_steps) == (0, 4)
    assert plain.config_hash == asha.config_hash


def test_a_spent_budget_ends_the_suggestions_but_not_the_baselines(
    make_sweep: MakeSweep, tmp_path: Path
) -> None:
    def limit(most: int) -> Any:
        return lambda num_started: "budget.trials" if num_started >= most else None

    search, _ = searcher(make_sweep(seeds=[0, 1]), tmp_path, over_budget=limit(3))
    order = [suggested(search, str(n)) for n in range(6)]
    assert order == [
        "baseline-untrained", "baseline-random", "t000-s0", "t000-s1", "t001-s0", Searcher.FINISHED,
    ]  # fmt: skip
    assert search.stopped_by == "budget.trials"
    for number, trial_id in enumerate(order[:4]):
        finish(search, tmp_path, str(number), trial_id, 0.5)

    # Two trials have ended; the one that ran goes on, and with a larger budget the last one too.
    again, _ = searcher(make_sweep(seeds=[0, 1]), tmp_path, over_budget=limit(3))
    assert [suggested(again, str(n)) for n in range(2)] == ["t001-s0", Searcher.FINISHED]
    larger, _ = searcher(make_sweep(seeds=[0, 1]), tmp_path, over_budget=limit(4))
    assert [suggested(larger, str(n)) for n in range(3)] == ["t001-s0", "t001-s1", Searcher.FINISHED]
    assert larger.stopped_by is None


def test_a_trial_that_cannot_train_fails_without_being_suggested(
    make_sweep: MakeSweep, tmp_path: Path
) -> None:
    def refusal(config: TrainingConfig) -> str | None:
        return "too long" if config.grpo.beta == 0.0 or config.seed == 5 else None

    sweep = make_sweep(seeds=[3, 5])
    refused: list[tuple[str, str | None]] = []
    for _ in range(2):  # a second driver does the same, without asking again
        search, proposals = searcher(sweep, tmp_path, refusal=refusal)
        search.on_refused = lambda record, result: refused.append((record.trial_id, result.reason))
        order = [suggested(search, str(n)) for n in range(4)]
        assert order == ["baseline-untrained", "baseline-random", "t001-s3", Searcher.FINISHED]
    assert refused == [("t000-s3", "too long"), ("t000-s5", "too long"), ("t001-s5", "too long")]
    assert ResultRecord.read(tmp_path / "t000-s3") == ResultRecord(status="failed", reason="too long")
    # A point none of whose seeds can train has failed; the other's mean is over the seed that can.
    finish(search, tmp_path, "2", "t001-s3", 0.25)
    assert [(number, outcome.state) for number, outcome in proposals.told] == [(0, "failed"), (1, "finished")]
    assert proposals.objectives == [(0, None), (1, 0.25)]


def test_an_infeasible_point_is_told_with_how_much_it_misses_and_again_from_the_ledger(
    make_sweep: MakeSweep, tmp_path: Path
) -> None:
    sweep = make_sweep(
        seeds=[0, 1],
        space={"grpo.beta": {"range": [0.0, 0.5], "kind": "float"}},
        search={"mode": "optuna", "trials": 3},
    )
    search, proposals = searcher(sweep, tmp_path)
    ids = {suggested(search, str(n)): str(n) for n in range(6)}
    for seed, noise in ((0, 0.0), (1, 0.5)):
        trial_id = f"t000-s{seed}"
        spec = SimpleNamespace(
            sweep="stand-in",
            kind="trial",
            trial_id=trial_id,
            config_hash="0",
            config=SimpleNamespace(seed=seed),
        )
        rows = [heard_row(cast("TrialSpec", spec), vibe, noise) for vibe in range(20)]
        write_part(tmp_path / trial_id / "ledger" / "held-out-000003.parquet", rows)
        # An earlier evaluation does not count.
        early = [replace(one, step=0, flatness=0.9) for one in rows]
        write_part(tmp_path / trial_id / "ledger" / "held-out-000000.parquet", early)
        ResultRecord(status="finished", objective=0.5, steps=3).write(tmp_path / trial_id)
        search.on_trial_complete(ids[trial_id], {})
    [(number, told)] = proposals.told
    # Half of the second seed's clips are noise; 5 % may be.
    assert (number, told.is_infeasible) == (0, True)
    assert told.misses["noise_share"] == pytest.approx(0.45)
    assert told.misses["distinct_share"] == pytest.approx(-0.75)
    assert told.misses["vibe_margin"] < 0

    again, rebuilt = searcher(sweep, tmp_path)
    assert rebuilt.told == proposals.told
    order = ["baseline-untrained", "baseline-random", "t001-s0", "t001-s1"]
    assert [suggested(again, str(n)) for n in range(4)] == order
