"""The wall-clock limit of one trial: looked at with every pass of its model, enforced where it makes none."""

from __future__ import annotations

import os
import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from common.errors import TrialError
from common.records import ResultRecord, TimeRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from transformers import PreTrainedModel

    from common.training_config import InfraConfig

__all__ = ["TimeLimit", "ended_by_force"]

_KEEP_S: Final = 10.0
"""Seconds between two notes of the time spent: what a killed process may have worked for nothing."""

GRACE_S: Final = 60.0
"""Seconds beyond the limit after which a process is ended that has not ended its trial: no pass of a model
takes as long."""


class TimeLimit:
    """How long a trial has been worked on, and how long it may be.

    The time counts over all the processes that took the trial up: one that crashes and goes on has no more of
    it than another. Time in which no process worked on it, because it was paused or stopped, does not count.
    """

    def __init__(self, infra: InfraConfig, folder: Path | None = None) -> None:
        """
        Args:
            infra: its `timeout_hours`.
            folder: where the time spent is kept; None where this process alone counts.
        """
        self._hours = infra.timeout_hours
        self._folder = folder
        self._before_s = TimeRecord.read(folder).seconds if folder else 0.0
        self._started = self._kept = time.perf_counter()

    @property
    def spent_s(self) -> float:
        """Seconds worked so far."""
        return self._before_s + time.perf_counter() - self._started

    @property
    def reason(self) -> str:
        """Why a trial that went beyond the limit has failed."""
        return (
            f"a trial must end within infra.timeout_hours = {self._hours:g}, got {self.spent_s / 3600:.2g} "
            "hours of work; raise it, or lower max_steps, epochs or grpo.max_completion_length"
        )

    @property
    def remaining_s(self) -> float:
        """Seconds until the limit; negative beyond it."""
        return self._hours * 3600 - self.spent_s

    def check(self) -> None:
        """End the trial if its time is over.

        Raises:
            TrialError: it is.
        """
        if self.remaining_s < 0:
            raise TrialError(self.reason)
        if time.perf_counter() - self._kept > _KEEP_S:
            self._keep()

    @contextmanager
    def of_passes(self, model: PreTrainedModel) -> Iterator[None]:
        """Check at every forward pass of a model: each generated token, each micro-step, each evaluation.

        At its embeddings, because PEFT calls the layers of a model past the model's own hooks.
        """

        def check(*_: Any) -> None:
            self.check()

        handle = model.get_input_embeddings().register_forward_pre_hook(check)
        try:
            yield
        finally:
            handle.remove()
            self._keep()

    def _keep(self) -> None:
        self._kept = time.perf_counter()
        if self._folder:
            TimeRecord(seconds=self.spent_s).write(self._folder)


@contextmanager
def ended_by_force(
    infra: InfraConfig, folder: Path, before_exit: Callable[[], None] = lambda: None
) -> Iterator[None]:
    """End this process if its trial hangs beyond its limit, where no check can end it.

    Only for a process that is the trial's own. The failure is stored first, so that nobody tries again.

    Args:
        infra: its `timeout_hours`.
        folder: the trial's.
        before_exit: called when the failure is stored; the process ends whatever comes of it.
    """
    limit = TimeLimit(infra, folder)
    left = threading.Event()

    def watch() -> None:
        while not left.wait(min(limit.remaining_s + GRACE_S, threading.TIMEOUT_MAX)):
            if limit.remaining_s + GRACE_S > 0:
                continue
            reason = f"{limit.reason} (it hung, and its process was ended)"
            ended = ResultRecord.read(folder)
            if ended is None or ended.status == "failed":
                ResultRecord(status="failed", reason=reason).write(folder)
            print(reason, file=sys.stderr, flush=True)
            try:
                before_exit()
            finally:
                os._exit(1)

    watcher = threading.Thread(target=watch, name="time-limit", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        left.set()
        watcher.join()
