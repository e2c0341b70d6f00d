"""The rules of the sentinels: by how much each is missed, for a search, and in words, for people."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from common.sentinels import sentinels_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from common.sentinels import SentinelConfig, SentinelRow, Sentinels

__all__ = ["broken_margin", "broken_rules", "broken_variety", "configuration_misses"]

_MARGIN: Final = "vibe_margin"
_DISTINCT: Final = "distinct_share"
_BAD: Final = {"silent_share": "silent", "clipped_share": "clipped", "noise_share": "noise"}
"""Share of bad sound to what such a clip is called."""


def broken_rules(sentinels: Sentinels, config: SentinelConfig) -> tuple[str, ...]:
    """What makes an evaluation infeasible, a phrase for each rule; nothing where too little was heard."""
    return broken_margin(sentinels, config) + broken_variety(sentinels, config)


def broken_margin(sentinels: Sentinels, config: SentinelConfig) -> tuple[str, ...]:
    """The rule that sound fits its own vibe better than the others, where it is broken."""
    margin, error = sentinels.vibe_margin, sentinels.vibe_margin_error
    if not any(miss > 0 for miss in _margin_miss(sentinels, config).values()):
        return ()
    least = (config.vibe_margin_errors or 0.0) * (error or 0.0)
    return (f"its sound fits its own vibe no better than others (by {margin:.3f}, noise is {least:.3f})",)


def broken_variety(sentinels: Sentinels, config: SentinelConfig) -> tuple[str, ...]:
    """The rules about distinct configs and bad sound that are broken."""
    broken = [name for name, miss in _variety_misses(sentinels, config).items() if miss > 0]
    return tuple(
        f"only {sentinels.distinct_share:.0%} of its configs are distinct"
        if name == _DISTINCT
        else f"{getattr(sentinels, name):.0%} of its clips are {_BAD[name]}"
        for name in broken
    )


def configuration_misses(
    seeds: Sequence[Sequence[SentinelRow]], config: SentinelConfig
) -> Mapping[str, float]:
    """By how much a configuration misses each rule: above 0 where it is broken, as constraints count.

    As in the ranking, the margin is taken over all seeds, and the worst seed counts for the other rules. In
    the rule's own unit: cosine for the margin, else a share. What is not judged, because too little was
    heard or nobody said what, misses nothing and keeps nothing: 0.

    Args:
        seeds: of its finished seeds, the rows of the last evaluation.
        config: the sweep's rules; those that are off have no entry.
    """
    by_seed = [_variety_misses(sentinels_of(rows, config), config) for rows in seeds]
    pooled = sentinels_of([row for rows in seeds for row in rows], config)
    found = [_margin_miss(pooled, config), *by_seed]
    return {
        name: max((misses[name] for misses in found if name in misses), default=0.0)
        for name in _rules(config)
    }


def _rules(config: SentinelConfig) -> list[str]:
    """The rules that are on."""
    margin = [] if config.vibe_margin_errors is None else [_MARGIN]
    distinct = [] if config.min_distinct_share is None else [_DISTINCT]
    bad = [] if config.max_bad_sound_share is None else list(_BAD)
    return [*margin, *distinct, *bad]


def _margin_miss(sentinels: Sentinels, config: SentinelConfig) -> dict[str, float]:
    """By how much the margin misses its rule; nothing where it is not judged."""
    margin, error = sentinels.vibe_margin, sentinels.vibe_margin_error
    if config.vibe_margin_errors is None or margin is None or error is None:
        return {}
    if sentinels.num_heard < config.min_heard:
        return {}
    # A margin must be above the noise; one that just reaches it has missed the rule too.
    return {_MARGIN: config.vibe_margin_errors * error - margin or sys.float_info.min}


def _variety_misses(sentinels: Sentinels, config: SentinelConfig) -> dict[str, float]:
    """By how much the rules about distinct configs and bad sound are missed, those that are judged."""
    if sentinels.num_heard < config.min_heard:
        return {}
    misses = {}
    if config.min_distinct_share is not None and sentinels.distinct_share is not None:
        misses[_DISTINCT] = config.min_distinct_share - sentinels.distinct_share
    if config.max_bad_sound_share is not None:
        shares = {name: getattr(sentinels, name) for name in _BAD}
        misses |= {
            name: share - config.max_bad_sound_share for name, share in shares.items() if share is not None
        }
    return misses
