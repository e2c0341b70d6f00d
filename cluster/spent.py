"""`spent.json`: what a sweep has cost so far."""

from __future__ import annotations

from typing import ClassVar

from common.records import StateRecord

__all__ = ["SpentRecord"]


class SpentRecord(StateRecord):
    """What the sweep has cost so far, by all its drivers."""

    FILE: ClassVar[str] = "spent.json"

    hours: float = 0.0
    """Wall-clock hours of the drivers."""
    gpu_hours: float = 0.0
    """Hours of GPUs held by trials and scorers."""
