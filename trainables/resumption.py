"""A trial takes up its work: from its newest whole checkpoint, with a ledger that knows no more than it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from common.records import FallbacksRecord
from trainables.checkpoints import find_start, set_aside

if TYPE_CHECKING:
    from pathlib import Path

    from trainables.checkpoints import Start
    from trainables.ledger_writer import LedgerWriter

__all__ = ["notice_of", "take_up"]

_log = logging.getLogger(__name__)


def take_up(trial: Path, ledger: LedgerWriter | None = None) -> Start:
    """Find where a trial goes on, and make its folder what it was at that step.

    Rows of later steps leave the ledger: those steps are taken again. What could not be used is set aside,
    and `fallbacks.json` and the log say so.

    Args:
        trial: its folder.
        ledger: the trial's; none for SFT, which scores nothing.
    """
    start = find_start(trial)
    if notice := notice_of(start):
        _log.warning("%s: %s", trial.name, notice)
        FallbacksRecord.read(trial).with_fallback(notice).write(trial)
        set_aside(start)
    if ledger:
        ledger.cut_after(start.step)
    return start


def notice_of(start: Start) -> str | None:
    """One line for the user on what could not be used; None where the newest checkpoint is whole."""
    if not start.passed_over:
        return None
    reasons = "; ".join(f"{checkpoint.path.name}: {reason}" for checkpoint, reason in start.passed_over)
    goes_on = f"goes on from step {start.step}" if start.checkpoint else "starts from the beginning"
    return f"{goes_on}, as a later checkpoint cannot be used ({reasons})"
