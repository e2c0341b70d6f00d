"""The reward mixture that GRPO really learned from, beside the nominal weights.

A weight says how much a component counts. How much is learned from it depends on how much it varies among the
completions of one prompt: a component that all of them have alike moves no advantage, whatever its weight.
The trainer logs these shares at every batch (`common.reward_variance`); here they follow from the rollouts in
the ledger.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from common.reward_config import COMPONENTS
from common.reward_variance import reward_variance

if TYPE_CHECKING:
    from analysis.intervals import Scores
    from analysis.sweep import StoredTrial, Sweep
    from common.reward_config import Component
    from common.training_config import TrainingConfig

__all__ = ["INERT_BELOW", "ComponentShare", "RewardMixture", "compute_reward_mixtures"]

Indices = npt.NDArray[np.intp]

_COLUMNS: Final = (
    "trial_id", "config_hash", "step", "prompt_id", "format", "schema", "audio", "unscored_reason",
)  # fmt: skip
INERT_BELOW: Final = 0.05
"""A component that has a weight and a smaller share than this teaches next to nothing."""


@dataclass(frozen=True)
class ComponentShare:
    """One component of one configuration's reward."""

    component: Component
    nominal: float
    """Its weight's share of all weights."""
    effective: float
    """Its share in the variance of the reward within groups, the mean over seeds; negative where it works
    against the others."""
    by_seed: tuple[float, ...]
    """The same of each seed that has one."""

    @property
    def is_inert(self) -> bool:
        """Whether it has a weight and teaches next to nothing."""
        return self.nominal > 0 and abs(self.effective) < INERT_BELOW


@dataclass(frozen=True)
class RewardMixture:
    """What one configuration was trained on; one that changed meanwhile has a mixture for each part."""

    label: str
    config_hash: str
    shares: tuple[ComponentShare, ...]
    """Of the components that its reward has; none where no group of its rollouts varies."""
    flat_groups: float
    """Share of the groups whose completions all have the same reward: they teach nothing."""
    num_groups: int


def compute_reward_mixtures(sweep: Sweep) -> list[RewardMixture]:
    """The mixture of every configuration that has rollouts, in the order of its trials."""
    rows = sweep.rows(_COLUMNS, "train")
    if not rows.num_rows:
        return []
    trial_ids, hashes = (rows[name].cast(pa.string()).to_numpy(zero_copy_only=False) for name in _COLUMNS[:2])
    of_trial = {trial.record.trial_id: trial for trial in sweep.trials}
    found: dict[tuple[str, str, str], list[tuple[TrainingConfig, Scores]]] = defaultdict(list)
    labels: dict[tuple[str, str, str], str] = {}
    runs, run = np.unique(np.stack([trial_ids, hashes]).astype(str), axis=1, return_inverse=True)
    groups = _groups(rows)
    for index, (trial_id, config_hash) in enumerate(runs.T):
        trial = of_trial.get(str(trial_id))
        config = _config(trial, str(config_hash)) if trial else None
        if trial is None or config is None:
            continue
        key = (trial.sweep, trial.record.label, str(config_hash))
        found[key].append((config, _rewards(rows, np.flatnonzero(run.ravel() == index), groups, config)))
        labels[key] = trial.record.label
    return [_mixture(labels[key], key[2], seeds) for key, seeds in found.items()]


def _config(trial: StoredTrial, config_hash: str) -> TrainingConfig | None:
    """What a trial ran while it had a hash; None where it never had it."""
    known = {trial.record.config_hash: trial.record.config}
    return (known | {change.config_hash: change.config for change in trial.lineage.changes}).get(config_hash)


def _groups(rows: pa.Table) -> Indices:
    """[R] index of each row's group: one prompt at one step of one trial is told apart below."""
    _, prompt = np.unique(
        rows["prompt_id"].cast(pa.string()).to_numpy(zero_copy_only=False).astype(str), return_inverse=True
    )
    _, group = np.unique(np.stack([rows["step"].to_numpy(), prompt.ravel()]), axis=1, return_inverse=True)
    return np.asarray(group.ravel())


def _rewards(rows: pa.Table, at: Indices, groups: Indices, config: TrainingConfig) -> Scores:
    """[P, G, K] raw components of one trial's groups, as GRPO had them; NaN where unscored or missing."""
    reward = config.grpo.reward
    names = [name for name in COMPONENTS if name != "audio" or reward.reward_type != "schema_only"]
    chosen = rows.take(pa.array(at))
    values = np.stack([chosen[name].to_numpy().astype(float) for name in names], axis=1)
    if "audio" in names:
        values[np.isnan(values[:, -1]), -1] = reward.audio_floor
    values[~chosen["unscored_reason"].is_null().to_numpy()] = np.nan
    _, group = np.unique(groups[at], return_inverse=True)
    order = np.argsort(group, kind="stable")
    counts = np.bincount(group)
    place = np.arange(len(at)) - np.repeat(np.cumsum(counts) - counts, counts)
    filled = np.full((len(counts), int(counts.max()), len(names)), np.nan)
    filled[group[order], place] = values[order]
    return filled


def _mixture(label: str, config_hash: str, seeds: list[tuple[TrainingConfig, Scores]]) -> RewardMixture:
    config = seeds[0][0]
    weights = np.array(config.grpo.reward.weights.as_tuple())[: seeds[0][1].shape[2]]
    aggregation = config.grpo.multi_objective_aggregation
    found = [reward_variance(rewards, weights, aggregation) for _, rewards in seeds]
    shares = np.array([one.shares for one in found if one.shares is not None])
    counts = [len(rewards) for _, rewards in seeds]
    return RewardMixture(
        label=label,
        config_hash=config_hash,
        shares=tuple(
            ComponentShare(
                component, float(weight / weights.sum()), float(column.mean()), tuple(column.tolist())
            )
            for component, weight, column in zip(COMPONENTS, weights, shares.T, strict=False)
        ),
        flat_groups=float(np.average([one.flat_groups for one in found], weights=counts)),
        num_groups=sum(counts),
    )
