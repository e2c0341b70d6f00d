"""Optuna's samplers without a memory of their own: what they suggest follows from the study's trials."""

from __future__ import annotations

import warnings
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import optuna
from optuna.samplers import BaseSampler, CmaEsSampler, GPSampler, NSGAIISampler, RandomSampler, TPESampler

from common.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from optuna._transform import _SearchSpaceTransform
    from optuna.study import StudyDirection
    from optuna.trial import FrozenTrial

    from search_spaces.sweep_file import SweepFile

__all__ = ["KEPT_ATTRIBUTES", "SEES_CONSTRAINTS", "check_sampler", "first_generation", "make_sampler"]

KEPT_ATTRIBUTES: Final = ("cma:generation", "NSGAIISampler:generation")
"""System attributes of a trial that later suggestions depend on: the generation it was drawn for."""

SEES_CONSTRAINTS: Final = ("tpe", "gp", "nsga2")
"""Samplers that draw by a trial's constraints too. CMA-ES looks at the objective alone."""

_POPULATION: Final = 8
"""Points of an NSGA-II generation. Optuna's 50 would make a random search of most sweeps; a number that
follows from `trials` would change when a sweep goes on with more of them."""

_SPREAD_ATTEMPTS: Final = 8
"""Draws of the sampler that may be refused before points are drawn at random instead."""


def check_sampler(sweep: SweepFile) -> None:
    """See that the sampler's package is there, before anything starts.

    Raises:
        UserError: it is not.
    """
    if sweep.search.method == "cmaes" and find_spec("cmaes") is None:
        raise UserError(
            "search.sampler must be tpe, gp or nsga2 here, got 'cmaes', whose package is missing: pip "
            "install cmaes"
        )


def make_sampler(sweep: SweepFile, number: int, attempt: int, *, conditional: bool) -> BaseSampler:
    """The sampler that draws a point, seeded by the sweep's seed, the point's number and the attempt.

    Args:
        sweep: names the sampler.
        number: the point's.
        attempt: from 0; draws before this one that were refused. A sampler sure of its best point would
            draw it again for ever, so later ones are random.
        conditional: whether some parameters exist only beside some values of others.
    """
    words = np.random.SeedSequence([sweep.search.seed, number, attempt]).generate_state(1)
    seed = int(words[0])
    method = sweep.search.method
    if attempt >= _SPREAD_ATTEMPTS:
        return RandomSampler(seed=seed)
    if method == "tpe":
        # All parameters together: learning rate and batch size, say, are good together. Trials that still
        # run push later ones elsewhere. Both are Optuna 5's defaults. group: parameters that exist only
        # sometimes are modelled together with those they come with.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            return TPESampler(seed=seed, group=conditional)
    if method == "gp":
        return GPSampler(seed=seed, warn_independent_sampling=False)
    if method == "nsga2":
        return NSGAIISampler(seed=seed, population_size=_POPULATION)
    assert method == "cmaes", f"SearchConfig knows no sampler {method!r}"
    return _ReplayedCma(seed=seed, warn_independent_sampling=False)


def first_generation(sweep: SweepFile) -> dict[str, int]:
    """The attributes that put a point of an earlier sweep into the first generation."""
    of_method = {"cmaes": KEPT_ATTRIBUTES[0], "nsga2": KEPT_ATTRIBUTES[1]}
    return {name: 0 for method, name in of_method.items() if method == sweep.search.method}


class _ReplayedCma(CmaEsSampler):
    """CMA-ES that is led through its past generations before every suggestion.

    Optuna's own keeps a pickle of the optimizer beside a trial. What this one suggests follows from the
    points, their generations and their outcomes alone, so the records of a sweep are enough to go on.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._finished: list[FrozenTrial] = []

    def _restore_optimizer(self, completed_trials: list[FrozenTrial]) -> None:
        self._finished = completed_trials

    def _init_optimizer(self, trans: _SearchSpaceTransform, direction: StudyDirection) -> Any:
        optimizer = super()._init_optimizer(trans, direction)
        assert direction == optuna.study.StudyDirection.MAXIMIZE
        while len(drawn := self._solutions(optimizer.generation, trans)) >= optimizer.population_size:
            optimizer.tell(drawn[: optimizer.population_size])
        return optimizer

    def _solutions(self, generation: int, trans: _SearchSpaceTransform) -> list[tuple[Any, float]]:
        """(position, loss) of the points drawn for a generation, in the order of their numbers."""
        return [
            (trans.transform(_of_space(trial.params, trans)), -trial.values[0])
            for trial in self._get_solution_trials(self._finished, generation)
        ]


def _of_space(params: Mapping[str, Any], trans: _SearchSpaceTransform) -> dict[str, Any]:
    return {name: params[name] for name in trans._search_space}
