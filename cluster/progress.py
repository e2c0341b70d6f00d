"""What a sweep shows while it works: one live display on a terminal, plain lines elsewhere."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from ray.tune import Callback
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from common.records import ResultRecord, TrialRecord

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path
    from types import TracebackType

    from ray.tune.experiment import Trial

__all__ = ["ProgressCallback", "SweepDisplay"]

_HEARTBEAT_S: Final = 20.0
"""Seconds between plain lines while nothing starts or ends."""


@dataclass
class _Running:
    """A trial that has started and not ended, as its last report says."""

    record: TrialRecord
    step: int = 0
    total_steps: int = 0
    reward: float | None = None
    objective: float | None = None
    started: float = field(default_factory=time.monotonic)
    waits: bool = False
    """Whether its scheduler has paused it: it has no process, and goes on later or is stopped."""

    @property
    def share(self) -> float:
        """Share of the steps done."""
        return self.step / self.total_steps if self.total_steps else 0.0

    @property
    def steps(self) -> str:
        """How far it is, and whether it is getting on."""
        count = f"{self.step}/{self.total_steps}" if self.total_steps else "-"
        return f"{count} waits" if self.waits else count


class SweepDisplay:
    """Keeps count of a sweep's trials and shows it, on stderr by default.

    Its thread says something at least every 20 s; the trials' own output stays in Ray's logs.
    """

    def __init__(self, name: str, total: int, console: Console | None = None) -> None:
        """
        Args:
            name: the sweep's.
            total: trials and baselines of the whole sweep.
            console: where to show it.
        """
        self._console = console or Console(stderr=True)
        self._name = name
        self._total = total
        self._done = 0
        self._done_before = 0
        self._failed = 0
        self._stopped = 0
        self._best: tuple[float, str] | None = None
        self._running: dict[str, _Running] = {}
        self._status = ""
        self._started = time.monotonic()
        self._first_start: float | None = None
        self._last_line = time.monotonic()
        self._over = threading.Event()
        self._guard = threading.RLock()
        self._live = Live(
            console=self._console, get_renderable=self._view, refresh_per_second=2, transient=True
        )
        self._thread = threading.Thread(target=self._heartbeat, daemon=True)

    def __enter__(self) -> SweepDisplay:
        if self._console.is_terminal:
            self._live.start()
        else:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        if self._console.is_terminal:
            self._live.stop()
        else:
            self._thread.join()

    def status(self, text: str) -> None:
        """Say what the sweep does beside running trials."""
        with self._guard:
            self._status = text
        if text and not self._console.is_terminal:
            self._line(f"{self._name}: {text}")

    def say(self, text: str) -> None:
        """One line about the sweep as a whole."""
        self._line(f"{self._name}: {text}")

    def expect(self, num_trials: int) -> None:
        """The sweep has so many trials more."""
        with self._guard:
            self._total += num_trials

    def already_done(self, record: TrialRecord, result: ResultRecord) -> None:
        """Count a trial of an earlier driver."""
        with self._guard:
            self._done_before += 1
            self._count(record, result)

    def started(self, record: TrialRecord) -> None:
        """A trial starts, starts again after a crash, or goes on after it has waited."""
        with self._guard:
            self._first_start = self._first_start or time.monotonic()
            waited = self._running.get(record.trial_id)
            if waited is not None and waited.waits:
                waited.waits = False
                verb = f"goes on at step {waited.step}"
            else:
                self._running[record.trial_id] = _Running(record)
                verb = "starts"
        if not self._console.is_terminal:
            self._line(f"{record.trial_id} {verb}: {record.label}, seed {record.seed}")

    def paused(self, trial_ids: Collection[str]) -> None:
        """These trials wait for others, and no more."""
        with self._guard:
            for trial_id, running in self._running.items():
                running.waits = trial_id in trial_ids

    def reported(self, trial_id: str, progress: dict[str, Any]) -> None:
        """A running trial got on; `progress` has the fields of `trainables.spec.Progress`."""
        with self._guard:
            running = self._running[trial_id]
            running.step = progress["step"]
            running.total_steps = progress["total_steps"]
            running.reward = progress["reward"]
            running.objective = progress["objective"]
        if notice := progress.get("notice"):
            self._line(f"{trial_id} {notice}")

    def crashed(self, trial_id: str) -> None:
        """A trial's process died, and Tune will start the trial again."""
        self._line(f"{trial_id} crashed and will go on from its last checkpoint")

    def ended(self, record: TrialRecord, result: ResultRecord) -> None:
        """A trial has ended for good."""
        with self._guard:
            running = self._running.pop(record.trial_id, None)
            self._count(record, result)
            summary = ", ".join(self._summary())
        seconds = time.monotonic() - running.started if running else result.seconds
        failed = result.status == "failed"
        outcome = f"failed: {result.reason}" if failed else f"objective {_number(result.objective)}"
        if result.status == "stopped":
            outcome = f"stopped by the scheduler at step {result.steps}, {outcome}"
        if failed or not self._console.is_terminal:
            self._line(f"{record.trial_id} ended after {seconds:.0f} s: {outcome} | {summary}")

    def left(self, trial_id: str) -> None:
        """A trial has no process any more and has not ended: the sweep stops."""
        with self._guard:
            running = self._running.pop(trial_id, None)
        if running is not None:
            self._line(f"{trial_id} leaves at step {running.step}, and will go on from its last checkpoint")

    def refused(self, record: TrialRecord, result: ResultRecord) -> None:
        """A trial has failed before it started."""
        with self._guard:
            self._count(record, result)
        self._line(f"{record.trial_id} is not started, {record.label}, seed {record.seed}: {result.reason}")

    def _count(self, record: TrialRecord, result: ResultRecord) -> None:
        self._done += 1
        self._failed += result.status == "failed"
        self._stopped += result.status == "stopped"
        # What a stopped trial would have ended with is not known.
        if record.kind != "trial" or result.objective is None or result.status != "finished":
            return
        if self._best is None or result.objective > self._best[0]:
            self._best = (result.objective, f"{record.label}, seed {record.seed}")

    def _summary(self) -> list[str]:
        """Count and times; then the best trial, if there is one."""
        now = time.monotonic()
        parts = [f"{self._done}/{self._total} trials"]
        if waiting := sum(r.waits for r in self._running.values()):
            parts.append(f"{waiting} waiting")
        if self._failed:
            parts.append(f"{self._failed} failed")
        if self._stopped:
            parts.append(f"{self._stopped} stopped early")
        parts.append(f"{_duration(now - self._started)} elapsed")
        # Trials of one sweep take about as long as each other. Baselines take less, so this is too short
        # while they are most of what is done.
        done = self._done - self._done_before + sum(r.share for r in self._running.values())
        left = self._total - self._done_before - done
        if self._first_start is not None and done > 0 and left > 0:
            parts.append(f"about {_duration((now - self._first_start) * left / done)} left")
        best = [f"best {self._best[0]:.3f} ({self._best[1]})"] if self._best else []
        return [", ".join(parts), *best]

    def _view(self) -> Group:
        with self._guard:
            table = Table(box=None, pad_edge=False, header_style="dim")
            for column in ("trial", "configuration", "seed", "step", "reward", "objective"):
                table.add_column(column, justify="left" if column in ("trial", "configuration") else "right")
            for trial_id, r in self._listed():
                table.add_row(
                    trial_id, Text(r.record.label), str(r.record.seed), r.steps,
                    _number(r.reward), _number(r.objective),
                )  # fmt: skip
            count, *best = self._summary()
            lines = [Text(f"{self._name}: {count}", style="bold"), *map(Text, best)]
            if self._status:
                lines.append(Text(self._status, style="dim"))
            return Group(*lines, *([table] if self._running else []))

    def _listed(self) -> list[tuple[str, _Running]]:
        """Who is at work first, then who waits."""
        return sorted(self._running.items(), key=lambda one: one[1].waits)

    def _heartbeat(self) -> None:
        while not self._over.wait(1.0):
            if time.monotonic() - self._last_line >= _HEARTBEAT_S:
                with self._guard:
                    running = ", ".join(f"{i} {r.steps}".removesuffix(" -") for i, r in self._listed())
                    parts = [", ".join(self._summary()), running or self._status]
                    text = f"{self._name}: {' | '.join(filter(None, parts))}"
                self._line(text)

    def _line(self, text: str) -> None:
        self._last_line = time.monotonic()
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)


class ProgressCallback(Callback):  # type: ignore[misc]  # Ray has no types
    """Passes Tune's events to the display."""

    def __init__(self, display: SweepDisplay, trials: Path) -> None:
        """
        Args:
            display: what to tell.
            trials: the sweep's `trials` folder.
        """
        self._display = display
        self._trials = trials

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Tune pickles its Tuner for a restore that never comes."""
        return {}

    def on_trial_start(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        self._display.started(TrialRecord.read(self._folder(trial)))

    def on_trial_result(
        self, iteration: int, trials: list[Trial], trial: Trial, result: dict[str, Any], **info: Any
    ) -> None:
        # Tune's own last result, which says only that the function has ended, has no step.
        if "step" in result:
            self._display.reported(trial.config["trial_id"], result)

    def on_step_end(self, iteration: int, trials: list[Trial], **info: Any) -> None:
        # Tune has no event for a pause.
        self._display.paused({trial.config["trial_id"] for trial in trials if trial.status == "PAUSED"})

    def on_trial_recover(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        self._display.crashed(trial.config["trial_id"])

    def on_trial_complete(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        self._ended(trial)

    def on_trial_error(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        self._ended(trial)

    def _ended(self, trial: Trial) -> None:
        folder = self._folder(trial)
        result = ResultRecord.read(folder)
        if result is None:
            # The searcher records every end but this before the callbacks hear of it.
            self._display.left(trial.config["trial_id"])
            return
        self._display.ended(TrialRecord.read(folder), result)

    def _folder(self, trial: Trial) -> Path:
        return self._trials / str(trial.config["trial_id"])


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02d}m" if hours else f"{minutes}m{rest:02d}s"
