"""Optuna's choice of the next point, given the points and outcomes known by then."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import optuna

from cluster.samplers import KEPT_ATTRIBUTES, make_sampler
from cluster.study import KnownPoint, StudySpace
from common.errors import UserError
from common.training_config import flatten
from search_spaces.mixture import MixtureAxis
from search_spaces.points import point

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cluster.point_outcome import PointOutcome
    from search_spaces.axes import Axis
    from search_spaces.points import Point
    from search_spaces.sweep_file import SweepFile

__all__ = ["OptunaProposals", "StudySearch"]

_ATTEMPTS: Final = 32
"""Draws after which a space without a new valid point counts as exhausted."""


class StudySearch:
    """One Optuna search over some axes, the others fixed.

    Every suggestion comes from a study made for it, and its sampler is seeded by (sweep seed, number). So
    it is a function of the points and outcomes known by then, in one driver's life or in several.
    """

    def __init__(
        self,
        sweep: SweepFile,
        axes: Mapping[str, Axis],
        fixed: Mapping[str, Any],
        earlier: Sequence[KnownPoint] = (),
    ) -> None:
        """
        Args:
            sweep: what is searched.
            axes: those that Optuna draws.
            fixed: values of the other axes.
            earlier: points of earlier sweeps that the search starts with.
        """
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._sweep = sweep
        self._fixed = fixed
        self._space = StudySpace(sweep, axes)
        self._base = flatten(sweep.base_config().model_dump(mode="json"))
        self._conditional = any(
            path in sweep.when or isinstance(axis, MixtureAxis) for path, axis in axes.items()
        )
        self._earlier = tuple(earlier)
        self.points: dict[int, KnownPoint] = {}
        self._identities: set[str] = set()

    def propose(self, number: int) -> Point | None:
        """The point of a number, unlike every earlier one; None when there is no more.

        Raises:
            UserError: every point that was drawn is refused, and none was accepted before.
        """
        refusal: UserError | None = None
        known = [*self._earlier, *self.points.values()]
        for attempt in range(_ATTEMPTS):
            study = self._space.study(known)
            study.sampler = make_sampler(self._sweep, number, attempt, conditional=self._conditional)
            trial = study.ask()
            try:
                chosen = point(self._sweep, number, self._draw(trial))
            except UserError as error:
                refusal = error
                continue
            if chosen.identity not in self._identities:
                attributes = study.get_trials(deepcopy=False)[-1].system_attrs
                self._add(chosen, {key: attributes[key] for key in KEPT_ATTRIBUTES if key in attributes})
                return chosen
        if refusal is not None and not self.points:
            raise refusal
        return None

    def _draw(self, trial: optuna.Trial) -> dict[str, Any]:
        """Values of the axes; one with a condition is drawn only where it holds, after what it depends on."""
        when, axes = self._sweep.when, self._space.parameters
        drawn = dict(self._fixed) | {
            path: axis.suggest(trial) for path, axis in axes.items() if path not in when
        }
        for path in self._sweep.relations.order:
            if path in when and path in axes:
                axis = self._sweep.space[path]
                any_value = axis.from_unit((0.0,) * axis.num_coordinates)
                _, active = self._sweep.relations.resolve(self._base, {**drawn, path: any_value})
                if path in active:
                    drawn[path] = axes[path].suggest(trial)
        return drawn

    def restore(self, number: int, params: Mapping[str, Any], notes: Mapping[str, int]) -> None:
        """Take in a point that an earlier driver proposed, running until it is told."""
        self._add(point(self._sweep, number, params), notes)

    def tell(self, number: int, outcome: PointOutcome) -> None:
        """A point has ended."""
        known = self.points[number]
        self.points[number] = KnownPoint(number, known.params, outcome, known.notes)

    def _add(self, chosen: Point, notes: Mapping[str, int]) -> None:
        self.points[chosen.number] = KnownPoint(chosen.number, chosen.params, None, dict(notes))
        self._identities.add(chosen.identity)


class OptunaProposals:
    """One Optuna search over the whole space."""

    def __init__(self, sweep: SweepFile, earlier: Sequence[KnownPoint] = ()) -> None:
        assert sweep.search.trials is not None, "SearchConfig requires trials in Optuna mode"
        self._num_points = sweep.search.trials
        self._search = StudySearch(sweep, sweep.space, {}, earlier)

    def propose(self) -> Point | None:
        """The next point, unlike every earlier one; None when there is no more.

        Raises:
            UserError: TrainingConfig refuses every point that was drawn.
        """
        number = len(self._search.points)
        return self._search.propose(number) if number < self._num_points else None

    def notes(self, number: int) -> Mapping[str, int]:
        """What the sampler noted when it drew a point."""
        return self._search.points[number].notes

    def restore(self, number: int, params: Mapping[str, Any], notes: Mapping[str, int]) -> None:
        """Take in a point that an earlier driver proposed.

        Raises:
            UserError: points before it are missing.
        """
        refuse_gap(number, len(self._search.points))
        self._search.restore(number, params, notes)

    def tell(self, number: int, outcome: PointOutcome) -> None:
        """A point has ended."""
        self._search.tell(number, outcome)


def refuse_gap(number: int, expected: int) -> None:
    """Raise UserError unless the stored points follow each other."""
    if number != expected:
        raise UserError(
            f"the points of an Optuna sweep must all be there, got none of number {expected} but {number}; "
            "put its folder back, or start again with --overwrite"
        )
