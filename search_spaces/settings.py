"""The settings that a sweep may name: every path of TrainingConfig, and what to say of any other."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any, Final, Literal

from common.training_config import TrainingConfig, flatten

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = [
    "LEAF_DEFAULTS",
    "MIXTURE_PATH",
    "PROMPT_PATHS",
    "WEIGHT_PATHS",
    "Role",
    "did_you_mean",
    "nearest",
    "require_path",
    "require_setting",
]

LEAF_DEFAULTS: Final[Mapping[str, Any]] = flatten(TrainingConfig().model_dump(mode="json"))
"""Every settable path of TrainingConfig with its default."""

MIXTURE_PATH: Final = "reward.mixture"
"""The axis that sets the three reward weights together; it is no setting of its own."""

WEIGHT_PATHS: Final = tuple(f"grpo.reward.weights.{name}_weight" for name in ("format", "schema", "audio"))
"""What the mixture sets, in the order of its values."""

PROMPT_PATHS: Final = ("system_prompt", "prompts.config_generation", "prompts.vibe_extraction")
"""What the policy is told."""

Role = Literal["an axis", "a base setting", "a derived setting"]


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that was probably meant: with the same last part, else the most alike; None if none."""
    names = list(known)
    last = name.rpartition(".")[2]
    for ending in (name, last):
        if same := [path for path in names if path.endswith(f".{ending}")]:
            return same[0]
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    return near[0] if near else None


def did_you_mean(name: str, known: Iterable[str], otherwise: str) -> str:
    """`did you mean X?`, or `otherwise` where nothing is near."""
    near = nearest(name, known)
    return f"did you mean {near}?" if near else otherwise


def require_path(path: str) -> None:
    """Raise ValueError unless `path` is a single setting of TrainingConfig."""
    if path in LEAF_DEFAULTS:
        return
    members = [leaf for leaf in LEAF_DEFAULTS if leaf.startswith(f"{path}.")]
    if members:
        raise ValueError(f"{path}: must be a single setting, got a group; name one of {', '.join(members)}")
    hint = did_you_mean(path, [*LEAF_DEFAULTS, MIXTURE_PATH], "see `vibesweep space list`")
    raise ValueError(f"{path}: must be a setting of TrainingConfig, got {path!r}; {hint}")


def require_setting(path: str, role: Role) -> None:
    """Raise ValueError unless a sweep may give `path` in this role."""
    if path in ("seed", "seeds"):
        raise ValueError(f"{path}: every point runs with all seeds, got it as {role}; list them in `seeds`")
    group = path.partition(".")[0]
    if group in ("objective", "evaluation", "eval"):
        raise ValueError(
            f"{path}: the evaluation is the same for every trial, got it as {role}; set it under `objective`"
        )
    if role != "a base setting" and group in ("infra", "logging"):
        raise ValueError(
            f"{path}: {role} must change what is learned, got a setting of {group}; set it under `base`"
        )
    if path == MIXTURE_PATH:
        if role == "an axis":
            return
        raise ValueError(f"{path}: the mixture is an axis, got it as {role}; set {', '.join(WEIGHT_PATHS)}")
    require_path(path)
