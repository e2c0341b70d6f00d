"""What a sweep maximizes: held-out components under fixed evaluation weights, never the trained reward."""

from __future__ import annotations

from typing import Annotated, Any, Final, Self

from pydantic import Field, field_validator, model_validator

from common.model import FrozenModel
from common.reward_config import AUDIO_FLOOR, ClapModelConfig, ClapScorerConfig, RewardWeights
from common.sentinels import SentinelConfig

__all__ = ["OBJECTIVE_NAME", "ObjectiveConfig", "objective_value"]

OBJECTIVE_NAME: Final = "held_out_objective"
"""The objective's name in tables, JSON, TensorBoard and Tune."""

_TRAINED_REWARDS = {"reward", "train_reward", "trained_reward", "training_reward", "train/reward"}


class ObjectiveConfig(FrozenModel):
    """The evaluation that every trial of a sweep shares; no axis can change any of it."""

    metric: str = OBJECTIVE_NAME
    """Always the held-out objective; naming the trained reward is refused with the reason."""
    weights: RewardWeights = RewardWeights()
    """Evaluation weights, fixed for the sweep; the guide's 0.2 / 0.3 / 0.5."""
    audio_floor: Annotated[float, Field(ge=-3, le=1)] = AUDIO_FLOOR
    """Audio component of a completion whose config cannot be rendered."""
    num_vibes: Annotated[int, Field(ge=2)] | None = None
    """How many of the held-out vibes are used, from the first; all where not given."""
    samples: Annotated[int, Field(ge=1)] = 1
    """Completions per held-out vibe. More vibes tell more than more samples."""
    temperature: Annotated[float, Field(gt=0)] = 0.8
    """Sampling temperature of the evaluation."""
    max_completion_length: Annotated[int, Field(ge=1)] = 1024
    """Tokens after which an evaluated completion is cut off."""
    batch_size: Annotated[int, Field(ge=1)] = 32
    """Completions generated together; the decoding noise does not depend on it."""
    decoding_seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    """Seed of the decoding noise; each (vibe, sample) has its own stream, the same for every trial."""
    greedy: bool = False
    """Whether every evaluation also decodes each vibe once without noise, and scores that: ledger split
    `held_out_greedy`, TensorBoard's `held_out/greedy_objective`. It counts for nothing."""
    constrained: bool = False
    """Whether every evaluation also decodes its completions, with their same noise, so that they keep the
    contract's JSON schema: split `held_out_constrained`, `held_out/constrained_objective`. It counts for
    nothing either, and takes `pip install 'vibesweep[constrained]'`."""
    scorer: ClapScorerConfig = ClapScorerConfig()
    """The frozen evaluation scorer, whatever the trials are trained with."""
    eval_clap: ClapModelConfig | None = None
    """A second checkpoint that hears every evaluated completion too, and counts for nothing: what pleases the
    scorer alone does not move it. None: none listens."""
    max_unscored_share: Annotated[float, Field(ge=0, le=1)] = 0.02
    """Share of unscored evaluations above which the trial fails."""
    sentinels: SentinelConfig = SentinelConfig()
    """What an evaluation must keep so that its trial is ranked among the others."""

    @property
    def eval_clap_scorer(self) -> ClapScorerConfig | None:
        """The scorer of `eval_clap`: it hears the same sound, rendered as for `scorer`."""
        if self.eval_clap is None:
            return None
        return ClapScorerConfig.model_validate(self.scorer.model_dump() | self.eval_clap.model_dump())

    @model_validator(mode="after")
    def _two_checkpoints_are_two(self) -> Self:
        scorer = self.scorer
        if self.eval_clap == ClapModelConfig(backend=scorer.backend, model=scorer.model):
            raise ValueError(
                f"eval_clap must be another checkpoint than scorer, got {scorer.model!r} for both; it would "
                "only repeat what the scorer says"
            )
        return self

    @field_validator("metric", mode="before")
    @classmethod
    def _is_never_the_trained_reward(cls, metric: Any) -> Any:
        if metric in _TRAINED_REWARDS:
            raise ValueError(
                f"metric must be {OBJECTIVE_NAME!r}, got {metric!r}; the trained reward changes with the "
                "weights under search, so all weight on the easiest component would win"
            )
        if metric != OBJECTIVE_NAME:
            raise ValueError(f"metric must be {OBJECTIVE_NAME!r}, got {metric!r}; leave the key out")
        return metric


def objective_value(
    format_score: float, schema_score: float, audio_score: float | None, objective: ObjectiveConfig
) -> float:
    """One completion's objective from its raw components.

    Args:
        format_score: 0 or 1.
        schema_score: in [0, 1].
        audio_score: in [-3, 1]; None for a config that cannot be rendered, which gets the floor.
        objective: the fixed weights and the floor.
    """
    weights = objective.weights
    audio = objective.audio_floor if audio_score is None else audio_score
    return (
        weights.format_weight * format_score
        + weights.schema_weight * schema_score
        + weights.audio_weight * audio
    )
