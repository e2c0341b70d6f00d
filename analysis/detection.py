"""What a ranked sweep could tell from noise, and whether its best configuration's lead is beyond that."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Literal, NamedTuple

from analysis.detectable import Spreads, policy_spread, smallest_detectable, spreads_of
from analysis.evaluations import objective_cells, shared_scores
from common.noise_floor import NoiseFloorKey, noise_floor_for

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analysis.arms import Arm
    from analysis.comparisons import Difference
    from common.noise_floor import NoiseFloor
    from common.objective import ObjectiveConfig

__all__ = ["Lead", "SweepDetection", "sweep_detection"]


class Lead(NamedTuple):
    """How far the best configuration is ahead of another, or of its untrained policy."""

    lead: float
    """Difference of the objective."""
    detectable: float
    """The smallest true difference of that kind that the sweep finds four times in five."""

    @property
    def is_below(self) -> bool:
        """Whether a sweep of this size misses such a difference more often than one time in five."""
        return abs(self.lead) < self.detectable


class SweepDetection(NamedTuple):
    """The smallest differences that a sweep finds four times in five; in units of the objective."""

    difference: float
    """Between two configurations."""
    source: Literal["noise_floor", "ledger"]
    """Whether the noise is a kept measurement's, or that between the sweep's own seeds."""
    seeds: int
    """Finished seeds of the best configuration and its runner-up, the fewer of the two."""
    vibes: int
    """Held-out vibes, the fewer of the two."""
    num_compared: int
    """Configurations among which the best was picked; the intervals are corrected for it."""
    covers_seeds: bool
    """Whether the spread between training seeds is known, and counts."""
    over_runner_up: Lead | None
    """None where there is no second configuration, or none that is feasible as the best is."""
    over_untrained: Lead | None
    """None where no untrained policy was evaluated."""


def sweep_detection(
    trials: Sequence[Arm],
    ranked: Sequence[Arm],
    difference: Difference | None,
    objective: ObjectiveConfig,
    noise_floors: tuple[NoiseFloor, ...],
) -> SweepDetection | None:
    """What a sweep could detect, from the noise floor of its best policy's model, else from its own seeds.

    A kept noise floor without a spread between training seeds takes the sweep's own.

    Args:
        trials: all configurations, from whose seeds the noise is taken.
        ranked: the best configuration, and those it is compared with, best first.
        difference: the best one's to the untrained policy.
        objective: weights and floor.
        noise_floors: kept measurements.

    Returns:
        None where neither says what the noise is.
    """
    if not ranked:
        return None
    best, *others = ranked
    own = spreads_of([objective_cells(arm.cells, objective) for arm in trials])
    floor = noise_floor_for(NoiseFloorKey.of(best.policy[0], objective), noise_floors)
    spreads, samples = own, 1
    if floor is not None:
        known = floor.objective_seeds
        if known is None and own is not None:
            known = own.objective_seeds
        spreads, samples = Spreads(floor.objective_decoding, known), objective.samples
    if spreads is None:
        return None
    seeds = min(len(arm.seeds) for arm in ranked[:2])
    vibes = min(_num_vibes(arm) for arm in ranked[:2])
    shared = shared_scores([arm.evaluations for arm in trials], objective)
    smallest = partial(
        smallest_detectable,
        spreads,
        samples=samples,
        num_compared=len(trials),
        policies=policy_spread(shared) if shared else 0.0,
    )
    between = smallest(seeds=seeds, vibes=vibes)
    over_runner_up = over_untrained = None
    if others:
        over_runner_up = Lead(_mean(best, objective) - _mean(others[0], objective), between)
    if difference is not None:
        over_untrained = Lead(
            difference.total.mean, smallest(seeds=len(best.seeds), vibes=_num_vibes(best), untrained=True)
        )
    return SweepDetection(
        difference=between,
        source="ledger" if floor is None else "noise_floor",
        seeds=seeds,
        vibes=vibes,
        num_compared=len(trials),
        covers_seeds=spreads.objective_seeds is not None,
        over_runner_up=over_runner_up,
        over_untrained=over_untrained,
    )


def _num_vibes(arm: Arm) -> int:
    return int(arm.cells.format.shape[1])


def _mean(arm: Arm, objective: ObjectiveConfig) -> float:
    return float(objective_cells(arm.cells, objective).mean())
