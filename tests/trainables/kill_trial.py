"""Runs a trial that is killed again and again: `kill_trial.py SPEC.pickle KILLS SEED`, called by the test.

This process imports everything once and never computes, so that each attempt is a fork of it: a process of
its own that is killed with SIGKILL, without ten seconds of imports. It prints a line for every kill.
"""

from __future__ import annotations

import multiprocessing
import pickle
import random
import sys
import time
from dataclasses import replace
from multiprocessing.sharedctypes import RawValue
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.trainables.conftest import StubScorer
from trainables.trial import run_trial

if TYPE_CHECKING:
    from multiprocessing.context import ForkProcess

    from trainables.spec import Progress, TrialSpec

POLL_S = 0.001
CLOSE_POLL_S = 0.0001
"""Between two looks at a checkpoint, which is written within hundredths of a second."""


def attempt(spec: TrialSpec, step: Any, holds_at: int | None) -> None:
    """Run the trial, and say in shared memory how many steps it has taken.

    Args:
        spec: the trial.
        step: the shared memory.
        holds_at: the step at which it waits for its kill, which on a busy machine may come late; None runs it
            to its end.
    """

    def report(progress: Progress) -> None:
        step.value = progress.step
        while holds_at is not None and progress.step >= holds_at:
            time.sleep(POLL_S)

    run_trial(spec, StubScorer(), StubScorer(), report)


def start(spec: TrialSpec, holds_at: int | None = None) -> tuple[ForkProcess, Any]:
    """A process that runs the trial, and its step; -1 before the first report."""
    step = RawValue("i", -1)
    process = multiprocessing.get_context("fork").Process(target=attempt, args=(spec, step, holds_at))
    process.start()
    return process, step


def written_at(checkpoints: Path) -> int:
    """When the checkpoint that is being written was begun; 0 without one."""
    try:
        return (checkpoints / "unfinished").stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def shortest_writing(process: ForkProcess, checkpoints: Path) -> float:
    """Seconds that the quickest checkpoint takes to write, watched until the process has ended."""
    began, seconds = None, []
    while process.is_alive():
        is_written = written_at(checkpoints) != 0
        if is_written and began is None:
            began = time.monotonic()
        elif not is_written and began is not None:
            seconds.append(time.monotonic() - began)
            began = None
        time.sleep(CLOSE_POLL_S)
    return min(seconds)


def main(file: str, kills: int, seed: int) -> None:
    """Run the trial once as it is, in a folder beside it, and once with the kills."""
    spec: TrialSpec = pickle.loads(Path(file).read_bytes())
    steps = spec.config.max_steps
    assert steps is not None

    whole = f"{spec.directory}-whole"
    began = time.monotonic()
    process, step = start(replace(spec, directory=whole))
    while step.value < 0:
        time.sleep(POLL_S)
    start_s = time.monotonic() - began
    writing_s = shortest_writing(process, Path(whole) / "checkpoints")
    process.join()
    assert process.exitcode == 0
    step_s = (time.monotonic() - began - start_s) / steps

    rng = random.Random(seed)
    last = steps - 1
    # From before the first report to the last step but one.
    moments = sorted(rng.uniform(-1, last) for _ in range(kills))
    checkpoints = Path(spec.directory) / "checkpoints"
    for number, moment in enumerate(moments):
        before = written_at(checkpoints)
        process, step = start(spec, holds_at=last)
        while process.is_alive() and step.value < int(moment):
            time.sleep(POLL_S)
        aimed = number % 2 == 1
        if aimed:  # at the next checkpoint
            while process.is_alive() and step.value < last and written_at(checkpoints) in (before, 0):
                time.sleep(CLOSE_POLL_S)
            time.sleep(rng.uniform(0, writing_s))
        else:
            time.sleep(moment % 1 * (step_s if moment >= 0 else start_s))
        process.kill()
        process.join()
        writing = written_at(checkpoints) not in (before, 0)
        print(
            f"kill {number} exit {process.exitcode} after step {step.value}"
            f"{' while it wrote a checkpoint' if writing else ''}",
            flush=True,
        )
    process, step = start(spec)
    process.join()
    assert process.exitcode == 0


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
