"""The driver's watch over the pool: reports as a file for `vibesweep status`, as curves for TensorBoard."""

from __future__ import annotations

import logging
import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from ray.exceptions import RayError
from tensorboard.summary import Writer

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from cluster.scoring.pool import ScoringPool

__all__ = ["PoolWatch"]

_LOG: Final = logging.getLogger(__name__)
_EVERY_S: Final = 5.0


class PoolWatch:
    """Asks the pool for its report every few seconds, in a thread, and once more at the end."""

    def __init__(self, pool: ScoringPool, directory: Path) -> None:
        """
        Args:
            pool: what is watched.
            directory: the sweep's. `scorers.json` has the latest report; `tensorboard/scorers` a folder for
                each driver, whose steps are seconds since its start.
        """
        self._pool = pool
        self._directory = directory
        started = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
        self._curves = Writer(str(directory / "tensorboard" / "scorers" / started))
        self._began = time.monotonic()
        self._leave = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> PoolWatch:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave.set()
        self._thread.join()
        self._look()
        self._curves.close()

    def _watch(self) -> None:
        while not self._leave.wait(_EVERY_S):
            self._look()

    def _look(self) -> None:
        try:
            report = self._pool.report()
        except RayError as error:
            # It starts anew, or the driver's Ray ends; trials hear of that themselves.
            _LOG.warning("the scoring pool gives no report: %s", error)
            return
        report.write(self._directory)
        step = round(time.monotonic() - self._began)
        for name, value in report.numbers().items():
            self._curves.add_scalar(f"scorers/{name}", value, step)
        self._curves.flush()
