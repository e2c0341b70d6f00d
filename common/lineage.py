"""How a trial's configuration changed while it trained: `lineage.json`, under population based training.

A change at step s counts from there on: evaluations up to s, and rollouts before s, are those of the
configuration before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from common.model import FrozenModel
from common.records import write_text_atomically
from common.training_config import TrainingConfig

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["LINEAGE_FILE", "Change", "LineageRecord"]

LINEAGE_FILE: Final = "lineage.json"


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


class LineageRecord(FrozenModel):
    """The changes of one trial, oldest first."""

    changes: tuple[Change, ...] = ()

    def write(self, directory: Path) -> None:
        """Write `lineage.json` into the trial's folder, atomically."""
        write_text_atomically(directory / LINEAGE_FILE, self.model_dump_json(indent=2) + "\n")

    @classmethod
    def read(cls, directory: Path) -> LineageRecord:
        """The record in a trial's folder; an empty one where the trial runs as it began."""
        path = directory / LINEAGE_FILE
        return cls.model_validate_json(path.read_text()) if path.is_file() else cls()

    @property
    def last(self) -> Change | None:
        """The newest change; None where there is none."""
        return self.changes[-1] if self.changes else None

    def with_change(self, change: Change) -> LineageRecord:
        """The record with one change more."""
        return LineageRecord(changes=(*self.changes, change))
