"""All that is known of what a sweep's settings do: importance, interactions, response."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from analysis.importance import Importances, compute_importances
from analysis.interactions import Interactions, compute_interactions
from analysis.outcomes import compute_outcomes
from analysis.response import ResponseCurve, compute_responses

if TYPE_CHECKING:
    from analysis.ranking import Ranking
    from analysis.sweep import Sweep

__all__ = ["Effects", "compute_effects"]


@dataclass(frozen=True)
class Effects:
    """Of the settings that varied between a sweep's ranked configurations."""

    sweep: str
    importances: Importances
    interactions: Interactions
    responses: tuple[ResponseCurve, ...]


def compute_effects(sweep: Sweep, ranking: Ranking) -> Effects:
    """Compute them all, under the ranking's weights; what cannot be told has a reason."""
    outcomes = compute_outcomes(sweep, ranking)
    if outcomes is None:
        reason = "fewer than two configurations are ranked on the same vibes"
        return Effects(sweep.name, Importances((), 0, 1.0, reason), Interactions((), reason), ())
    return Effects(
        sweep.name,
        compute_importances(outcomes),
        compute_interactions(outcomes),
        tuple(compute_responses(outcomes)),
    )
