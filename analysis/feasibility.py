"""Which configurations keep the sentinels' rules at their last evaluations."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final, NamedTuple

from analysis.evaluations import EvaluationKey
from common.sentinel_rules import broken_margin, broken_variety
from common.sentinels import SentinelRow, sentinels_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import pyarrow as pa

    from analysis.arms import Arm
    from common.sentinels import SentinelConfig, Sentinels

__all__ = ["SENTINEL_COLUMNS", "Judgement", "judge", "sentinel_rows"]


class Judgement(NamedTuple):
    """What the sentinels say of one configuration or baseline."""

    sentinels: tuple[Sentinels, ...]
    """Of its last evaluations, one for each seed."""
    reasons: tuple[str, ...]
    """Why it is infeasible; nothing where it is not."""


SENTINEL_COLUMNS: Final = ("trial_id", "step", *SentinelRow._fields)
"""What judging held-out rows takes."""


def sentinel_rows(rows: pa.Table, keys: Iterable[EvaluationKey]) -> dict[EvaluationKey, list[SentinelRow]]:
    """What the sentinels need of some evaluations.

    Args:
        rows: SENTINEL_COLUMNS of held-out rows, at least.
        keys: the evaluations.
    """
    wanted = set(keys)
    columns = [rows[name].to_pylist() for name in SENTINEL_COLUMNS]
    found: dict[EvaluationKey, list[SentinelRow]] = defaultdict(list)
    for trial_id, step, *values in zip(*columns, strict=True):
        key = EvaluationKey(trial_id, step)
        if key in wanted:
            found[key].append(SentinelRow(*values))
    return found


def judge(arm: Arm, rows: Mapping[EvaluationKey, Sequence[SentinelRow]], config: SentinelConfig) -> Judgement:
    """Judge a configuration by its last evaluations.

    The vibe margin is taken over all seeds, as its objective is: a seed alone has more noise. The other
    rules must hold for every seed. Baselines are there to be compared with, and are not judged.

    Args:
        arm: a configuration or a baseline.
        rows: of its evaluations, at least.
        config: the sweep's rules.
    """
    keys = arm.evaluations.keys
    by_seed = {seed: sentinels_of(rows[key], config) for seed, key in zip(arm.seeds, keys, strict=True)}
    sentinels = tuple(by_seed.values())
    if arm.kind == "baseline":
        return Judgement(sentinels, ())
    pooled = sentinels_of([row for key in keys for row in rows[key]], config)
    reasons = [
        f"seed {seed}: {rule}" if len(by_seed) > 1 else rule
        for seed, found in by_seed.items()
        for rule in broken_variety(found, config)
    ]
    return Judgement(sentinels, (*broken_margin(pooled, config), *reasons))
