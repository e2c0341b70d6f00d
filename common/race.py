"""A race: seeds that a finished sweep gets beyond its own, for the configurations that may be its best.

`race.json` in the sweep directory has every round before its first trial starts, so that a killed race goes
on with the round that it was in.
"""

from __future__ import annotations

from typing import ClassVar, Literal, NamedTuple

from common.model import FrozenModel
from common.records import StateRecord

__all__ = ["AddedTrial", "RaceRecord", "RaceRound", "RaceStep", "Standing"]


class Standing(FrozenModel):
    """What is known of one configuration before a round."""

    number: int
    """The point's."""
    label: str
    seeds: int
    """Finished ones."""
    probability: float
    """That it is the best."""


class AddedTrial(FrozenModel):
    """A trial that a race has added."""

    number: int
    """The point's."""
    seed: int


class RaceRound(FrozenModel):
    """One seed more for each contender, and why."""

    standings: tuple[Standing, ...]
    """Of all feasible configurations when it began, likeliest first."""
    trials: tuple[AddedTrial, ...]


class RaceRecord(StateRecord):
    """The rounds of all races of a sweep directory."""

    FILE: ClassVar[str] = "race.json"

    rounds: tuple[RaceRound, ...] = ()

    @property
    def num_added(self) -> int:
        """Trials that races have added."""
        return sum(len(one.trials) for one in self.rounds)

    def with_round(self, one: RaceRound) -> RaceRecord:
        """The record with one round more."""
        return RaceRecord(rounds=(*self.rounds, one))


class RaceStep(NamedTuple):
    """What the outcomes so far say of a race."""

    verdict: Literal["open", "known", "cannot be told"]
    """`known`: the first of the standings is the best. `cannot be told`: the seeds that are left would not
    find differences as small as those between it and the others."""
    standings: tuple[Standing, ...]
    """All feasible configurations, likeliest first."""
    contenders: tuple[int, ...]
    """Numbers of the points that get another seed, likeliest first; none unless the race is open."""
    reason: str
    """Why, in a few words."""
