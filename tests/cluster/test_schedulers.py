"""What Ray's schedulers are shown of our trials, and which sweeps they cannot serve."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from cluster.evaluations import Evaluations
from cluster.schedulers import check_scheduler, make_scheduler, replay
from common.errors import UserError
from common.records import EvaluationsRecord, ResultRecord, TrialRecord
from search_spaces.points import point
from search_spaces.search_config import SchedulerConfig
from trainables.spec import Progress

if TYPE_CHECKING:
    from pathlib import Path

    from ray.tune.schedulers import TrialScheduler

    from search_spaces.sweep_file import SweepFile
    from tests.cluster.conftest import MakeSweep


@dataclass(frozen=True)
class Trial:
    trial_id: str
    config: dict[str, Any] = field(default_factory=lambda: {"kind": "trial"}, hash=False)
    status: str = "RUNNING"
    is_saving: bool = False


def scheduler_of(config: SchedulerConfig) -> TrialScheduler:
    """The scheduler of trials of 12 steps."""
    scheduler = make_scheduler(config, 12)
    assert scheduler is not None
    return scheduler


def judged(scheduler: Any, trial: Trial, step: int, objective: float | None) -> str:
    result = {"step": step} | ({} if objective is None else {"held_out_objective": objective})
    return str(scheduler.on_trial_result(None, trial, result))


ASHA = SchedulerConfig(type="asha", eval_steps=2, grace_steps=4, reduction_factor=2)


def test_only_evaluations_of_trials_are_judged() -> None:
    asha = scheduler_of(ASHA)
    good, bad, baseline = Trial("good"), Trial("bad"), Trial("base", {"kind": "untrained_policy"})
    for trial in (good, bad, baseline):
        asha.on_trial_add(None, trial)
    assert judged(asha, good, 4, 0.8) == "CONTINUE"
    assert judged(asha, bad, 2, 0.1) == "CONTINUE"  # before the first rung
    assert judged(asha, bad, 4, None) == "CONTINUE"  # a log entry
    assert judged(asha, baseline, 4, 0.1) == "CONTINUE"
    assert judged(asha, bad, 4, 0.4) == "STOP"


def store(folder: Path, sweep: SweepFile, objectives: dict[int, float], result: ResultRecord | None) -> None:
    chosen = point(sweep, 0, {"grpo.beta": 0.05})
    TrialRecord(
        trial_id=folder.name, kind="trial", number=0, label="", params={}, seed=0,
        config_hash=chosen.config_hash, config=chosen.config,
    ).write(folder)  # fmt: skip
    EvaluationsRecord(objectives=objectives).write(folder)
    if result is not None:
        result.write(folder)


@pytest.mark.parametrize(
    ("objectives", "result", "verdict"),
    [
        ({0: 0.1, 4: 0.8, 12: 0.9}, ResultRecord(status="finished", steps=12), "STOP"),
        ({0: 0.1, 4: 0.8}, ResultRecord(status="stopped", steps=4), "STOP"),
        # It runs on, and will show what it is worth itself.
        ({0: 0.1, 4: 0.8}, None, "CONTINUE"),
        # The end of a trial is no rung.
        ({0: 0.9, 4: 0.9}, ResultRecord(status="finished", steps=4), "CONTINUE"),
    ],
)
def test_a_new_drivers_scheduler_has_seen_what_has_ended(
    make_sweep: MakeSweep, tmp_path: Path, objectives: Any, result: ResultRecord | None, verdict: str
) -> None:
    store(tmp_path / "t000-s0", make_sweep(), objectives, result)
    asha, trial = scheduler_of(ASHA), Trial("new")
    replay(asha, tmp_path)
    asha.on_trial_add(None, trial)
    assert judged(asha, trial, 4, 0.4) == verdict


def test_hyperbands_brackets_fill_with_trials_that_have_ended_too() -> None:
    """Steps 12, factor 3: 3 trials with the whole 12 steps, then 5 that wait for each other at step 4."""
    hyperband = scheduler_of(SchedulerConfig(type="hyperband", eval_steps=2))
    for number in range(3):
        trial = Trial(f"t{number}")
        hyperband.on_trial_add(None, trial)
        assert judged(hyperband, trial, 4, 0.1) == "CONTINUE"
        hyperband.on_trial_complete(None, trial, {})
    first, second = Trial("t3"), Trial("t4")
    for trial in (first, second):
        hyperband.on_trial_add(None, trial)
    assert judged(hyperband, first, 2, 0.1) == "CONTINUE"
    assert judged(hyperband, first, 4, 0.1) == "PAUSE"


def test_no_scheduler_stops_nothing() -> None:
    assert make_scheduler(SchedulerConfig(), 12) is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            {"scheduler": {"type": "pbt", "eval_steps": 2}},
            "a population must have >= 4 points with pbt, got 2",
        ),
        (
            {"scheduler": {"type": "hyperband", "eval_steps": 2}},
            "base.logging.save_steps must divide scheduler.eval_steps 2, got 20",
        ),
        (
            {
                "scheduler": {"type": "hyperband", "eval_steps": 2},
                "resources": {"max_concurrent_trials": 2},
            },
            "resources.max_concurrent_trials must be left out with hyperband, got 2",
        ),
    ],
)
def test_sweeps_that_a_scheduler_cannot_serve_are_refused(
    make_sweep: MakeSweep, content: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        check_scheduler(make_sweep(**content))
    check_scheduler(make_sweep(scheduler={"type": "asha", "eval_steps": 2}))


def test_an_evaluation_is_stored_once_and_shown_unless_it_is_the_first_or_the_last(tmp_path: Path) -> None:
    evaluations = Evaluations(tmp_path)

    def shown(step: int, objective: float | None, measured_at: int | None) -> dict[str, float]:
        return evaluations.taken_in(Progress(step, 6, None, objective, float(step), measured_at))

    assert shown(0, None, None) == {}
    assert shown(0, 0.1, 0) == {}
    assert shown(2, 0.1, 0) == {}  # a log entry repeats the objective
    assert shown(3, 0.2, 3) == {"held_out_objective": 0.2}
    assert shown(3, 0.2, 3) == {}
    assert shown(6, 0.3, 6) == {}
    assert EvaluationsRecord.read(tmp_path) == EvaluationsRecord(
        objectives={0: 0.1, 3: 0.2, 6: 0.3}, seconds=6.0
    )
    # A trial that goes on from an earlier checkpoint is evaluated there again.
    again = Evaluations(tmp_path)
    assert again.taken_in(Progress(3, 6, None, 0.2, 1.0, 3)) == {"held_out_objective": 0.2}


class Controller:
    """What a scheduler asks of Tune's controller."""

    def __init__(self, trials: list[TuneTrial]) -> None:
        self._trials = trials
        self.scheduler: TrialScheduler

    def get_trials(self) -> list[TuneTrial]:
        return self._trials

    def stop_trial(self, trial: TuneTrial) -> None:
        self.scheduler.on_trial_remove(self, trial)
        trial.status = "TERMINATED"


@dataclass(eq=False)
class TuneTrial:
    """What a scheduler asks of Tune's trial."""

    trial_id: str
    status: str = "RUNNING"
    is_saving: bool = False
    config: dict[str, str] = field(default_factory=lambda: {"kind": "trial"})


def test_hyperband_does_not_wait_for_a_trial_that_tune_has_lost() -> None:
    # Factor 3 and 3 steps: a bracket of 2 trials that run to step 3, then one of 3, of which 1 goes on after
    # step 1.
    config = SchedulerConfig(type="hyperband", eval_steps=1, reduction_factor=3)
    trials = [TuneTrial(str(number)) for number in range(5)]
    controller = Controller(trials)
    controller.scheduler = scheduler = make_scheduler(config, 3)
    assert scheduler is not None
    for trial in trials:
        scheduler.on_trial_add(controller, trial)
    *_, good, bad, lost = trials
    for trial, worth in ((good, 0.5), (bad, 0.25)):
        result = {"step": 1, "held_out_objective": worth}
        assert scheduler.on_trial_result(controller, trial, result) == "PAUSE"
        trial.status = "PAUSED"
    assert scheduler.choose_trial_to_run(controller) is None
    # As Tune leaves a trial whose process could not be made ready for it: nobody is told.
    lost.status = "ERROR"
    assert scheduler.choose_trial_to_run(controller) is good
    assert bad.status == "TERMINATED"
