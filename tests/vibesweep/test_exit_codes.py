"""The exit code of a sweep says what happened, and stderr why."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pytest
from ray.exceptions import RayActorError

import cluster.sweep
import vibesweep.sweep
from cluster.sweep import FailedTrial, SweepOutcome
from common.errors import ClusterError
from vibesweep import cli
from vibesweep.cli import run

SMALLEST = str(Path(__file__).parents[1] / "cluster" / "smallest_sweep.yaml")


Ending = tuple[SweepOutcome | BaseException, int, str]

DONE = SweepOutcome(Path("somewhere"), num_finished=3, failed=(), was_done=False)
FAILED = (FailedTrial("t001-s0", "lora.r=4", "out of memory"),)


@pytest.mark.parametrize(
    "ending",
    [
        (DONE, 0, ""),
        (DONE._replace(failed=FAILED), 1, "failed: t001-s0 (lora.r=4): out of memory\n"),
        (DONE._replace(stopped_by="budget.hours 1: 1.02 hours"), 3, "stopped at budget.hours 1: 1.02 hours"),
        # Which trials failed is told even so.
        (DONE._replace(stopped_by="budget.trials 1", failed=FAILED), 3, "failed: t001-s0"),
    ],
)
def test_how_the_trials_ended(
    ending: Ending, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    outcome, code, told = ending
    monkeypatch.setattr(cluster.sweep, "run_sweep", lambda *_, **__: outcome)
    monkeypatch.setattr(vibesweep.sweep, "print_ranking", lambda _: None)
    assert run(["sweep", "run", SMALLEST]) == code
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    "ending",
    [
        (ClusterError("no scorer started"), 4, "vibesweep: no scorer started\n"),
        (OSError(errno.ENOSPC, "No space left on device"), 4, "OSError: [Errno 28] No space left on device"),
        (RayActorError(), 4, "vibesweep: the sweep broke off, RayActorError: "),
        (KeyboardInterrupt(), 130, "stopped; what has ended is kept, go on with"),
    ],
)
def test_what_breaks_a_sweep_off(
    ending: Ending, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    error, code, told = ending

    def breaks(*_: Any, **__: Any) -> None:
        assert isinstance(error, BaseException)
        raise error

    monkeypatch.setattr(cluster.sweep, "_run", breaks)
    assert run(["sweep", "run", SMALLEST, "--storage", str(tmp_path)]) == code
    assert told in capsys.readouterr().err


def test_a_users_error_is_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["sweep", "run", str(tmp_path / "none.yaml")]) == 2
    assert capsys.readouterr().err.startswith("vibesweep: ")


def test_a_bug_is_told_apart_from_failed_trials(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def breaks() -> int:
        raise AssertionError("of our own")

    monkeypatch.setattr(cli, "run", breaks)
    with pytest.raises(SystemExit, match="70"):
        cli.main()
    assert "AssertionError: of our own" in capsys.readouterr().err
