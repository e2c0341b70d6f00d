"""A ranked sweep as a table: the settings in which its configurations differ, and what came of each."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from analysis.arms import sort_into_arms
from analysis.evaluations import EVALUATION_COLUMNS, held_out_evaluations, shared_scores
from analysis.intervals import seed_noise
from common.training_config import flatten
from search_spaces.settings import MIXTURE_PATH, WEIGHT_PATHS

if TYPE_CHECKING:
    from analysis.intervals import Scores, SeedNoise
    from analysis.ranking import Ranking
    from analysis.sweep import Sweep
    from common.training_config import TrainingConfig

__all__ = ["Outcomes", "VariedSetting", "compute_outcomes"]

_LOG_FROM: Final = 8
"""Numbers whose largest is so many times the smallest are spread on a logarithmic scale."""


@dataclass(frozen=True)
class VariedSetting:
    """One setting over K configurations."""

    path: str
    values: tuple[Any, ...]
    """[K] numbers, or the text of what is none."""

    @property
    def is_number(self) -> bool:
        """Whether its values have an order and distances."""
        return all(isinstance(value, int | float) and not isinstance(value, bool) for value in self.values)

    @property
    def is_log(self) -> bool:
        """Whether ratios of its values matter, and not distances."""
        return self.is_number and bool(0 < _LOG_FROM * min(self.values) <= max(self.values))

    @property
    def levels(self) -> tuple[Any, ...]:
        """Its distinct values, in order."""
        return tuple(sorted(set(self.values)))

    @cached_property
    def encoded(self) -> Scores:
        """[K] its values as numbers: logarithms where ratios matter, the level's index of what is none."""
        if self.is_number:
            return np.array([math.log(v) if self.is_log else float(v) for v in self.values])
        return np.array([float(self.levels.index(v)) for v in self.values])


@dataclass(frozen=True, eq=False)
class Outcomes:
    """K configurations: settings and scores, best first."""

    labels: tuple[str, ...]
    settings: tuple[VariedSetting, ...]
    """Those with two values or more."""
    scores: tuple[Scores, ...]
    """K arrays [S, V] of the objective on the vibes that are scored in all; S differs between them."""

    @cached_property
    def means(self) -> Scores:
        """[K] observed objectives."""
        return np.array([x.mean() for x in self.scores])

    @cached_property
    def noise(self) -> list[SeedNoise]:
        """What the seeds add to the variance of each mean."""
        return seed_noise(self.scores)

    @property
    def noise_share(self) -> float:
        """Share of the variance between the observed means that noise explains; 1 where all are equal."""
        by_vibe = np.stack([x.mean(0) for x in self.scores])
        own = by_vibe - by_vibe.mean(0)
        of_vibes = own.var(1, ddof=1).mean() / by_vibe.shape[1]
        of_seeds = np.mean([max(0.0, one.seeds - one.rest) for one in self.noise])
        observed = self.means.var(ddof=1) if len(self.means) > 1 else 0.0
        return float(min(1.0, (of_vibes + of_seeds) / observed)) if observed > 0 else 1.0

    def redrawn(self, rng: np.random.Generator, num: int) -> Scores:
        """[num, K] means that other vibes and other seeds would have given.

        Vibes are drawn again with replacement, the same for all configurations. Seeds are not: two of them,
        drawn again, show half of their spread. What they add is drawn from a t distribution with the spread
        that all configurations show together.
        """
        by_vibe = np.stack([x.mean(0) for x in self.scores])
        num_vibes = by_vibe.shape[1]
        counts = rng.multinomial(num_vibes, np.full(num_vibes, 1 / num_vibes), num)
        spread = np.sqrt([max(0.0, one.seeds - one.rest) for one in self.noise])
        df = self.noise[0].df
        seeds = rng.standard_t(df, (num, len(spread))) * spread if df else 0.0
        return np.asarray(counts @ by_vibe.T / num_vibes + seeds)


def compute_outcomes(sweep: Sweep, ranking: Ranking) -> Outcomes | None:
    """The ranked configurations under the ranking's weights.

    Left out are infeasible ones, whose scores are not to be trusted, and those that changed while they
    trained, which have no one value of a setting.

    Returns:
        None with fewer than two configurations, or fewer than two vibes that are scored in all.
    """
    kept = {
        (row.label, row.config_hash): row.rank
        for row in ranking.configurations
        if not row.infeasible and not row.changes
    }
    arms, _ = sort_into_arms(sweep.trials, held_out_evaluations(sweep.last_evaluations(EVALUATION_COLUMNS)))
    ranks = {arm: kept.get((arm.record.label, arm.record.config_hash)) for arm in arms if arm.kind == "trial"}
    trials = sorted((arm for arm, rank in ranks.items() if rank), key=lambda arm: ranks[arm] or 0)
    if len(trials) < 2:
        return None
    scores = shared_scores([arm.evaluations for arm in trials], ranking.objective)
    if not scores:
        return None
    paths = [path for arm in trials for path in arm.record.params]
    columns = [
        VariedSetting(path, _in_order([_value(arm.record.config, path) for arm in trials]))
        for path in dict.fromkeys(_single(paths))
    ]
    return Outcomes(
        labels=tuple(arm.record.label for arm in trials),
        settings=tuple(column for column in columns if len(column.levels) > 1),
        scores=tuple(scores),
    )


def _single(paths: list[str]) -> list[str]:
    """Settings by themselves: the mixture stands for the three weights."""
    return [one for path in paths for one in (WEIGHT_PATHS if path == MIXTURE_PATH else (path,))]


def _value(config: TrainingConfig, path: str) -> Any:
    """What a configuration ran with; also where the setting was no axis of its point."""
    value = flatten(config.model_dump(mode="json"))[path]
    if path in WEIGHT_PATHS:
        return value / sum(config.grpo.reward.weights.as_tuple())
    return value


def _in_order(values: list[Any]) -> tuple[Any, ...]:
    """Numbers as they are; all values as text where one of them is none."""
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return tuple(values)
    return tuple(str(value) for value in values)
