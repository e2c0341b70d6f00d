"""Configurations as differences: dotted paths laid over one, and what one has that another has not.

Precedence where a run is put together: flags, then the preset's difference from the defaults, then the file,
then the defaults.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pydantic import ValidationError

from common.errors import ProblemsError, UserError, problems_of
from common.prompt_registry import render_prompt
from common.training_config.config import TrainingConfig

__all__ = ["apply_overrides", "config_difference", "flatten"]


def apply_overrides(config: TrainingConfig, overrides: Mapping[str, Any]) -> TrainingConfig:
    """The config with dotted paths replaced, validated anew.

    Another `prompts.config_generation` without a `system_prompt` beside it renders the system prompt anew.

    Args:
        config: what to start from.
        overrides: dotted path to value, such as `{"lora.r": 32}`.

    Raises:
        UserError: a path that does not exist, or values that are refused, all of them.
    """
    merged = config_difference(config, TrainingConfig())
    for path, value in overrides.items():
        *parents, leaf = path.split(".")
        node = merged
        for parent in parents:
            node = node.setdefault(parent, {})
            if not isinstance(node, dict):
                raise UserError(f"{path}: {parent!r} is a value, not a group of settings")
        if isinstance(value, Mapping) and isinstance(node.get(leaf), Mapping):
            node[leaf] = _merged(node[leaf], value)
        else:
            node[leaf] = value
    named = flatten(overrides)
    names_prompt = _PROMPT_PATH in named
    if names_prompt and "system_prompt" not in named and _has_registered_prompt(config):
        # The text of the prompt that was named before would win over the one that is named now.
        merged.pop("system_prompt", None)
    try:
        changed = TrainingConfig.model_validate(merged)
    except ValidationError as error:
        raise ProblemsError(problems_of(error)) from error
    if names_prompt and not _has_registered_prompt(changed):
        raise UserError(
            f"{_PROMPT_PATH} must not stand beside a system_prompt of its own, which would win, got "
            f"{changed.prompts.config_generation!r} and {changed.system_prompt[:40]!r}; remove one of the two"
        )
    return changed


_PROMPT_PATH: Final = "prompts.config_generation"


def _has_registered_prompt(config: TrainingConfig) -> bool:
    """Whether the system prompt is the one that `prompts.config_generation` names."""
    return config.system_prompt == render_prompt(config.prompts.config_generation)


def _merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`under` with `over` laid on it, group by group."""
    merged = dict(under)
    for key, value in over.items():
        old = merged.get(key)
        if isinstance(old, Mapping) and isinstance(value, Mapping):
            merged[key] = _merged(old, value)
        else:
            merged[key] = value
    return merged


def config_difference(config: TrainingConfig, base: TrainingConfig) -> dict[str, Any]:
    """What differs from `base`, nested like the config: the JSON that `base` needs to become `config`."""

    def difference(ours: dict[str, Any], theirs: dict[str, Any]) -> dict[str, Any]:
        changed: dict[str, Any] = {}
        for key, value in ours.items():
            if isinstance(value, dict):
                if nested := difference(value, theirs[key]):
                    changed[key] = nested
            elif value != theirs[key]:
                changed[key] = value
        return changed

    return difference(config.model_dump(mode="json"), base.model_dump(mode="json"))


def flatten(nested: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """A nested mapping as dotted path to value."""
    flat: dict[str, Any] = {}
    for key, value in nested.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat
