"""A trial ends at its time limit, whether it reports or not, and its time counts over its processes."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from common.errors import TrialError
from common.records import ResultRecord, TimeRecord
from common.training_config import InfraConfig
from trainables.time_limit import ended_by_force
from trainables.trial import run_trial

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rewards.components import Components
    from rewards.scorer import Scorer
    from trainables.spec import Progress, TrialSpec

OVER = r"a trial must end within infra.timeout_hours = 3, got 3 hours of work; raise it, or lower max_steps"


class StoppedError(Exception):
    """What a killed trial is to its code."""


def quiet(progress: Progress) -> None:
    pass


def test_a_trial_is_ended_while_it_generates_and_reports_nothing(
    make_spec: Callable[..., TrialSpec], stub_scorer: Scorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = make_spec(infra__timeout_hours=5 / 3600, max_steps=1)
    reports: list[Progress] = []
    clock = time.perf_counter
    passed = iter(range(10_000))
    # Each look at the clock finds it two seconds later: the third one or so is in the first evaluation.
    monkeypatch.setattr(time, "perf_counter", lambda: clock() + 2 * next(passed))
    with pytest.raises(TrialError, match=r"infra.timeout_hours = 0.00138889, got 0.00\d+ hours of work"):
        run_trial(spec, stub_scorer, stub_scorer, reports.append)
    assert reports == []
    stored = ResultRecord.read(Path(spec.directory))
    assert stored is not None
    assert stored.status == "failed"


def test_a_slow_scorer_ends_the_trial_at_the_next_pass(
    make_spec: Callable[..., TrialSpec], stub_scorer: Scorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = make_spec(max_steps=1)
    clock, late = time.perf_counter, [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: clock() + late[0])
    score = stub_scorer.score

    def slow(vibes: Sequence[str], completions: Sequence[str]) -> list[Components]:
        late[0] += 1.5 * 3600  # the evaluation at the start, then the rollouts
        return score(vibes, completions)

    monkeypatch.setattr(stub_scorer, "score", slow)
    with pytest.raises(TrialError, match=OVER):
        run_trial(spec, stub_scorer, stub_scorer, quiet)
    assert late[0] == 3 * 3600


def test_time_counts_over_all_processes(make_spec: Callable[..., TrialSpec], stub_scorer: Scorer) -> None:
    def stop_at_two(progress: Progress) -> None:
        if progress.step == 2:
            raise StoppedError

    spec = make_spec(max_steps=4)
    folder = Path(spec.directory)
    with pytest.raises(StoppedError):
        run_trial(spec, stub_scorer, stub_scorer, stop_at_two)
    first = TimeRecord.read(folder).seconds
    assert first > 0
    # As if the first process had taken all but the last minute.
    TimeRecord(seconds=3 * 3600 - 60).write(folder)
    run_trial(spec, stub_scorer, stub_scorer, quiet)
    assert 3 * 3600 - 60 < TimeRecord.read(folder).seconds < 3 * 3600

    other = make_spec("spent", max_steps=4)
    TimeRecord(seconds=3 * 3600).write(Path(other.directory))
    with pytest.raises(TrialError, match=OVER):
        run_trial(other, stub_scorer, stub_scorer, quiet)


HANGING = """
import sys, time
from pathlib import Path
import trainables.time_limit as limits
from common.training_config import InfraConfig
limits.GRACE_S = 0.2
folder = Path(sys.argv[1])
seen = lambda: (folder / "seen").write_text((folder / "result.json").read_text())
with limits.ended_by_force(InfraConfig(timeout_hours=0.1 / 3600), folder, before_exit=seen):
    time.sleep(60)
"""


def test_a_trial_that_hangs_is_ended_with_its_process(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", HANGING, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )
    assert ended.returncode == 1
    stored = ResultRecord.read(tmp_path)
    assert stored is not None
    assert stored.status == "failed"
    assert stored.reason is not None
    assert "it hung, and its process was ended" in stored.reason
    assert ended.stderr.strip().endswith(stored.reason)
    assert (tmp_path / "seen").read_text() == (tmp_path / "result.json").read_text()


def test_a_trial_that_ends_in_time_leaves_no_watcher(tmp_path: Path) -> None:
    with ended_by_force(InfraConfig(), tmp_path):
        pass
    assert "time-limit" not in {thread.name for thread in threading.enumerate()}
    assert ResultRecord.read(tmp_path) is None
