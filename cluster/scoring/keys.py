"""Which scorer a request is for, and how that scorer names itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from common.model import FrozenModel
from common.reward_config import ClapScorerConfig, RewardConfig

if TYPE_CHECKING:
    from common.objective import ObjectiveConfig

__all__ = ["ScorerIds", "ScorerKey"]


class ScorerKey(FrozenModel):
    """Which scorer a request is for; equal keys share one loaded model."""

    clap: ClapScorerConfig
    custom_scorer_path: str | None = None
    """`module:callable` that fills the audio slot instead of CLAP."""

    @classmethod
    def of_evaluation(cls, objective: ObjectiveConfig) -> tuple[ScorerKey, ...]:
        """The sweep's frozen scorer, and behind it that of the second checkpoint where there is one."""
        settings = (objective.scorer, objective.eval_clap_scorer)
        return tuple(cls(clap=clap) for clap in settings if clap is not None)

    @classmethod
    def of_reward(cls, reward: RewardConfig) -> ScorerKey | None:
        """The scorer that a trained reward needs; None where it has no audio."""
        if reward.reward_type == "schema_only":
            return None
        return cls(clap=reward.clap, custom_scorer_path=reward.custom_scorer_path)


class ScorerIds(FrozenModel):
    """How a scorer names itself in the ledger."""

    scorer_id: str
    renderer_id: str
