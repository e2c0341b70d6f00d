"""Compare configurations in pairs: each with its untrained policy, and each with the best."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from analysis.arms import paired_cells
from analysis.best import contest
from analysis.differences import paired_difference
from analysis.evaluations import objective_cells, shared_scores
from analysis.intervals import CONFIDENCE, Interval, mean_interval, mean_intervals, seed_noise
from common.ledger import STARTING_POLICIES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analysis.arms import Arm
    from analysis.intervals import Scores, SeedNoise
    from common.ledger import RowKind
    from common.objective import ObjectiveConfig

__all__ = ["Difference", "Prospect", "against_untrained", "is_ahead", "prospects", "tied_with_best"]


@dataclass(frozen=True)
class Difference:
    """A configuration minus the policy that it was trained from, paired by vibe and sample.

    All intervals but `single` hold at once for every configuration compared (Bonferroni), so they stay
    true of the one that was picked as the best.
    """

    total: Interval
    single: Interval
    """The total, as if no other configuration had been tried."""
    validity: Interval | None
    """Part of the total that comes from valid configs being written more often."""
    audio: Interval | None
    """Part of the total that comes from the sound of the valid configs. Both parts make up the total;
    None where one side wrote no config that could be rendered."""
    audio_over_valid: Interval | None
    """Difference of the mean audio component of rendered completions, not weighted."""
    start: RowKind
    """What the configuration was trained from: `untrained_policy` or `sft_policy`."""


class Prospect(NamedTuple):
    """What picking a configuration would get one."""

    probability: float
    """That it is the best of those compared."""
    expected: float
    """Objective that new seeds on new vibes would have on average: the mean, corrected for being picked."""


def against_untrained(
    trials: Sequence[Arm], baselines: Sequence[Arm], objective: ObjectiveConfig
) -> dict[Arm, Difference]:
    """Each trial against what it started from, the baseline of its model and prompt; the SFT policy where
    that is one. Trials without such a baseline are left out."""
    untrained = {arm.policy: arm for arm in baselines if arm.record.kind in STARTING_POLICIES}
    pairs = {
        arm: paired_difference(*cells, objective)
        for arm in trials
        if arm.policy in untrained and (cells := paired_cells(arm, untrained[arm.policy]))
    }
    if not pairs:
        return {}
    corrected = _corrected(len(pairs))
    totals = [pair.total for pair in pairs.values()]
    with_parts = {arm: pair.parts for arm, pair in pairs.items() if pair.parts}
    columns = zip(*with_parts.values(), strict=True)
    by_arm = zip(*(mean_intervals(column, confidence=corrected) for column in columns), strict=True)
    parts = dict(zip(with_parts, by_arm, strict=True))
    found = {}
    for arm, total, single in zip(
        pairs,
        mean_intervals(totals, confidence=corrected),
        mean_intervals(totals, confidence=CONFIDENCE),
        strict=True,
    ):
        validity, audio, audio_over_valid = parts.get(arm, (None, None, None))
        start = untrained[arm.policy].record.kind
        found[arm] = Difference(total, single, validity, audio, audio_over_valid, start)
    return found


def tied_with_best(best: Arm, trials: Sequence[Arm], objective: ObjectiveConfig) -> set[Arm]:
    """The configurations whose paired difference to the best could be zero; the best is one of them.

    Seeds of two configurations are taken as independent. Corrected for the number of configurations, so
    that the truly best one is in the set with at least 95 % probability.
    """
    scores = [objective_cells(arm.cells, objective) for arm in trials]
    noise = dict(zip(trials, seed_noise(scores), strict=True))

    def is_behind(arm: Arm) -> bool:
        pair = None if arm is best else paired_cells(best, arm)
        if pair is None:
            return False
        ahead = objective_cells(pair[0], objective) - objective_cells(pair[1], objective)
        return is_ahead(ahead.mean(0), noise[best].plus(noise[arm]), num_compared=len(trials) - 1)

    return {arm for arm in trials if not is_behind(arm)}


def is_ahead(by_vibe: Scores, noise: SeedNoise, *, num_compared: int) -> bool:
    """Whether one configuration leads another by more than noise.

    Args:
        by_vibe: [V] its paired difference to the other, averaged over seeds.
        noise: what the seeds of both add.
        num_compared: comparisons of which this is one; all of them hold at once.
    """
    return mean_interval(by_vibe, confidence=_corrected(num_compared), noise=noise).low > 0


def prospects(trials: Sequence[Arm], objective: ObjectiveConfig) -> dict[Arm, Prospect]:
    """What each configuration promises among all of them, on the vibes that are scored in every one.

    Returns:
        Nothing where there are fewer than two such vibes.
    """
    scores = shared_scores([arm.evaluations for arm in trials], objective)
    if not scores:
        return {}
    found = contest(scores)
    columns = zip(found.probability.tolist(), found.expected.tolist(), strict=True)
    return {arm: Prospect(*values) for arm, values in zip(trials, columns, strict=True)}


def _corrected(num_compared: int) -> float:
    """The confidence at which this many intervals hold at once with CONFIDENCE (Bonferroni)."""
    return 1 - (1 - CONFIDENCE) / max(1, num_compared)
