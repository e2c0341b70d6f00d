"""The trial of a sweep that one takes home: the best configuration's best seed, or one that is named."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from analysis.summary import short_name
from common.errors import UserError

if TYPE_CHECKING:
    from analysis.ranking import RankedRow, Ranking
    from analysis.sweep import StoredTrial, Sweep
    from common.training_config import TrainingConfig

__all__ = ["Winner", "best_trial", "cautions", "named_trial"]


class Winner(NamedTuple):
    """A finished trial and what its sweep says of it."""

    trial: StoredTrial
    row: RankedRow
    """Its configuration's place in the ranking."""
    by_seed: dict[int, float]
    """Held-out objective of each finished seed of that configuration."""

    @property
    def config(self) -> TrainingConfig:
        """The configuration that it ended with."""
        change = self.trial.lineage.last
        return change.config if change else self.trial.record.config


def best_trial(sweep: Sweep, ranking: Ranking) -> Winner:
    """The best feasible configuration's seed with the highest held-out objective; the first of equal ones.

    Raises:
        UserError: there is no finished or no feasible configuration.
    """
    if not ranking.configurations:
        raise UserError(f"{sweep.folder.path} must have a finished trial, got none; see `vibesweep status`")
    if not ranking.feasible:
        raise UserError(
            f"{sweep.folder.path} must have a feasible configuration, got none (see `vibesweep rank`); name "
            "the trial that you want all the same with --trial"
        )
    row = ranking.feasible[0]
    trials = _seeds(sweep, row)
    objectives = _by_seed(trials)
    best = max(trials, key=lambda trial: (objectives[trial.record.seed], -trial.record.seed))
    return Winner(best, row, objectives)


def named_trial(sweep: Sweep, ranking: Ranking, trial_id: str) -> Winner:
    """The trial of this id.

    Raises:
        UserError: there is none, it is a baseline, or it has no outcome.
    """
    trial = next((one for one in sweep.trials if one.record.trial_id == trial_id), None)
    if trial is None or trial.record.kind != "trial":
        what = "no such trial" if trial is None else "a baseline, for which nothing was trained"
        known = [one.record.trial_id for one in sweep.trials if one.record.kind == "trial"]
        shown = ", ".join(known[:6]) + (f" and {len(known) - 6} more" if len(known) > 6 else "")
        raise UserError(f"--trial must be a trial of {sweep.name}, got {trial_id!r}, {what}; it has {shown}")
    row = next((row for row in ranking.configurations if trial in _seeds(sweep, row)), None)
    if row is None:
        again = f"`vibesweep sweep resume {sweep.folder.path}`"
        raise UserError(f"--trial must be a finished trial, got {trial_id!r}, {_unfit(trial, again)}")
    return Winner(trial, row, _by_seed(_seeds(sweep, row)))


def _unfit(trial: StoredTrial, again: str) -> str:
    """Why a trial is in no row of the ranking, and what to do."""
    if trial.result is None:
        return f"which has not ended; go on with {again}"
    if trial.result.status == "failed":
        return f"which failed ({trial.result.reason}); {again} tries it again"
    if trial.was_stopped:
        return f"which its scheduler stopped at step {trial.result.steps}; take one that ran to its end"
    return "which the ranking leaves out; `vibesweep rank` says why"


def _seeds(sweep: Sweep, row: RankedRow) -> list[StoredTrial]:
    """The finished trials that a row of the ranking stands for."""
    return [
        trial
        for trial in sweep.trials
        if trial.record.kind == "trial"
        and (trial.record.config_hash, trial.lineage.changes) == (row.config_hash, row.changes)
        and trial.record.seed in row.seeds
        and trial.result is not None
        and trial.result.status == "finished"
    ]


def _by_seed(trials: list[StoredTrial]) -> dict[int, float]:
    found = {}
    for trial in trials:
        assert trial.result is not None
        assert trial.result.objective is not None, "a finished trial has one"
        found[trial.record.seed] = trial.result.objective
    return found


def cautions(winner: Winner, ranking: Ranking) -> list[str]:
    """What to know before one calls this the best, a sentence each."""
    row, seed = winner.row, winner.trial.record.seed
    found = []
    tied = [short_name(one) for one in ranking.configurations if one.tied_with_best and one is not row]
    if row.tied_with_best and tied:
        named = "; ".join(tied[:3]) + (f"; and {len(tied) - 3} more" if len(tied) > 3 else "")
        found.append(f"It may not be the best: its configuration cannot be told from {named}.")
    elif not row.tied_with_best:
        found.append(f"Its configuration ranks {row.rank}: another one is better by more than noise.")
    if row.infeasible:
        found.append(f"Its configuration is infeasible: {'; '.join(row.infeasible)}.")
    if len(winner.by_seed) > 1 and winner.by_seed[seed] == max(winner.by_seed.values()):
        others = ", ".join(f"{value:.3f}" for one, value in winner.by_seed.items() if one != seed)
        found.append(
            f"Seed {seed} has the highest objective of {len(winner.by_seed)} seeds ({others} the others), "
            f"and picking a seed is picking a maximum: of the configuration, {_again(row):.3f} is to be "
            "expected."
        )
    return found


def _again(row: RankedRow) -> float:
    return row.prospect.expected if row.prospect else row.objective.mean
