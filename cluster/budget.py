"""What a sweep has cost over all its drivers, and whether it may start another trial."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from ray.tune import Callback

from cluster.spent import SpentRecord

if TYPE_CHECKING:
    from pathlib import Path

    from ray.tune.experiment import Trial

    from search_spaces.sweep_file import SweepFile

__all__ = ["Budget", "BudgetCallback"]

_WRITE_EVERY_S: Final = 5.0
"""What a killed driver forgets of its time, at most."""


class Budget:
    """Adds up hours while a driver works, and compares them with the sweep's limits.

    At a limit no more trials start; those that run go to their end, so the last ones may pass it.
    """

    def __init__(self, sweep: SweepFile, directory: Path) -> None:
        """
        Args:
            sweep: its limits, and the GPUs that its trials and scorers hold. As many scorers count as there
                may be, so that a sweep whose scorers come and go ends early rather than late.
            directory: the sweep's.
        """
        self._limits = sweep.budget
        self._directory = directory
        self._gpus_per_trial = sweep.base_config().infra.gpus_per_trial
        self._gpus_of_scorers = sweep.resources.most_scorers * sweep.resources.gpus_per_scorer
        self._spent = SpentRecord.read(directory)
        self._since: float | None = None
        self._written = 0.0

    def tick(self, num_running: int, *, now: float | None = None) -> None:
        """Count the time since the last tick, in which so many trials held their GPUs.

        Args:
            num_running: trials and baselines at work.
            now: seconds of a clock that only goes forward; the machine's where not given.
        """
        now = time.monotonic() if now is None else now
        if self._since is not None:
            hours = (now - self._since) / 3600
            gpus = num_running * self._gpus_per_trial + self._gpus_of_scorers
            self._spent = SpentRecord(
                hours=self._spent.hours + hours, gpu_hours=self._spent.gpu_hours + hours * gpus
            )
            if now - self._written >= _WRITE_EVERY_S:
                self.save()
                self._written = now
        self._since = now

    def save(self) -> None:
        """Store what was spent."""
        self._spent.write(self._directory)

    def passed_by_another(self, num_started: int) -> str | None:
        """The limit that leaves no room for one more trial, in words; None where there is room.

        Args:
            num_started: trials of the sweep so far, each seed counted, without the baselines.
        """
        limits, spent = self._limits, self._spent
        if limits.trials is not None and num_started >= limits.trials:
            return f"budget.trials {limits.trials}: {num_started} trials were started"
        if limits.hours is not None and spent.hours >= limits.hours:
            return f"budget.hours {limits.hours:g}: {spent.hours:.2f} hours have passed"
        if limits.gpu_hours is not None and spent.gpu_hours >= limits.gpu_hours:
            return f"budget.gpu_hours {limits.gpu_hours:g}: {spent.gpu_hours:.2f} were used"
        if limits.money is not None:
            assert limits.price_per_gpu_hour is not None, "BudgetConfig requires it"
            cost = spent.gpu_hours * limits.price_per_gpu_hour
            if cost >= limits.money:
                return f"budget.money {limits.money:g}: {cost:.2f} were spent"
        return None


class BudgetCallback(Callback):  # type: ignore[misc]  # Ray has no types
    """Lets the budget's clock tick with Tune's loop."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Tune pickles its Tuner for a restore that never comes."""
        return {}

    def on_step_end(self, iteration: int, trials: list[Trial], **info: Any) -> None:
        self._budget.tick(sum(trial.status == "RUNNING" for trial in trials))
