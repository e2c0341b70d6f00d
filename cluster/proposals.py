"""Which point comes next: the known points in their order, or Optuna's choice given what is known."""

from __future__ import annotations

import json
from collections import deque
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import TrialState

from common.errors import UserError
from search_spaces.axes import GridAxis, RangeAxis
from search_spaces.designs import enumerate_points
from search_spaces.mixture import MixtureAxis
from search_spaces.points import held_value, point
from search_spaces.settings import MIXTURE_PATH

if TYPE_CHECKING:
    from collections.abc import Mapping

    from search_spaces.points import Point
    from search_spaces.sweep_file import SweepFile

__all__ = ["EnumeratedProposals", "OptunaProposals", "Proposals", "proposals_for"]

_COORDINATES: Final = tuple(f"{MIXTURE_PATH}.{place}" for place in range(3))

_ATTEMPTS: Final = 32
"""Draws after which a space without a new valid point counts as exhausted."""


class Proposals(Protocol):
    """Chooses points; it is told how they end, and can be rebuilt from what was stored."""

    def propose(self) -> Point | None:
        """The next point; None when there is no more."""
        ...

    def restore(self, number: int, params: Mapping[str, Any]) -> None:
        """Take in a point that an earlier driver proposed; called in the order of the numbers."""
        ...

    def tell(self, number: int, objective: float | None) -> None:
        """A point has ended: the mean over its finished seeds, or None where none finished."""
        ...


def proposals_for(sweep: SweepFile) -> Proposals:
    """The sweep's search mode.

    Raises:
        UserError: a point that is known beforehand is refused by TrainingConfig.
    """
    return EnumeratedProposals(sweep) if sweep.search.mode in ("grid", "random") else OptunaProposals(sweep)


class EnumeratedProposals:
    """The points of a mode that knows them beforehand, in their order."""

    def __init__(self, sweep: SweepFile) -> None:
        self._points = enumerate_points(sweep).points
        self._waiting = deque(range(len(self._points)))

    def propose(self) -> Point | None:
        """The next point; None when there is no more."""
        return self._points[self._waiting.popleft()] if self._waiting else None

    def restore(self, number: int, params: Mapping[str, Any]) -> None:
        """Skip a point that an earlier driver proposed."""
        if number >= len(self._points):
            return  # it ran when the sweep had more trials
        assert self._points[number].params == params, f"point {number} is not the sweep's"
        self._waiting.remove(number)

    def tell(self, number: int, objective: float | None) -> None:
        """Nothing to learn: the points are fixed."""


class OptunaProposals:
    """Optuna's TPE over an in-memory study.

    The sampler is seeded anew for every point from (sweep seed, number), so a suggestion is a function of
    the points and results known by then, in one driver's life or in several. A database behind the study
    would run ahead of what the sweep directory holds, and a resumed driver dies of the difference.
    """

    def __init__(self, sweep: SweepFile) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        assert sweep.search.trials is not None, "SearchConfig requires trials in Optuna mode"
        self._sweep = sweep
        self._num_points = sweep.search.trials
        self._distributions = _distributions(sweep)
        self._study = optuna.create_study(
            storage=optuna.storages.InMemoryStorage(), study_name=sweep.name, direction="maximize"
        )
        assert self._study.direction == optuna.study.StudyDirection.MAXIMIZE
        self._asked: dict[int, optuna.Trial] = {}
        self._identities: set[str] = set()

    def propose(self) -> Point | None:
        """The next point, unlike every earlier one; None when there is no more.

        Raises:
            UserError: TrainingConfig refuses every point that was drawn.
        """
        number = len(self._asked)
        if number >= self._num_points:
            return None
        refusal: UserError | None = None
        for attempt in range(_ATTEMPTS):
            self._study.sampler = self._sampler(number, attempt)
            trial = self._study.ask(self._distributions)
            try:
                chosen = point(self._sweep, number, self._values(trial.params))
            except UserError as error:
                refusal = error
            else:
                if chosen.identity not in self._identities:
                    self._identities.add(chosen.identity)
                    self._asked[number] = trial
                    return chosen
            # Refused, or run before; what is told as failed does not move the sampler.
            self._study.tell(trial, state=TrialState.FAIL)
        if refusal is not None and not self._asked:
            raise refusal
        return None

    def restore(self, number: int, params: Mapping[str, Any]) -> None:
        """Put a point of an earlier driver into the study, running until it is told."""
        if number != len(self._asked):
            raise UserError(
                f"the points of an Optuna sweep must all be there, got none of number {len(self._asked)} but "
                f"{number}; put its folder back, or start again with --overwrite"
            )
        self._study.enqueue_trial(
            {
                path: json.dumps(value) if self._is_categorical(path) else value
                for path, value in self._coordinates(params).items()
            }
        )
        self._asked[number] = self._study.ask(self._distributions)
        self._identities.add(point(self._sweep, number, params).identity)

    def tell(self, number: int, objective: float | None) -> None:
        """A point has ended; a failed one is told as failed, never as a number."""
        if objective is None:
            self._study.tell(self._asked[number], state=TrialState.FAIL)
        else:
            self._study.tell(self._asked[number], objective)

    def _sampler(self, number: int, attempt: int) -> optuna.samplers.BaseSampler:
        seed = np.random.SeedSequence([self._sweep.search.seed, number, attempt]).generate_state(1)[0]
        # multivariate: learning rate and batch size, say, are good together; constant_liar: trials run at
        # once, and those still running push later ones elsewhere. Both are Optuna 5's defaults.
        return optuna.samplers.TPESampler(seed=int(seed))

    def _values(self, params: Mapping[str, Any]) -> dict[str, Any]:
        values = {
            path: json.loads(value) if self._is_categorical(path) else value for path, value in params.items()
        }
        if isinstance(axis := self._sweep.space.get(MIXTURE_PATH), MixtureAxis):
            values[MIXTURE_PATH] = axis.from_unit(tuple(values.pop(name) for name in _COORDINATES))
        return values

    def _coordinates(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """A point's params with the mixture as its coordinates."""
        values = dict(params)
        axis = self._sweep.space.get(MIXTURE_PATH)
        if isinstance(axis, MixtureAxis) and MIXTURE_PATH in values:
            values |= zip(_COORDINATES, axis.to_unit(values.pop(MIXTURE_PATH)), strict=True)
        return values

    def _is_categorical(self, path: str) -> bool:
        return isinstance(self._distributions[path], CategoricalDistribution)


def _distributions(sweep: SweepFile) -> dict[str, BaseDistribution]:
    """The sweep's axes for Optuna; a mixture is its three coordinates in [0, 1]."""
    distributions: dict[str, BaseDistribution] = {}
    for path, axis in sweep.space.items():
        if isinstance(axis, MixtureAxis):
            distributions |= dict.fromkeys(_COORDINATES, FloatDistribution(0.0, 1.0))
        else:
            distributions[path] = _distribution(sweep, path, axis)
    return distributions


def _distribution(sweep: SweepFile, path: str, axis: GridAxis | RangeAxis) -> BaseDistribution:
    """An axis for Optuna; both ends of a range are included. Values travel as JSON text: some are lists."""
    if isinstance(axis, GridAxis):
        # As TrainingConfig holds them, so that what was stored is found again: 16 may become 16.0.
        values = [held_value(sweep, path, value) for value in axis.grid]
        return CategoricalDistribution(list(dict.fromkeys(json.dumps(value) for value in values)))
    low, high = axis.range
    if axis.scale == "power_of_two":
        return CategoricalDistribution([json.dumps(value) for value in axis.whole_values()])
    log = axis.scale == "log"
    if axis.kind == "int":
        return IntDistribution(int(low), int(high), log=log)
    return FloatDistribution(low, high, log=log)
