"""How long a crashed trial waits before it goes on, and what counts as a crash."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from cluster.retries import attempt, backoff_s
from common.training_config import InfraConfig

if TYPE_CHECKING:
    from pathlib import Path

INFRA = InfraConfig(retry_backoff_s=3)


class BugError(Exception):
    """What a crash raises."""


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that were slept."""
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    return slept


def crash(folder: Path, driver: str = "one") -> None:
    with pytest.raises(BugError), attempt(folder, INFRA, driver):
        raise BugError


def test_each_crash_doubles_the_wait_up_to_ten_minutes() -> None:
    assert [backoff_s(INFRA, crashes) for crashes in (0, 1, 2, 3, 9, 10_000)] == [0, 3, 6, 12, 600, 600]
    assert backoff_s(InfraConfig(retry_backoff_s=0), 4) == 0


def test_a_first_attempt_does_not_wait_and_those_after_a_crash_do(tmp_path: Path, waits: list[float]) -> None:
    for _ in range(3):
        crash(tmp_path)
    assert waits == [3, 6]


def test_a_killed_process_is_a_crash_too(tmp_path: Path, waits: list[float]) -> None:
    killed = attempt(tmp_path, INFRA, "one")
    killed.__enter__()  # and never leaves
    with attempt(tmp_path, INFRA, "one"):
        assert waits == [3]


@pytest.mark.parametrize("error", [None, SystemExit])
def test_a_trial_that_ended_or_was_paused_goes_on_at_once(
    tmp_path: Path, waits: list[float], error: type[BaseException] | None
) -> None:
    crash(tmp_path)
    try:
        with attempt(tmp_path, INFRA, "one"):
            if error is not None:
                raise error
    except SystemExit:
        pass
    with attempt(tmp_path, INFRA, "one"):
        assert waits == [3]


def test_a_trial_that_ended_with_its_driver_goes_on_at_once(tmp_path: Path, waits: list[float]) -> None:
    crash(tmp_path, "one")
    with attempt(tmp_path, INFRA, "two"):
        assert waits == []
