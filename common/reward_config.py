"""How a completion becomes a reward: component weights, the reward type and the CLAP scorer's settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final, Literal, Protocol, Self, runtime_checkable

from pydantic import Field, model_validator

from common.model import FrozenModel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from common.music_schema import MusicConfig

__all__ = [
    "AUDIO_FLOOR",
    "CLAP_MODELS",
    "COMPONENTS",
    "FUSED_LAION_CHECKPOINTS",
    "LAION_CHECKPOINTS",
    "ClapBackendName",
    "ClapModelConfig",
    "ClapScorerConfig",
    "Component",
    "RewardConfig",
    "RewardWeights",
    "ScorerProtocol",
]

Component = Literal["format", "schema", "audio"]
COMPONENTS: Final[tuple[Component, ...]] = ("format", "schema", "audio")
"""The reward components, in the order of every weight vector and table."""

AUDIO_FLOOR: Final = -1.0
"""Audio component of a completion whose config cannot be rendered (range of the others: -3 to 1)."""

CLAP_MODELS: Final[dict[str, str]] = {
    "tiny": "tiny/weights/clap",
    "clap-htsat-unfused": "laion/clap-htsat-unfused",
    "larger-clap-music": "laion/larger_clap_music",
}
"""Short names of CLAP checkpoints; a value below `tiny/` is a folder of this project."""

LAION_CHECKPOINTS: Final[tuple[str, ...]] = (
    "630k-best.pt",
    "630k-audioset-best.pt",
    "music_audioset_epoch_15_esc_90.14.pt",
    "music_speech_epoch_15_esc_89.25.pt",
    "music_speech_audioset_epoch_15_esc_89.98.pt",
)
"""The unfused checkpoint files that LAION publishes for laion-clap."""

FUSED_LAION_CHECKPOINTS: Final[tuple[str, ...]] = ("630k-fusion-best.pt", "630k-audioset-fusion-best.pt")
"""The fused ones beside them, which are refused."""

ClapBackendName = Literal["transformers", "laion-clap"]
"""The library that runs a CLAP model."""

ImportPath = Annotated[str, Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")]
"""`module:callable`."""

Weight = Annotated[float, Field(ge=0)]


@runtime_checkable
class ScorerProtocol(Protocol):
    """What fills the audio slot: CLAP, or the callable that `custom_scorer_path` names."""

    def __call__(self, vibes: Sequence[str], configs: Sequence[MusicConfig]) -> Sequence[float]:
        """Score each config for its vibe.

        Args:
            vibes: [B] clean reference texts.
            configs: [B] renderable configs, one for each vibe.

        Returns:
            [B] finite scores, higher is better. CLAP's lie in [-3, 1].
        """
        ...


class RewardWeights(FrozenModel):
    """Weights of the reward components, dimensionless.

    Only their ratios matter under group-scaled advantages. All zero is refused: nothing would be learned.
    """

    format_weight: Weight = 0.2
    """Weight of format, 0 or 1: the text is one JSON object."""
    schema_weight: Weight = 0.3
    """Weight of schema, 0 to 1: the share of the contract's leaf rules that hold."""
    audio_weight: Weight = 0.5
    """Weight of audio, -3 to 1: how well the sound fits the vibe."""

    @model_validator(mode="after")
    def _one_weight_is_positive(self) -> Self:
        if not sum(self.as_tuple()) > 0:
            raise ValueError("reward weights must not all be 0; give at least one component a weight")
        return self

    def as_tuple(self) -> tuple[float, float, float]:
        """The weights in the order of `COMPONENTS`."""
        return (self.format_weight, self.schema_weight, self.audio_weight)


class ClapModelConfig(FrozenModel):
    """Which CLAP model listens, and the library that runs it."""

    backend: ClapBackendName = "transformers"
    """The library that runs the model. `laion-clap` is LAION's own, for its checkpoint files; it takes
    `pip install 'vibesweep[laion-clap]'`."""
    model: str = "tiny"
    """With transformers: a key of CLAP_MODELS, a hub id, or a local folder of a `transformers.ClapModel`.
    With laion-clap: one of LAION_CHECKPOINTS, or the path of a checkpoint file."""

    @model_validator(mode="after")
    def _backend_can_run_the_model(self) -> Self:
        if self.backend == "laion-clap" and self.model in CLAP_MODELS:
            raise ValueError(
                f"model must be a laion-clap checkpoint with backend 'laion-clap', got {self.model!r}, which "
                f"transformers runs; take a path or one of {', '.join(LAION_CHECKPOINTS)}"
            )
        if self.backend == "transformers" and self.model in LAION_CHECKPOINTS:
            raise ValueError(
                f"model must be a transformers.ClapModel with backend 'transformers', got {self.model!r}; "
                "set backend to 'laion-clap'"
            )
        return self


class ClapScorerConfig(ClapModelConfig):
    """The audio component: which sound, which CLAP model, in which fixed shapes.

    The defaults score with the embedded tiny CLAP so that everything runs offline; real work names a
    real checkpoint.
    """

    renderer: ImportPath = "rewards.render:render"
    """`module:callable` with the signature of `rewards.render.render`."""
    seconds: Annotated[float, Field(gt=0, le=60)] = 10.0
    """Length of the rendered audio in seconds; scored in whole 10 s windows."""
    render_seed: Annotated[int, Field(ge=0)] = 0
    """Seed of the render noise, beside the config's own hash."""
    microbatch: Annotated[int, Field(ge=1, le=1024)] = 8
    """Clips per forward pass. Short batches are padded to it, so that no score depends on its batch."""
    bad_sounds: Annotated[tuple[str, ...], Field(min_length=1)] = (
        "noise",
        "static",
        "distortion",
        "clipping",
        "silence",
        "hum",
        "low quality recording",
    )
    """Words for bad sound; being closer to them than the vibe itself is costs score."""
    device: str = "auto"
    """A torch device, or `auto`: CUDA where there is one, else the CPU."""


class RewardConfig(FrozenModel):
    """What GRPO trains on. The sweep's objective is configured apart and never swept."""

    reward_type: Literal["clap", "schema_only", "custom"] = "clap"
    """`clap` scores audio with CLAP, `schema_only` has no audio, `custom` calls `custom_scorer_path`."""
    weights: RewardWeights = RewardWeights()
    """Component weights; reward = sum of weight times component."""
    clap: ClapScorerConfig = ClapScorerConfig()
    """The CLAP scorer of `reward_type: clap`."""
    custom_scorer_path: ImportPath | None = None
    """`module:callable`, a ScorerProtocol; required by `reward_type: custom` and refused elsewhere."""
    audio_floor: Annotated[float, Field(ge=-3, le=1)] = AUDIO_FLOOR
    """Audio component of a completion whose config cannot be rendered."""
    max_unscored_share: Annotated[float, Field(ge=0, le=1)] = 0.02
    """Share of unscored completions above which the trial fails."""

    @model_validator(mode="after")
    def _custom_has_a_path(self) -> Self:
        if (self.reward_type == "custom") != (self.custom_scorer_path is not None):
            raise ValueError(
                f"custom_scorer_path must be set exactly when reward_type is 'custom', got "
                f"reward_type {self.reward_type!r} and path {self.custom_scorer_path!r}"
            )
        return self

    @model_validator(mode="after")
    def _schema_only_has_weight(self) -> Self:
        w = self.weights
        if self.reward_type == "schema_only" and not w.format_weight + w.schema_weight > 0:
            raise ValueError(
                "reward_type 'schema_only' leaves out audio, so format_weight or schema_weight must be > 0"
            )
        return self
