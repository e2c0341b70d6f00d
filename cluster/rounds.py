"""The rounds of a population: who was compared at which step, and who took over whom."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

from common.lineage import Change
from common.model import FrozenModel
from common.records import StateRecord

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["PopulationRecord", "Round", "quantiles", "sentence"]


class Round(FrozenModel):
    """The population at one step."""

    step: int
    objectives: dict[str, float]
    """What each trial was worth that was compared."""
    changes: dict[str, Change]
    """What the worst of them go on with."""
    infeasible: tuple[str, ...] = ()
    """Those whose evaluation breaks a rule of the sentinels; nobody takes them over."""


class PopulationRecord(StateRecord):
    """The rounds so far, oldest first."""

    FILE: ClassVar[str] = "population.json"

    rounds: tuple[Round, ...] = ()


def quantiles(objectives: Mapping[str, float], share: float) -> tuple[Sequence[str], Sequence[str]]:
    """The best and the worst trials, a share of each, rounded up but never more than half; ties by name."""
    ranked = sorted(objectives, key=lambda trial_id: (-objectives[trial_id], trial_id))
    count = min(math.ceil(round(share * len(ranked), 9)), len(ranked) // 2)
    return ranked[:count], ranked[len(ranked) - count :]


def sentence(trial_id: str, change: Change) -> str:
    """A change in words."""
    moved = [
        f"{path} {_short(change.params_before.get(path, 'none'))} -> {_short(value)}"
        for path, value in change.params_after.items()
        if change.params_before.get(path) != value
    ]
    return (
        f"step {change.step}: {trial_id} ({change.objective:.3f}) takes over {change.copied_from} "
        f"({change.objective_copied:.3f}), {', '.join(moved) or 'nothing else changed'}"
    )


def _short(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
