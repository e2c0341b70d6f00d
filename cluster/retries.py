"""A trial that crashed waits before it is run again: what broke it, memory or a network, may pass."""

from __future__ import annotations

import logging
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from common.records import AttemptRecord

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from common.training_config import InfraConfig

__all__ = ["attempt", "backoff_s"]

_LONGEST_S: Final = 600.0

_log = logging.getLogger(__name__)


def backoff_s(infra: InfraConfig, crashes: int) -> float:
    """Seconds to wait after this many crashes in a row: twice as long after each, at most ten minutes."""
    return min(infra.retry_backoff_s * 2.0 ** min(crashes - 1, 20), _LONGEST_S) if crashes else 0.0


@contextmanager
def attempt(folder: Path, infra: InfraConfig, driver: str) -> Iterator[None]:
    """One attempt at a trial, after a wait where the last one of this driver crashed.

    Tune starts a crashed trial again at once. The wait is the trial's own, in its own place: neither the
    sweep nor another trial waits for it, and it does not count as time spent. An attempt that leaves no word
    of its end has crashed; but not one of another driver, with which all of its trials end.

    Args:
        folder: the trial's.
        infra: its `retry_backoff_s`.
        driver: names the driver that runs the sweep now.
    """
    last = AttemptRecord.read(folder)
    crashes = last.crashes + 1 if last.driver == driver else 0
    AttemptRecord(driver=driver, crashes=crashes).write(folder)
    if wait_s := backoff_s(infra, crashes):
        _log.warning("%s crashed %d times; going on in %g s", folder.name, crashes, wait_s)
        time.sleep(wait_s)
    crashed = False
    try:
        yield
    except Exception:  # and no scheduler's stop, which is a SystemExit
        crashed = True
        raise
    finally:
        if not crashed:
            (folder / AttemptRecord.FILE).unlink(missing_ok=True)
