"""What is known of a search as an Optuna study: every point a frozen trial, in the order of its number."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import optuna
from optuna.trial import FrozenTrial, TrialState

from cluster.distributions import AxisParameters, axis_parameters, encode_all
from cluster.point_outcome import MAXIMIZED, PointOutcome
from cluster.samplers import SEES_CONSTRAINTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from search_spaces.axes import Axis
    from search_spaces.search_config import Metric
    from search_spaces.sweep_file import SweepFile

__all__ = ["KnownPoint", "StudySpace"]


@dataclass(frozen=True)
class KnownPoint:
    """A point that was drawn, and how it ended."""

    number: int
    params: Mapping[str, Any]
    """Axis path to the value that runs."""
    outcome: PointOutcome | None = None
    """None while it runs."""
    notes: Mapping[str, int] = field(default_factory=dict)
    """What the sampler noted when it drew it."""


class StudySpace:
    """Axes and metrics of a search, as Optuna sees them."""

    def __init__(self, sweep: SweepFile, axes: Mapping[str, Axis]) -> None:
        """
        Args:
            sweep: names the metrics.
            axes: those that Optuna draws; a point's other values are left out of the study.
        """
        self._sees_constraints = sweep.search.method in SEES_CONSTRAINTS
        self._metrics: tuple[Metric, ...] = sweep.search.metrics
        self.parameters: dict[str, AxisParameters] = {
            path: axis_parameters(sweep, path, axis) for path, axis in axes.items()
        }

    @property
    def directions(self) -> list[Literal["maximize", "minimize"]]:
        """`maximize` or `minimize` for each metric."""
        return ["maximize" if MAXIMIZED[metric] else "minimize" for metric in self._metrics]

    def study(self, points: Iterable[KnownPoint]) -> optuna.Study:
        """A new study in memory that holds the points.

        A database behind it would run ahead of what the sweep directory holds, and a resumed driver dies
        of the difference.

        The rules of the sentinels are its constraints once a point has broken one, where the sampler sees
        them. Before, they say nothing that a search could use, and Optuna's Gaussian process would fit a
        model to each.
        """
        points = list(points)
        names: set[str] = set()
        if self._sees_constraints and any(known.outcome and known.outcome.is_infeasible for known in points):
            names = {name for known in points if known.outcome for name in known.outcome.misses}
        study = optuna.create_study(
            storage=optuna.storages.InMemoryStorage(), directions=self.directions, study_name="points"
        )
        assert [direction.name.lower() for direction in study.directions] == self.directions
        study.add_trials([self.frozen(known, rules=sorted(names)) for known in points])
        return study

    def frozen(self, known: KnownPoint, *, rules: Sequence[str] = ()) -> FrozenTrial:
        """A point as a trial: running, complete, pruned where its scheduler stopped it, or failed.

        As in Optuna's own studies, a pruned trial has its last intermediate value, and every trial that was
        evaluated on its way shows how it went. A study of several metrics knows no pruning and no
        intermediate values: there a stopped point counts as failed.

        Args:
            known: the point.
            rules: constraints of a complete trial; one that the point was not judged by is 0, just kept.

        Raises:
            ValueError: a value that does not lie on its axis.
        """
        encoded = encode_all(
            self.parameters, {path: v for path, v in known.params.items() if path in self.parameters}
        )
        state, values = self.ending(known.outcome)
        intermediate = known.outcome.intermediate if known.outcome and len(self._metrics) == 1 else {}
        return optuna.trial.create_trial(
            state=state,
            values=values,
            params=encoded.values,
            distributions=encoded.distributions,
            user_attrs={"point": known.number},
            system_attrs=dict(known.notes),
            intermediate_values=dict(intermediate),
            constraints={rule: known.outcome.misses.get(rule, 0.0) for rule in rules}
            if known.outcome and state == TrialState.COMPLETE
            else None,
        )

    def ending(self, outcome: PointOutcome | None) -> tuple[TrialState, list[float] | None]:
        """Optuna's state of an outcome, and the metrics' values where there are any."""
        if outcome is None:
            return TrialState.RUNNING, None
        if outcome.state == "stopped" and len(self._metrics) == 1:
            last = outcome.intermediate.get(max(outcome.intermediate, default=-1))
            return TrialState.PRUNED, None if last is None else [last]
        if outcome.state == "finished" and all(metric in outcome.metrics for metric in self._metrics):
            return TrialState.COMPLETE, [outcome.metrics[metric] for metric in self._metrics]
        return TrialState.FAIL, None
