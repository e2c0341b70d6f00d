"""How a trial's configuration changed while it trained: `lineage.json`, under population based training.

A change at step s counts from there on: evaluations up to s, and rollouts before s, are those of the
configuration before.
"""

from __future__ import annotations

from typing import Any, ClassVar

from common.model import FrozenModel
from common.records import StateRecord
from common.training_config import TrainingConfig

__all__ = ["Change", "LineageRecord"]


class Change(FrozenModel):
    """A trial took over another's weights and went on with other settings."""

    step: int
    """Optimizer steps taken."""
    copied_from: str
    """The trial whose checkpoint of this step it took over: adapter, optimizer, schedule, random state."""
    objective: float
    """What the trial was worth at this step."""
    objective_copied: float
    """What the other was worth there."""
    params_before: dict[str, Any]
    """Dotted path to the trial's value until then."""
    params_after: dict[str, Any]
    """Dotted path to its value from then on."""
    config_hash: str
    """Of the configuration from then on, without its seed."""
    config: TrainingConfig
    """The resolved configuration from then on, as it runs."""


class LineageRecord(StateRecord):
    """The changes of one trial, oldest first."""

    FILE: ClassVar[str] = "lineage.json"

    changes: tuple[Change, ...] = ()

    @property
    def last(self) -> Change | None:
        """The newest change; None where there is none."""
        return self.changes[-1] if self.changes else None

    def with_change(self, change: Change) -> LineageRecord:
        """The record with one change more."""
        return LineageRecord(changes=(*self.changes, change))
