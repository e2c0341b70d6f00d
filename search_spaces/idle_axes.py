"""Axes that would act on nothing, or on what no axis may change: refused, with the reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from search_spaces.axes import GridAxis

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from search_spaces.sweep_file import SweepFile

__all__ = ["refuse_idle_axes"]


class _Rule(NamedTuple):
    """Settings that are no axes while another setting has the values that silence them."""

    settings: tuple[str, ...]
    """Paths, or groups with a dot at their end."""
    reason: str
    other: str | None = None
    """The setting that silences them; None where they never are an axis."""
    silences: Callable[[Any], bool] = lambda _: True
    """Whether a value of the other setting does."""


_RULES: Final = (
    _Rule(("data.response_field",), "GRPO does not read it"),
    _Rule(("prompts.vibe_extraction",), "no trial reads it"),
    _Rule(
        ("data.prompt_field", "data.reference_field"),
        "the held-out vibes are read with it too, so the objective would change with it",
    ),
    _Rule(("epochs",), "max_steps takes its place", "max_steps", lambda steps: steps is not None),
    _Rule(
        ("optimizer.warmup_ratio",),
        "the schedule 'constant' has no warm-up; 'constant_with_warmup' has",
        "optimizer.lr_scheduler",
        lambda name: name == "constant",
    ),
    _Rule(
        ("grpo.reward.weights.audio_weight", "grpo.reward.audio_floor", "grpo.reward.clap."),
        "reward_type 'schema_only' has no audio",
        "grpo.reward.reward_type",
        lambda kind: kind == "schema_only",
    ),
    _Rule(
        ("grpo.reward.clap.",),
        "reward_type 'custom' does not ask CLAP",
        "grpo.reward.reward_type",
        lambda kind: kind == "custom",
    ),
)


def refuse_idle_axes(sweep: SweepFile) -> None:
    """See that every axis changes what is learned, and nothing that it must not.

    Raises:
        ValueError: one line about the first axis that does not.
    """
    for path in sweep.space:
        for rule in _RULES:
            if not path.startswith(rule.settings):
                continue
            values = _values(sweep, rule.other)
            if values and all(map(rule.silences, values)):
                raise ValueError(
                    f"space.{path}: an axis must change what is learned and nothing else, got one that does "
                    f"not: {rule.reason}; remove the axis"
                )


def _values(sweep: SweepFile, path: str | None) -> Sequence[Any]:
    """What a setting may be in this sweep; nothing where that is not known beforehand."""
    if path is None:
        return (None,)
    if path in sweep.derived:
        return ()
    axis = sweep.space.get(path)
    if axis is None:
        return (_at(sweep.base_config().model_dump(), path),)
    return axis.grid if isinstance(axis, GridAxis) and path not in sweep.when else ()


def _at(nested: dict[str, Any], path: str) -> Any:
    found: Any = nested
    for part in path.split("."):
        found = found[part]
    return found
