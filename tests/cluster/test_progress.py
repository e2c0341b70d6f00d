"""The display: lines for a log, a table for a terminal."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.console import Console

from cluster.plan import baselines
from cluster.progress import ProgressCallback, SweepDisplay
from cluster.proposals import proposals_for
from cluster.search import SweepSearcher
from common.records import ResultRecord, TrialRecord

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster.conftest import MakeSweep


def trial_records(make_sweep: MakeSweep, tmp_path: Path) -> list[TrialRecord]:
    sweep = make_sweep()
    search = SweepSearcher(sweep, tmp_path, baselines(sweep), proposals_for(sweep))
    records = []
    for number in range(4):
        suggested = search.suggest(str(number))
        assert isinstance(suggested, dict)
        records.append(TrialRecord.read(tmp_path / str(suggested["trial_id"])))
    return records


def rows(display: SweepDisplay) -> list[str]:
    """What a terminal would show now, spaces between columns left out."""
    console = Console(file=io.StringIO(), width=120)
    with console.capture() as shown:
        console.print(display._view())
    return [" ".join(line.split()) for line in shown.get().splitlines()]


@dataclass
class TuneTrial:
    """What the callback reads of Tune's trial."""

    config: dict[str, str]
    status: str


def tune_trial(trial_id: str, status: str) -> Any:
    return TuneTrial({"trial_id": trial_id}, status)


def test_what_a_trial_has_to_say_is_a_line(make_sweep: MakeSweep, tmp_path: Path) -> None:
    trial = trial_records(make_sweep, tmp_path)[2]
    text = io.StringIO()
    progress = {"step": 2, "total_steps": 6, "reward": None, "objective": None}
    with SweepDisplay("demo", 4, Console(file=text, width=80)) as display:
        display.started(trial)
        display.reported(trial.trial_id, progress | {"notice": "goes on from step 2, as (…)"})
        display.reported(trial.trial_id, progress | {"notice": None})
    assert text.getvalue().splitlines()[1:] == [f"{trial.trial_id} goes on from step 2, as (…)"]


def test_a_log_has_a_line_for_every_start_end_and_failure(make_sweep: MakeSweep, tmp_path: Path) -> None:
    untrained, _, first, second = trial_records(make_sweep, tmp_path)
    text = io.StringIO()
    with SweepDisplay("demo", 4, Console(file=text, width=80)) as display:
        display.status("starting Ray")
        display.already_done(untrained, ResultRecord(status="finished", objective=0.9))
        display.started(first)
        display.reported("t000-s0", {"step": 1, "total_steps": 4, "reward": 0.5, "objective": None})
        display.ended(first, ResultRecord(status="finished", objective=0.25))
        display.started(second)
        display.ended(second, ResultRecord(status="failed", reason="NaN [objective]"))
        display.refused(second, ResultRecord(status="failed", reason="too long"))
    lines = text.getvalue().splitlines()
    assert lines[:2] == ["demo: starting Ray", "t000-s0 starts: grpo.beta=0, seed 0"]
    # The best is a trial: the untrained policy's 0.9 is what trials are compared with.
    assert lines[2].startswith("t000-s0 ended after 0 s: objective 0.250 | 2/4 trials, 0m00s elapsed")
    assert lines[2].endswith("best 0.250 (grpo.beta=0, seed 0)")
    assert lines[4].startswith("t001-s0 ended after 0 s: failed: NaN [objective] | 3/4 trials, 1 failed")
    assert lines[5] == "t001-s0 is not started, grpo.beta=0.05, seed 0: too long"


def test_a_terminal_shows_the_running_trials(make_sweep: MakeSweep, tmp_path: Path) -> None:
    *_, first, second = trial_records(make_sweep, tmp_path)
    console = Console(file=io.StringIO(), width=120, force_terminal=True)
    with SweepDisplay("demo", 4, console) as display:
        display.started(first)
        display.started(second)
        display.reported("t001-s0", {"step": 3, "total_steps": 12, "reward": 0.512, "objective": 0.25})
        shown = rows(display)
    assert any("t000-s0 grpo.beta=0 0 - - -" in row for row in shown)
    assert any("t001-s0 grpo.beta=0.05 0 3/12 0.512 0.250" in row for row in shown)
    # 3 of 12 steps of one of 4 trials are done.
    assert any("demo: 0/4 trials" in row and "left" in row for row in shown)


def test_a_trial_that_waits_is_not_shown_as_running(make_sweep: MakeSweep, tmp_path: Path) -> None:
    *_, first, second = trial_records(make_sweep, tmp_path)
    text = io.StringIO()
    with SweepDisplay("demo", 4, Console(file=text, width=200)) as display:
        display.started(first)
        display.started(second)
        display.reported("t000-s0", {"step": 6, "total_steps": 12, "reward": 0.5, "objective": 0.25})
        callback = ProgressCallback(display, tmp_path)
        callback.on_step_end(1, [tune_trial("t000-s0", "PAUSED"), tune_trial("t001-s0", "RUNNING")])
        shown = rows(display)
        # Who works comes first.
        assert [row.split()[0] for row in shown if row.startswith("t0")] == ["t001-s0", "t000-s0"]
        assert any("t000-s0 grpo.beta=0 0 6/12 waits 0.500 0.250" in row for row in shown)
        assert any("demo: 0/4 trials, 1 waiting, " in row for row in shown)
        display.started(first)
        assert any("t000-s0 grpo.beta=0 0 6/12 0.500 0.250" in row for row in rows(display))
        assert not any("waiting" in row for row in rows(display))
        display.paused({"t000-s0"})
        display.ended(first, ResultRecord(status="stopped", objective=0.25, steps=6))
        assert not any("waiting" in row for row in rows(display))
    assert "t000-s0 goes on at step 6: grpo.beta=0, seed 0" in text.getvalue().splitlines()
