"""Which configurations of a sweep get another seed, and when there is nothing left to find out.

A round gives one seed to each contender: the likeliest configurations that together hold the best one with
probability `until`, two at least. A configuration that is left out comes back when what it lost to does
worse with more seeds. A race ends where one configuration is the best with that probability, or where the
seeds that are left would not tell it from the others.

Looking after every round finds more than there is: a probability crosses its mark by chance sooner or later,
and the sooner the less is known of the spread between seeds. So nothing is known before the best and its
runner-up have MIN_SEEDS seeds. `benchmarks/racing.py` measures how often what a race calls the best is it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, NamedTuple

import numpy as np

from analysis.arms import sort_into_arms
from analysis.best import contest
from analysis.detectable import smallest_detectable, spreads_of
from analysis.evaluations import EVALUATION_COLUMNS, cell_means, held_out_evaluations, objective_cells
from analysis.feasibility import SENTINEL_COLUMNS, judge, sentinel_rows
from analysis.intervals import CONFIDENCE, mean_interval, seed_noise
from common.errors import UserError
from common.race import RaceStep, Standing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analysis.arms import Arm
    from analysis.intervals import Scores
    from analysis.sweep import Sweep

__all__ = ["MIN_SEEDS", "Look", "look", "race_step"]

MIN_SEEDS: Final = 3
"""Of the best and its runner-up, before the best counts as known: two say next to nothing of their spread."""


class Look(NamedTuple):
    """What one look at the scores says; configurations are named by their place, likeliest first."""

    verdict: Literal["open", "known", "cannot be told"]
    order: tuple[int, ...]
    probability: tuple[float, ...]
    """Of being the best, in that order."""
    contenders: tuple[int, ...]
    """Who may be the best; the known best alone."""
    detectable: float | None
    """The smallest difference that the contenders' seeds would find 4 times in 5 if all that are left went to
    them; None where no configuration has two seeds yet."""


def look(arms: Sequence[Scores], *, until: float, num_left: int) -> Look:
    """Judge a race by all scores so far.

    Args:
        arms: [S, V] scores of K >= 2 configurations on the same vibes; S may differ.
        until: probability from which the best is known, in (0.5, 1).
        num_left: seeds that may still be added, of all configurations together.

    Raises:
        ValueError: `until` out of bounds, or arms that cannot be compared.
    """
    if not (0.5 < until < 1 and len(arms) >= 2):
        raise ValueError(f"until must lie in (0.5, 1) and arms be >= 2, got {until} and {len(arms)}")
    probability = contest(arms).probability
    # Of equally likely ones the one with the higher mean first.
    order = np.lexsort(np.stack([[-float(x.mean()) for x in arms], -probability]))
    sorted_out = probability[order]
    best, second = order[:2]
    held = max(2, int(np.searchsorted(np.cumsum(sorted_out), until)) + 1)
    contenders = tuple(order[:held].tolist())
    verdict: Literal["open", "known", "cannot be told"] = "open"
    detectable = None
    if sorted_out[0] >= until and min(len(arms[best]), len(arms[second])) >= MIN_SEEDS:
        verdict, contenders = "known", contenders[:1]
    elif spreads := spreads_of(arms):
        fewest = min(len(arms[place]) for place in contenders)
        detectable = smallest_detectable(
            spreads,
            seeds=fewest + num_left // len(contenders),
            vibes=arms[0].shape[1],
            num_compared=len(arms),
        )
        if fewest >= MIN_SEEDS and num_left > 0 and _largest_lead(arms, contenders) < detectable:
            verdict = "cannot be told"
    return Look(verdict, tuple(order.tolist()), tuple(sorted_out.tolist()), contenders, detectable)


def _largest_lead(arms: Sequence[Scores], contenders: Sequence[int]) -> float:
    """How far the best may be ahead of a contender, or behind it, with CONFIDENCE in each."""
    best, *others = contenders
    noise = seed_noise(arms)
    intervals = [
        mean_interval(
            arms[best].mean(0) - arms[other].mean(0),
            confidence=CONFIDENCE,
            noise=noise[best].plus(noise[other]),
        )
        for other in others
    ]
    return max(max(abs(one.low), abs(one.high)) for one in intervals)


def race_step(sweep: Sweep, *, until: float, num_left: int) -> RaceStep:
    """What a stored sweep's outcomes say of its race.

    Infeasible configurations, and those without a usable outcome, take no part.

    Args:
        sweep: all of its trials have ended.
        until: as in `look`.
        num_left: as in `look`.

    Raises:
        UserError: fewer than two feasible configurations, or fewer than two vibes that all of them share.
    """
    arms = _racing(sweep)
    if len(arms) < 2:
        raise UserError(
            f"{sweep.folder.path}: a race needs two feasible configurations with an outcome, got "
            f"{len(arms)}; see `vibesweep rank {sweep.folder.path}`"
        )
    vibes = np.logical_and.reduce([arm.evaluations.scored_vibes for arm in arms])
    if vibes.sum() < 2:
        raise UserError(
            f"{sweep.folder.path}: a race needs two vibes that are scored in all feasible configurations, "
            f"got {vibes.sum()}; see `vibesweep rank {sweep.folder.path}`"
        )
    scores = [
        objective_cells(cell_means(arm.evaluations, arm.evaluations.scored, vibes), sweep.objective)
        for arm in arms
    ]
    found = look(scores, until=until, num_left=num_left)
    standings = tuple(
        Standing(
            number=arms[place].record.number,
            label=arms[place].record.label,
            seeds=len(arms[place].seeds),
            probability=probability,
        )
        for place, probability in zip(found.order, found.probability, strict=True)
    )
    return RaceStep(
        found.verdict,
        standings,
        tuple(arms[place].record.number for place in found.contenders) if found.verdict == "open" else (),
        _reason(found, standings, until),
    )


def _racing(sweep: Sweep) -> list[Arm]:
    """The feasible configurations."""
    rows = sweep.last_evaluations(tuple(dict.fromkeys((*EVALUATION_COLUMNS, *SENTINEL_COLUMNS))))
    arms, _ = sort_into_arms(sweep.trials, held_out_evaluations(rows))
    trials = [arm for arm in arms if arm.kind == "trial"]
    heard = sentinel_rows(rows, [key for arm in trials for key in arm.evaluations.keys])
    return [arm for arm in trials if not judge(arm, heard, sweep.objective.sentinels).reasons]


def _reason(found: Look, standings: Sequence[Standing], until: float) -> str:
    best = standings[0]
    name = f"{best.label} is the best with probability {best.probability:.2f}"
    if found.verdict == "known":
        return f"{name}, and {until:g} was asked for"
    others = [standing.label for standing in standings[1 : len(found.contenders)]]
    rivals = f"{others[0]} and {len(others) - 1} more" if len(others) > 1 else others[0]
    if found.verdict == "cannot be told":
        return (
            f"{name}, and the seeds that are left would not tell it from {rivals}: they find differences "
            f"from {found.detectable:.3f} on, 4 times in 5"
        )
    if best.probability >= until:
        return f"{name}, which is known with {MIN_SEEDS} seeds of it and {rivals}"
    return f"{name}; it may also be {rivals}"
