"""The ablation guide's tables as data. Everything that needs a range, a scale or a default takes it here."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, Literal, Self

from pydantic import Field, model_validator

from common.errors import UserError
from common.model import FrozenModel
from common.reward_config import CLAP_MODELS
from common.training_config import BASE_MODELS
from search_spaces.settings import LEAF_DEFAULTS, did_you_mean, require_path

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["TABLE", "Kind", "Priority", "Scale", "SpaceRow", "is_power_of_two", "row", "rows_with"]

Kind = Literal["float", "int", "choice", "text"]
Scale = Literal["linear", "log", "power_of_two"]
Priority = Literal["high", "medium", "lower", "further", "user"]


class SpaceRow(FrozenModel):
    """One setting worth searching. `from search_spaces import SpaceRow` to write rows of your own."""

    path: str
    """Dotted path of the setting."""
    kind: Kind
    """`float` and `int` have a range, `choice` has values, `text` is open."""
    scale: Scale | None = None
    """How a range is spread; linear where not given."""
    default: Any = None
    """TrainingConfig's default, filled in where not given."""
    low: int | float | None = None
    """Lowest value, included."""
    high: int | float | None = None
    """Highest value, included."""
    choices: tuple[Any, ...] | None = None
    """The values of a `choice`."""
    priority: Priority = "user"
    """Which of the guide's tables it stands in; `further` for its summary, `user` for a row of one's own."""
    impact: str = Field(default="", max_length=200)
    """What it changes, in a few words."""

    @model_validator(mode="before")
    @classmethod
    def _defaults_are_filled_in(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        filled = dict(data)
        if isinstance(path := data.get("path"), str) and data.get("kind") != "text":
            filled.setdefault("default", LEAF_DEFAULTS.get(path))
        if data.get("kind") in ("float", "int") and data.get("scale") is None:
            filled["scale"] = "linear"
        return filled

    @model_validator(mode="after")
    def _parts_fit_the_kind(self) -> Self:
        require_path(self.path)
        is_range = self.kind in ("float", "int")
        given = [part is not None for part in (self.low, self.high, self.scale)]
        if not (all(given) if is_range else not any(given)):
            raise ValueError(
                f"low and high must be given exactly for the kinds float and int, got kind {self.kind!r} "
                f"with low {self.low}, high {self.high} and scale {self.scale}"
            )
        if (self.kind == "choice") != (self.choices is not None and len(self.choices) > 0):
            raise ValueError(
                f"choices must be given exactly for the kind choice, got kind {self.kind!r} with "
                f"{self.choices}"
            )
        if is_range:
            assert self.low is not None
            assert self.high is not None
            check_range(self.low, self.high, self.kind, self.scale)
        return self


def check_range(low: float, high: float, kind: str, scale: str | None) -> None:
    """Raise ValueError unless the two ends, both included, make a range of this kind and scale."""
    if not low < high:
        raise ValueError(f"range must be [low, high] with low < high, got [{low:g}, {high:g}]")
    if kind == "int" and not (float(low).is_integer() and float(high).is_integer()):
        raise ValueError(f"a range of kind 'int' must have whole ends, got [{low:g}, {high:g}]")
    if scale == "log" and not low > 0:
        raise ValueError(f"a range with scale 'log' must start above 0, got {low:g}; use scale linear")
    if scale == "power_of_two" and not (kind == "int" and is_power_of_two(low) and is_power_of_two(high)):
        raise ValueError(
            f"a range with scale 'power_of_two' must be of kind 'int' between powers of two, got kind "
            f"{kind!r} and [{low:g}, {high:g}]; use scale log"
        )


def is_power_of_two(value: float) -> bool:
    """Whether the value is 1, 2, 4, ..."""
    return value >= 1 and math.frexp(value)[0] == 0.5


def _range(  # noqa: PLR0917 - the columns of a table
    path: str, kind: Kind, scale: Scale, low: float, high: float, priority: Priority, impact: str
) -> SpaceRow:
    return SpaceRow(path=path, kind=kind, scale=scale, low=low, high=high, priority=priority, impact=impact)


def _choice(path: str, choices: Iterable[Any], priority: Priority, impact: str) -> SpaceRow:
    return SpaceRow(path=path, kind="choice", choices=tuple(choices), priority=priority, impact=impact)


def _text(path: str, impact: str) -> SpaceRow:
    # The default system prompt holds the whole JSON schema, so the table does not repeat it.
    default = None if path == "system_prompt" else LEAF_DEFAULTS[path]
    return SpaceRow(path=path, kind="text", default=default, priority="further", impact=impact)


_ATTENTION: Final = ("q_proj", "k_proj", "v_proj", "o_proj")

# fmt: off
TABLE: Final[tuple[SpaceRow, ...]] = (
    # The guide's High, Medium and Lower tables: ranges and impact are its words, kinds and scales ours.
    # What acts by its ratio (beta, learning rate, alpha) is spread by its logarithm, a size by powers of two.
    _range("grpo.beta", "float", "log", 0.01, 0.16, "high", "KL divergence penalty"),
    _range("grpo.reward.weights.format_weight", "float", "linear", 0.0, 1.0, "high",
           "JSON validity importance"),
    _range("grpo.reward.weights.schema_weight", "float", "linear", 0.0, 1.0, "high",
           "Schema correctness importance"),
    _range("grpo.reward.weights.audio_weight", "float", "linear", 0.0, 1.0, "high",
           "Audio similarity importance"),
    _range("noise.error_rate", "float", "linear", 0.0, 0.5, "high", "Training noise injection"),
    _range("lora.r", "int", "power_of_two", 4, 64, "high", "Adapter capacity"),
    _range("optimizer.learning_rate", "float", "log", 1e-5, 5e-4, "high", "Optimization step size"),
    _range("optimizer.warmup_ratio", "float", "linear", 0.0, 0.2, "medium", "LR warmup fraction"),
    _range("optimizer.weight_decay", "float", "linear", 0.0, 0.1, "medium", "L2 regularization"),
    _range("grpo.num_generations", "int", "linear", 2, 8, "medium", "Candidates per prompt"),
    _range("batch.batch_size", "int", "power_of_two", 4, 32, "medium", "Per-device batch"),
    _range("data.max_seq_length", "int", "power_of_two", 256, 4096, "medium", "Context window"),
    _range("lora.alpha", "float", "log", 8.0, 32.0, "lower", "LoRA scaling"),
    _range("lora.dropout", "float", "linear", 0.0, 0.1, "lower", "Regularization"),
    _choice("base_model", BASE_MODELS, "lower", "Model capacity"),
    # What the guide's summary lists beside them.
    _text("system_prompt", "System prompt; the text of prompts.config_generation by default"),
    _text("prompts.config_generation", "Registered prompt that asks for the config"),
    _text("prompts.vibe_extraction", "Registered prompt that draws a vibe from raw text"),
    _choice("lora.target_modules", (("q_proj", "v_proj"), _ATTENTION, LEAF_DEFAULTS["lora.target_modules"]),
            "further", "Modules with an adapter"),
    _choice("lora.bias", ("none", "all", "lora_only"), "further", "Trained biases"),
    _choice("optimizer.lr_scheduler", ("linear", "cosine", "constant", "constant_with_warmup"), "further",
            "LR schedule after the warmup"),
    _range("batch.gradient_accumulation_steps", "int", "power_of_two", 1, 8, "further",
           "Micro-steps per optimizer step"),
    _range("epochs", "float", "linear", 1.0, 5.0, "further", "Passes over the training rows"),
    _range("seed", "int", "linear", 0, 2**32 - 1, "further", "Replicates; listed in `seeds`, never an axis"),
    _range("grpo.temperature", "float", "linear", 0.5, 1.5, "further", "Sampling temperature of rollouts"),
    _range("grpo.top_p", "float", "linear", 0.5, 1.0, "further", "Nucleus of rollouts; 1 is off"),
    _range("grpo.top_k", "int", "linear", 0, 200, "further", "Likeliest tokens of rollouts; 0 is off"),
    _range("grpo.max_completion_length", "int", "power_of_two", 64, 2048, "further",
           "Tokens per completion"),
    _choice("grpo.scale_rewards", ("group", "batch", "none"), "further", "What rewards are divided by"),
    _choice("grpo.loss_type", ("grpo", "bnpo", "dr_grpo", "dapo"), "further", "Averaging of token losses"),
    _choice("grpo.multi_objective_aggregation", ("sum_then_normalize", "normalize_then_sum"), "further",
            "Order of weighting and normalizing"),
    _choice("grpo.reward.reward_type", ("clap", "schema_only", "custom"), "further", "Source of the reward"),
    _text("grpo.reward.custom_scorer_path", "module:callable of reward_type custom"),
    _range("grpo.reward.audio_floor", "float", "linear", -3.0, 0.0, "further",
           "Audio component of what cannot be rendered"),
    _choice("grpo.reward.clap.model", CLAP_MODELS, "further", "CLAP checkpoint of the trained reward"),
    _text("grpo.reward.clap.renderer", "module:callable that makes the sound"),
    _choice("grpo.reward.clap.seconds", (10.0, 20.0, 30.0), "further", "Length of the rendered sound"),
    _range("grpo.reward.clap.render_seed", "int", "linear", 0, 9, "further", "Seed of the render noise"),
    _range("grpo.reward.clap.microbatch", "int", "power_of_two", 1, 64, "further",
           "Clips per forward pass"),
    _text("grpo.reward.clap.bad_sounds", "Words for bad sound, a list"),
    _text("grpo.reward.clap.device", "Where CLAP runs"),
    _choice("noise.force_augmentation", (False, True), "further", "At least one noisy row per split"),
)
# fmt: on
"""Every setting worth searching: the guide's tables in their order, then what its summary adds."""


def row(path: str, extra: Iterable[SpaceRow] = ()) -> SpaceRow:
    """The row of a setting.

    Args:
        path: dotted path.
        extra: rows of the user's own; they go before ours.

    Raises:
        UserError: no such row.
    """
    rows = {entry.path: entry for entry in rows_with(extra)}
    if path not in rows:
        hint = did_you_mean(path, rows, "see `vibesweep space list`, or add a row under `rows`")
        raise UserError(f"the tables must have a row for it, got {path!r}; {hint}")
    return rows[path]


def rows_with(extra: Iterable[SpaceRow]) -> tuple[SpaceRow, ...]:
    """Our rows and the user's; a user's row for a setting of ours stands in its place."""
    rows = {entry.path: entry for entry in TABLE}
    return tuple((rows | {entry.path: entry for entry in extra}).values())
