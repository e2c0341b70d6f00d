"""The code of the user's own that a sweep runs: said before it does, because it may do anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from common.reward_config import ClapScorerConfig

if TYPE_CHECKING:
    from search_spaces.sweep_file import SweepFile

__all__ = ["user_code"]

_SETTINGS: Final = ("grpo.reward.custom_scorer_path", "grpo.reward.clap.renderer")
"""Settings of a trial that name a callable."""
_OURS: Final = ClapScorerConfig().renderer


def user_code(sweep: SweepFile) -> tuple[str, ...]:
    """What is imported and called in the driver's, the trials' and the scorers' processes.

    Returns:
        A line for each callable: `module:callable`, and which settings name it.
    """
    reward = sweep.base_config().grpo.reward
    named: dict[str, list[str]] = {}
    for setting, path in zip(_SETTINGS, (reward.custom_scorer_path, reward.clap.renderer), strict=True):
        axis = sweep.space.get(setting)
        for value in getattr(axis, "grid", (path,)):
            named.setdefault(str(value), []).append(setting)
    named.setdefault(sweep.objective.scorer.renderer, []).append("objective.scorer.renderer")
    return tuple(
        f"{path} ({', '.join(settings)})" for path, settings in named.items() if path not in ("None", _OURS)
    )
