"""What a check has found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Finding", "Status", "failed", "passed", "warned"]

Status = Literal["ok", "warn", "fail"]


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's."""

    check: str
    """What was looked at, in a word."""
    status: Status
    """`fail`: something will not work; `warn`: something may not, or not everything."""
    what: str
    """What was found."""
    cure: str | None = None
    """What to do about it; None where all is well."""


def passed(check: str, what: str) -> Finding:
    """All is well."""
    return Finding(check, "ok", what)


def warned(check: str, what: str, cure: str) -> Finding:
    """Something may not work, or not everything."""
    return Finding(check, "warn", what, cure)


def failed(check: str, what: str, cure: str) -> Finding:
    """Something will not work."""
    return Finding(check, "fail", what, cure)
