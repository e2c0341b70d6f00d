"""A driver that is told to stop tells its trials, waits for them, and ends; told twice, it ends at once."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from cluster.stopping import GRACE_VARIABLE, Stop, grace_s, is_stopping
from common.records import StopRecord

if TYPE_CHECKING:
    from pathlib import Path


def terminate() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def test_the_trials_are_told_once_and_the_sweep_ends_when_they_have_left(tmp_path: Path) -> None:
    StopRecord(asked=True).write(tmp_path)  # what an earlier driver was told
    said: list[str] = []
    stop = Stop(tmp_path, said.append)
    assert not StopRecord.read(tmp_path).asked
    with stop.on_signal():
        stop.look(2)
        assert not stop.is_asked
        terminate()
        assert stop.is_asked
        stop.look(2)
        assert StopRecord.read(tmp_path).asked
        stop.look(1)
        with pytest.raises(KeyboardInterrupt):
            stop.look(0)
    assert len(said) == 1
    assert is_stopping(f"x: started\nx: {said[0]}\n")
    assert not is_stopping("x: started\n")


def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    stop = Stop(tmp_path, lambda _: None)
    with stop.on_signal():
        stop.look(1)
        terminate()
        with pytest.raises(KeyboardInterrupt):
            terminate()


def test_a_sweep_without_a_trial_at_work_has_nothing_to_wait_for(tmp_path: Path) -> None:
    stop = Stop(tmp_path, lambda _: None)
    with stop.on_signal(), pytest.raises(KeyboardInterrupt):
        terminate()


def test_the_signal_is_given_back(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with Stop(tmp_path, lambda _: None).on_signal():
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_job_gets_ten_minutes_to_stop_unless_the_user_says_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(GRACE_VARIABLE, raising=False)
    assert grace_s() == 600
    monkeypatch.setenv(GRACE_VARIABLE, "30")
    assert grace_s() == 30
