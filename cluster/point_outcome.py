"""What a search learns of a point: how its seeds ended, and the means over those that finished."""

from __future__ import annotations

import math
from statistics import fmean
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, NamedTuple

from common.sentinel_rules import configuration_misses

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from common.records import EvaluationsRecord, ResultRecord
    from common.sentinels import SentinelConfig, SentinelRow
    from search_spaces.search_config import Metric

__all__ = ["MAXIMIZED", "EndedSeed", "PointOutcome", "point_outcome"]

MAXIMIZED: Mapping[Metric, bool] = {
    "held_out_objective": True,
    "validity": True,
    "audio_over_valid": True,
    "train_seconds": False,
}
"""Whether more of a metric is better."""


class EndedSeed(NamedTuple):
    """One seed of a point."""

    result: ResultRecord
    evaluations: EvaluationsRecord
    changed_at: int | None = None
    """The step at which its configuration changed for the first time; None where it never did."""
    heard: Sequence[SentinelRow] = ()
    """Its last evaluation, as the sentinels need it; empty where nobody asks."""

    @property
    def objectives(self) -> Mapping[int, float]:
        """Optimizer step to held-out objective, as far as it ran the point's configuration."""
        return {
            step: objective
            for step, objective in self.evaluations.objectives.items()
            if self.changed_at is None or step <= self.changed_at
        }


class PointOutcome(NamedTuple):
    """How a point ended."""

    state: Literal["finished", "stopped", "failed"]
    metrics: Mapping[Metric, float]
    """Each metric's mean over the finished seeds, finite; empty unless the point finished."""
    intermediate: Mapping[int, float]
    """Optimizer step to the mean held-out objective of the seeds that were evaluated there."""
    misses: Mapping[str, float] = MappingProxyType({})
    """Rule of the sentinels to how much a finished point misses it; above 0 where it breaks it."""

    @property
    def is_infeasible(self) -> bool:
        """Whether it breaks a rule of the sentinels."""
        return any(miss > 0 for miss in self.misses.values())


def point_outcome(seeds: Sequence[EndedSeed], *, audio_floor: float, rules: SentinelConfig) -> PointOutcome:
    """How a point with these seeds ended: stopped if any of them was, failed if none finished.

    A seed whose configuration changed counts as stopped there: what it ended with is another point's.

    Args:
        seeds: all of the point's, each ended.
        audio_floor: stands for the audio of a policy none of whose configs can be rendered: that is what
            the model did wrong, so it is the floor and not missing.
        rules: the sweep's sentinels, by which a finished point is judged as the ranking does it.
    """
    steps = sorted({step for seed in seeds for step in seed.objectives})
    intermediate = {
        step: fmean(seed.objectives[step] for seed in seeds if step in seed.objectives) for step in steps
    }
    if any(seed.result.status == "stopped" or seed.changed_at is not None for seed in seeds):
        return PointOutcome("stopped", {}, intermediate)
    ended = [seed for seed in seeds if seed.result.status == "finished"]
    finished = [seed.result for seed in ended]
    values: dict[Metric, list[float | None]] = {
        "held_out_objective": [result.objective for result in finished],
        "validity": [result.validity for result in finished],
        "audio_over_valid": [
            audio_floor if result.audio_over_valid is None else result.audio_over_valid for result in finished
        ],
        "train_seconds": [result.seconds for result in finished],
    }
    finite = {
        name: [value for value in found if value is not None and math.isfinite(value)]
        for name, found in values.items()
    }
    metrics = {name: fmean(found) for name, found in finite.items() if found}
    if "held_out_objective" not in metrics:
        return PointOutcome("failed", {}, intermediate)
    misses = configuration_misses([seed.heard for seed in ended], rules)
    return PointOutcome("finished", metrics, intermediate, misses)
