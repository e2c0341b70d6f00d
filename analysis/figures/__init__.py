"""Every figure of a sweep's outcome: `FIGURES`, in the order in which they answer questions."""

from typing import Final

from analysis.figures.cost import COST
from analysis.figures.curves import LEARNING_CURVES
from analysis.figures.figure import Figure
from analysis.figures.importance import IMPORTANCE, INTERACTIONS
from analysis.figures.ranking import DIFFERENCES, RANKING
from analysis.figures.response import RESPONSE
from analysis.figures.reward_shares import REWARD_MIXTURE
from analysis.figures.stopping import STOPPING
from analysis.figures.trained_weights import TRAINED_WEIGHTS
from analysis.figures.weight_map import WEIGHT_MAP

__all__ = ["FIGURES", "Figure"]

FIGURES: Final[tuple[Figure, ...]] = (
    RANKING,
    DIFFERENCES,
    LEARNING_CURVES,
    WEIGHT_MAP,
    REWARD_MIXTURE,
    TRAINED_WEIGHTS,
    IMPORTANCE,
    INTERACTIONS,
    RESPONSE,
    COST,
    STOPPING,
)
