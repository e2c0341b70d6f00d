"""One driver, also where locks do not reach the machine of another."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from cluster.driver_lease import DriverRecord, driver_lease, is_driven
from common.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

ELSEWHERE = DriverRecord(host="node-7", pid=12, since=1.0)


def hold(directory: Path, *, every_s: float = 0.05, silent_after_s: float = 0.3) -> None:
    with driver_lease(directory, every_s=every_s, silent_after_s=silent_after_s):
        (directory / "work").touch()


def test_the_file_names_the_driver_while_it_works(tmp_path: Path) -> None:
    with driver_lease(tmp_path, every_s=0.02):
        (tmp_path / "work").touch()
        first = DriverRecord.read(tmp_path)
        deadline = time.monotonic() + 10
        while DriverRecord.read(tmp_path).beat < 3:
            assert time.monotonic() < deadline, "no beat"
            time.sleep(0.01)
        assert DriverRecord.read(tmp_path).is_same_driver(first)
        assert is_driven(tmp_path)
        with pytest.raises(UserError, match=rf"a second one beside process {first.pid} on {first.host};"):
            hold(tmp_path)
    assert not (tmp_path / DriverRecord.FILE).exists()
    assert not is_driven(tmp_path)


def test_what_a_killed_driver_of_this_machine_left_is_taken_over_at_once(tmp_path: Path) -> None:
    with driver_lease(tmp_path):
        left = DriverRecord.read(tmp_path)
        (tmp_path / "work").touch()
    left.write(tmp_path)  # the lock has gone with its process
    began = time.monotonic()
    hold(tmp_path, silent_after_s=60)
    assert time.monotonic() - began < 5


def test_a_silent_driver_of_another_machine_is_replaced_after_a_while(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ELSEWHERE.write(tmp_path)
    (tmp_path / ".lock").touch()
    assert is_driven(tmp_path)  # for all that can be known here
    began = time.monotonic()
    hold(tmp_path)
    assert time.monotonic() - began >= 0.3
    assert "was left by process 12 on node-7; taking over if it is not heard" in capsys.readouterr().err


def test_a_beating_driver_of_another_machine_is_left_alone(tmp_path: Path) -> None:
    ELSEWHERE.write(tmp_path)
    beat = ELSEWHERE.model_copy(update={"beat": 1})
    threading.Timer(0.2, beat.write, [tmp_path]).start()
    with pytest.raises(UserError, match="beside process 12 on node-7"):
        hold(tmp_path, silent_after_s=20)
    assert DriverRecord.read(tmp_path) == beat


def test_a_driver_that_was_replaced_ends(tmp_path: Path) -> None:
    def work() -> None:
        with driver_lease(tmp_path, every_s=0.05):
            (tmp_path / "work").touch()
            ELSEWHERE.write(tmp_path)
            time.sleep(20)

    with pytest.raises(UserError, match="got a second one beside process 12 on node-7"):
        work()
    assert DriverRecord.read(tmp_path) == ELSEWHERE


def test_an_old_word_of_another_machine_is_no_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ELSEWHERE.write(tmp_path)
    (tmp_path / ".lock").touch()
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 31)
    assert not is_driven(tmp_path)
