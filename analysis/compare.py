"""Two or more sweeps set side by side: the same configuration in both, best against best, what differs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from analysis.arms import paired_cells, sort_into_arms
from analysis.comparisons import prospects
from analysis.evaluations import EVALUATION_COLUMNS, held_out_evaluations, objective_cells
from analysis.intervals import CONFIDENCE, Interval, mean_interval, seed_noise
from analysis.pooled import named_trials, sweep_names
from analysis.protocol import other_differences, protocol_differences
from analysis.ranking import compute_ranking

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analysis.arms import Arm
    from analysis.protocol import SweepDifference
    from analysis.sweep import Sweep

__all__ = ["Comparison", "PairedConfiguration", "compare_sweeps"]


@dataclass(frozen=True)
class PairedConfiguration:
    """One configuration of the first sweep beside one of the second."""

    first: str
    """Label in the first sweep."""
    second: str
    """In the second."""
    difference: Interval
    """Objective of the second less the first's, paired by vibe and decoding seed; 95 %."""
    num_vibes: int
    """Vibes that are scored in both."""
    seeds: tuple[int, int]
    """Finished training seeds of each."""
    is_identical: bool
    """Whether both wrote completions with the same scores, to the last digit."""


@dataclass(frozen=True)
class Comparison:
    """One sweep against the first."""

    names: tuple[str, str]
    incomparable: tuple[str, ...]
    """Why their scores cannot be compared, a phrase each; then there are no numbers."""
    same: tuple[PairedConfiguration, ...]
    """Configurations that finished in both, in the order of the first sweep's ranking."""
    num_only: tuple[int, int]
    """Ranked configurations that only one of them has."""
    num_infeasible: tuple[int, int]
    """Configurations of each that its sentinels mark, which are not its best."""
    best: PairedConfiguration | None
    """The feasible configuration with the highest mean of each; None where one has none, or they share no
    vibe."""
    probability: tuple[float, float] | None
    """That the best of all feasible configurations is in the first sweep, or in the second; None as above."""
    differences: tuple[SweepDifference, ...]
    """Settings, data and versions in which they differ."""


def compare_sweeps(sweeps: Sequence[Sweep]) -> list[Comparison]:
    """Compare every other sweep with the first, under the first one's weights.

    A configuration that breaks a rule of its sweep's sentinels is not the best of it, unless all of them do.

    Args:
        sweeps: at least two.

    Raises:
        UserError: the same folder twice.
    """
    names = sweep_names(sweeps)
    first = sweeps[0]
    return [
        _compared(first, other, (names[0], name)) for name, other in zip(names[1:], sweeps[1:], strict=True)
    ]


def _compared(one: Sweep, other: Sweep, names: tuple[str, str]) -> Comparison:
    differences = tuple(other_differences(one, other))
    problems = tuple(protocol_differences(one, other, names=names, shared_vibes_suffice=True))
    if problems:
        return Comparison(names, problems, (), (0, 0), (0, 0), None, None, differences)
    trials = [*named_trials(one, names[0]), *named_trials(other, names[1])]
    both = replace(one, trials=tuple(trials))
    arms, _ = sort_into_arms(trials, held_out_evaluations(both.last_evaluations(EVALUATION_COLUMNS)))
    sweep_of = {trial.record.trial_id: trial.sweep for trial in trials}
    sides: tuple[list[Arm], list[Arm]] = ([], [])
    for arm in arms:
        if arm.kind == "trial":
            sides[names.index(sweep_of[arm.record.trial_id])].append(arm)
    for side in sides:
        side.sort(key=lambda arm: -_mean(arm, one))
    noise = dict(
        zip(
            (arm for side in sides for arm in side),
            seed_noise([objective_cells(arm.cells, one.objective) for side in sides for arm in side]),
            strict=True,
        )
    )

    def paired(first: Arm, second: Arm) -> PairedConfiguration | None:
        cells = paired_cells(second, first)
        if cells is None:
            return None
        theirs, ours = (objective_cells(side, one.objective) for side in cells)
        ahead = (theirs - ours).mean(0)
        return PairedConfiguration(
            first=first.record.label.removeprefix(f"{names[0]}: "),
            second=second.record.label.removeprefix(f"{names[1]}: "),
            difference=mean_interval(ahead, confidence=CONFIDENCE, noise=noise[first].plus(noise[second])),
            num_vibes=len(ahead),
            seeds=(len(first.seeds), len(second.seeds)),
            is_identical=first.seeds == second.seeds and _scores_are_equal(first, second),
        )

    by_hash = {arm.record.config_hash: arm for arm in sides[1] if not arm.changes}
    matches = [(arm, by_hash[arm.record.config_hash]) for arm in sides[0]
               if not arm.changes and arm.record.config_hash in by_hash]  # fmt: skip
    same = [pair for match in matches if (pair := paired(*match))]
    infeasible = [
        {row.config_hash for row in compute_ranking(sweep).configurations if row.infeasible}
        for sweep in (one, other)
    ]
    feasible = [
        [arm for arm in side if arm.record.config_hash not in marked] or side
        for side, marked in zip(sides, infeasible, strict=True)
    ]
    best = paired(feasible[0][0], feasible[1][0]) if all(sides) else None
    promised = prospects([*feasible[0], *feasible[1]], one.objective) if best else {}
    return Comparison(
        names=names,
        incomparable=(),
        same=tuple(same),
        num_only=(len(sides[0]) - len(matches), len(sides[1]) - len(matches)),
        num_infeasible=(len(infeasible[0]), len(infeasible[1])),
        best=best,
        probability=(
            sum(promised[arm].probability for arm in feasible[0]),
            sum(promised[arm].probability for arm in feasible[1]),
        )
        if promised
        else None,
        differences=differences,
    )


def _mean(arm: Arm, sweep: Sweep) -> float:
    return float(objective_cells(arm.cells, sweep.objective).mean())


def _scores_are_equal(one: Arm, other: Arm) -> bool:
    mine, theirs = one.evaluations, other.evaluations
    return all(
        np.array_equal(getattr(mine, name), getattr(theirs, name))
        for name in ("format", "schema", "audio", "rendered", "scored")
    )
