"""The arms that a ranking compares: each configuration over its seeds, and the baselines."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from analysis.evaluations import CellMeans, EvaluationKey, Evaluations, cell_means, vibes_in_all

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analysis.sweep import StoredTrial
    from common.lineage import Change
    from common.records import TrialRecord

__all__ = ["Arm", "RowGroup", "Unranked", "paired_cells", "sort_into_arms"]

RowGroup = Literal["trial", "baseline"]


@dataclass(frozen=True, eq=False)
class Arm:
    """One configuration's last evaluations, one per finished seed; or a baseline's."""

    record: TrialRecord
    """Of its first seed."""
    seeds: tuple[int, ...]
    num_failed: int
    """Seeds that ended without an outcome."""
    evaluations: Evaluations
    """Arrays are [S, V, J]; S seeds, all vibes V of the sweep, J samples."""
    changes: tuple[Change, ...] = ()
    """How its configuration changed while it trained; such an arm has one trial, and `record` its start."""

    @property
    def kind(self) -> RowGroup:
        """Whether it was trained."""
        return "trial" if self.record.kind == "trial" else "baseline"

    @property
    def tie_breaker(self) -> tuple[str, str]:
        """Where it stands among those with the same objective."""
        return self.record.label, self.record.trial_id

    @cached_property
    def cells(self) -> CellMeans:
        """Its means per seed and scored vibe."""
        return cell_means(self.evaluations, self.evaluations.scored, self.evaluations.scored_vibes)

    @property
    def policy(self) -> tuple[str, str]:
        """What it was trained from: base model and system prompt; taken over with another's weights."""
        config = self.changes[-1].config if self.changes else self.record.config
        return config.base_model, config.system_prompt


class Unranked(NamedTuple):
    """A configuration without a usable outcome."""

    label: str
    params: dict[str, Any]
    num_failed: int
    reason: str


def sort_into_arms(
    trials: Sequence[StoredTrial], evaluations: Evaluations
) -> tuple[list[Arm], list[Unranked]]:
    """Put the seeds of each configuration together.

    A trial that has not ended is left out, and so is a configuration with a seed that the scheduler stopped:
    its last evaluation is not the outcome of its training, and the other seeds alone would flatter it. A
    finished trial whose last evaluation is not in the ledger counts as failed: an earlier evaluation would
    stand for another policy. A trial whose configuration changed is no seed of any other.
    """
    last = evaluations.last_steps()
    configurations: dict[tuple[str, str, str, str], list[StoredTrial]] = defaultdict(list)
    for trial in trials:
        if trial.result is not None:
            record = trial.record
            own = record.trial_id if trial.lineage.changes else ""
            configurations[trial.sweep, record.kind, record.config_hash, own].append(trial)

    arms, unranked = [], []
    for members in configurations.values():
        if any(trial.was_stopped for trial in members):
            continue
        keys: dict[int, EvaluationKey] = {}
        reasons = {}
        for trial in members:
            record, result = trial.record, trial.result
            assert result is not None
            if result.status == "failed":
                reasons[record.seed] = result.reason or "failed without a reason"
            elif last.get(record.trial_id, -1) < result.steps:
                reasons[record.seed] = f"its evaluation at step {result.steps} is not in the ledger"
            else:
                # A sampler may suggest a point twice; its second run repeats the first bit by bit.
                keys.setdefault(record.seed, EvaluationKey(record.trial_id, last[record.trial_id]))
        seeds = tuple(sorted(keys))
        first, num_failed = members[0].record, len(reasons.keys() - keys.keys())
        selected = evaluations.select([keys[seed] for seed in seeds])
        arm = Arm(first, seeds, num_failed, selected, members[0].lineage.changes)
        if not seeds:
            unranked.append(Unranked(first.label, first.params, num_failed, next(iter(reasons.values()))))
        elif arm.evaluations.scored_vibes.sum() < 2:
            reason = "fewer than two held-out vibes have a score in every seed"
            unranked.append(Unranked(first.label, first.params, num_failed, reason))
        else:
            arms.append(arm)
    return arms, unranked


def paired_cells(arm: Arm, reference: Arm) -> tuple[CellMeans, CellMeans] | None:
    """Cells of both arms over the same completions: same vibe, same sample, scored in both.

    Returns:
        [S, V] of the arm, and [S, V] of the reference averaged over its own seeds; None where fewer
        than two vibes have a pair in every seed of the arm.
    """
    theirs = reference.evaluations
    pairs = arm.evaluations.scored & theirs.scored.all(0)
    vibes = vibes_in_all(pairs)
    if vibes.sum() < 2:
        return None
    # A sample that is unscored in one of the arm's seeds is left out of the reference for that seed only.
    by_seed = [
        cell_means(theirs, np.broadcast_to(mask, theirs.scored.shape), vibes).averaged_over_seeds()
        for mask in pairs
    ]
    return cell_means(arm.evaluations, pairs, vibes), CellMeans(
        *(np.concatenate(cells) for cells in zip(*by_seed, strict=True))
    )
