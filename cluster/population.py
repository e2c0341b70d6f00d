"""Population based training: at set steps the worst trials go on from the best ones' weights, changed.

All trials of a sweep are the population, however many run at once. They wait for each other at every such
step, so each comparison is between evaluations of the same step, and depends on no timing. Ray's own
scheduler compares with the others' latest scores, needs checkpoints that Tune keeps, and refuses a searcher.

`population.json` is the state. A round is written there whole before anything follows from it, and nobody
goes on before everything has: a new driver does again what a killed one had not done.
"""

from __future__ import annotations

import math
from random import Random
from typing import TYPE_CHECKING, Any, Final

from ray.tune.schedulers import TrialScheduler

from cluster.search import as_run
from common.errors import UserError
from common.lineage import Change, LineageRecord
from common.model import FrozenModel
from common.objective import OBJECTIVE_NAME
from common.records import EvaluationsRecord, TrialRecord, write_text_atomically
from common.training_config import flatten
from search_spaces.designs import enumerate_points
from search_spaces.perturbation import CHANGEABLE, perturbable, perturbed
from search_spaces.points import point
from trainables.checkpoints import Checkpoint, save_interval, starting_checkpoint, take_over

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from ray.tune.execution.tune_controller import TuneController
    from ray.tune.experiment import Trial

    from common.training_config import TrainingConfig
    from search_spaces.points import Point
    from search_spaces.sweep_file import SweepFile

__all__ = ["POPULATION_FILE", "WAITS_AT", "Population", "PopulationRecord", "Round", "check_population"]

POPULATION_FILE: Final = "population.json"

WAITS_AT: Final = "waits_at"
"""In a trial's first report: the step that it would go on from, where it may have to wait."""

_SMALLEST: Final = 4
_PATIENCE: Final = 16
"""Draws of a change that are refused before a trial goes on with the settings that it copied."""


class Round(FrozenModel):
    """The population at one step."""

    step: int
    objectives: dict[str, float]
    """What each trial was worth that was compared."""
    changes: dict[str, Change]
    """What the worst of them go on with."""


class PopulationRecord(FrozenModel):
    """The rounds so far, oldest first."""

    rounds: tuple[Round, ...] = ()

    def write(self, directory: Path) -> None:
        """Write `population.json` into the sweep directory, atomically."""
        write_text_atomically(directory / POPULATION_FILE, self.model_dump_json(indent=2) + "\n")

    @classmethod
    def read(cls, directory: Path) -> PopulationRecord:
        """The record in a sweep directory; an empty one where there is none."""
        path = directory / POPULATION_FILE
        return cls.model_validate_json(path.read_text()) if path.is_file() else cls()


def check_population(sweep: SweepFile) -> None:
    """See that the sweep's trials can be one population.

    Raises:
        UserError: they cannot.
    """
    every, listed = sweep.scheduler.turning_steps, sweep.search.mode in ("grid", "random")
    points = enumerate_points(sweep).points if listed else ()
    size = len(points) if listed else sweep.search.trials or 0
    if not size >= _SMALLEST:
        raise UserError(f"a population must have >= {_SMALLEST} points with pbt, got {size}; add trials")
    if len(sweep.seeds) > 1:
        raise UserError(
            f"seeds must be one with pbt, got {len(sweep.seeds)}; a configuration that changes while it "
            "trains changes in another way with each seed: run the sweep once for each, under two names"
        )
    if sweep.resources.max_concurrent_trials is not None:
        raise UserError(
            "resources.max_concurrent_trials must be left out with pbt, got "
            f"{sweep.resources.max_concurrent_trials}; trials that wait for the others would take the places "
            "of those: raise base.infra.cpus_per_trial to run fewer at once"
        )
    if not perturbable(sweep.space):
        raise UserError(
            f"space must have an axis that can change while a trial trains with pbt, got "
            f"{', '.join(sweep.space) or 'none'}; add one of {', '.join(CHANGEABLE)}"
        )
    for config in [sweep.base_config(), *(one.config for one in points)]:
        _check_steps(config, every)


def _check_steps(config: TrainingConfig, every: int) -> None:
    """Raise UserError unless a trial has a checkpoint at each step where it may be copied."""
    stored = save_interval(config.logging.save_steps, config.off_policy_depth)
    if config.logging.save_strategy == "no" or every % stored:
        raise UserError(
            f"scheduler.perturbation_steps must be a multiple of the steps between checkpoints with pbt, got "
            f"{every} and a checkpoint every {stored} steps with save_strategy "
            f"{config.logging.save_strategy!r}; set base.logging.save_steps"
        )
    if config.max_steps is not None and not every < config.max_steps:
        raise UserError(
            f"scheduler.perturbation_steps must be < max_steps {config.max_steps} with pbt, got {every}; "
            "nothing would change"
        )


class Population(TrialScheduler):  # type: ignore[misc]  # Ray has no types
    """Lets trials wait for each other, decides who takes over whom, and sees to it."""

    def __init__(self, sweep: SweepFile, directory: Path, *, say: Callable[[str], None]) -> None:
        """Take up what the directory holds, and do what an earlier driver left undone.

        Args:
            sweep: one that `check_population` accepts.
            directory: the sweep's.
            say: told about every change.
        """
        super().__init__()
        self._sweep = sweep
        self._directory = directory
        self._trials = directory / "trials"
        self._say = say
        self._record = PopulationRecord.read(directory)
        self._waiting: dict[str, int] = {}
        for past in self._record.rounds:
            self._carry_out(past)

    def on_trial_add(self, tune_controller: TuneController, trial: Trial) -> None:
        """Nothing: who is there is asked when a round is decided."""

    def on_trial_result(self, tune_controller: TuneController, trial: Trial, result: dict[str, Any]) -> str:
        """A trial waits at each step of a round that has not been decided."""
        step = result.get(WAITS_AT, result["step"] if OBJECTIVE_NAME in result else None)
        decided = {past.step for past in self._record.rounds}
        if step is None or not _is_trained(trial) or not self._is_turn(step) or step in decided:
            return str(TrialScheduler.CONTINUE)
        self._waiting[_name(trial)] = step
        return str(TrialScheduler.PAUSE)

    def on_trial_error(self, tune_controller: TuneController, trial: Trial) -> None:
        """Who has failed is not waited for."""
        self._waiting.pop(_name(trial), None)

    def on_trial_complete(
        self, tune_controller: TuneController, trial: Trial, result: dict[str, Any]
    ) -> None:
        """Who has ended is not waited for."""
        self._waiting.pop(_name(trial), None)

    def on_trial_remove(self, tune_controller: TuneController, trial: Trial) -> None:
        """Who was removed is not waited for."""
        self._waiting.pop(_name(trial), None)

    def choose_trial_to_run(self, tune_controller: TuneController) -> Trial | None:
        """What has not started, then who has waited enough; decides the round when all wait for it."""
        trials = tune_controller.get_trials()
        for trial in trials:
            if trial.status == "PENDING":
                return trial
        members = [trial for trial in trials if _is_trained(trial) and not trial.is_finished()]
        all_wait = all(trial.status == "PAUSED" and _name(trial) in self._waiting for trial in members)
        if members and all_wait and tune_controller.search_alg.is_finished():
            # One that was retried may come to an earlier step than the others.
            self._decide(min(self._waiting.values()))
        for trial in members:
            if trial.status == "PAUSED" and _name(trial) not in self._waiting:
                return trial
        return None

    def debug_string(self) -> str:
        """One line for Tune's logs."""
        return f"population: {len(self._record.rounds)} rounds, {len(self._waiting)} trials wait"

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Tune pickles its state for a restore that never comes."""
        return {}

    def _is_turn(self, step: int) -> bool:
        config = self._sweep.scheduler
        return step % config.turning_steps == 0 and step >= (config.grace_steps or 0)

    def _decide(self, step: int) -> None:
        """Compare who waits at a step, write the round down, carry it out, and let them go on."""
        members = sorted(trial_id for trial_id, at in self._waiting.items() if at == step)
        objectives = {
            trial_id: EvaluationsRecord.read(self._trials / trial_id).objectives[step] for trial_id in members
        }
        changes = {}
        best, worst = _quantiles(objectives, self._sweep.scheduler.quantile)
        donors = [trial_id for trial_id in best if self._checkpoint(trial_id, step)]
        for trial_id in worst:
            rng = Random(f"{self._sweep.search.seed} {step} {trial_id}")
            donor = rng.choice(donors) if donors else trial_id
            if objectives[donor] > objectives[trial_id]:
                changes[trial_id] = self._change(trial_id, donor, step, objectives, rng)
        decided = Round(step=step, objectives=objectives, changes=changes)
        self._record = PopulationRecord(rounds=(*self._record.rounds, decided))
        self._record.write(self._directory)
        self._carry_out(decided)
        for trial_id in members:
            del self._waiting[trial_id]

    def _carry_out(self, decided: Round) -> None:
        """Copy the checkpoints and tell the trials; what has been done is left as it is."""
        for trial_id, change in decided.changes.items():
            folder = self._trials / trial_id
            lineage = LineageRecord.read(folder)
            if lineage.last is not None and lineage.last.step >= decided.step:
                continue
            checkpoint = self._checkpoint(change.copied_from, decided.step)
            assert checkpoint is not None, "nobody goes on before a round is carried out"
            take_over(checkpoint, folder)
            lineage.with_change(change).write(folder)
            self._say(_sentence(trial_id, change))

    def _checkpoint(self, trial_id: str, step: int) -> Checkpoint | None:
        """What a trial that waits at a step goes on from; None where it has none of that step."""
        found = starting_checkpoint(self._trials / trial_id)
        return found if found and found.step == step else None

    def _change(
        self, trial_id: str, donor: str, step: int, objectives: Mapping[str, float], rng: Random
    ) -> Change:
        """What a trial goes on with that takes over another."""
        record = TrialRecord.read(self._trials / trial_id)
        source, copied = self._now(donor)
        before, _ = self._now(trial_id)
        chosen = self._perturbed(record.number, source, copied, rng)
        return Change(
            step=step,
            copied_from=donor,
            objective=objectives[trial_id],
            objective_copied=objectives[donor],
            params_before=before,
            params_after=dict(chosen.params),
            config_hash=chosen.config_hash,
            config=as_run(self._sweep, chosen.config, record.seed),
        )

    def _now(self, trial_id: str) -> tuple[dict[str, Any], TrainingConfig]:
        """The params and the configuration that a trial runs with."""
        last = LineageRecord.read(self._trials / trial_id).last
        if last is not None:
            return last.params_after, last.config
        record = TrialRecord.read(self._trials / trial_id)
        return record.params, record.config

    def _perturbed(
        self, number: int, params: Mapping[str, Any], config: TrainingConfig, rng: Random
    ) -> Point:
        """The point beside another's, or that one itself where its neighbours are refused.

        Constraints hold there, and only settings differ that can change while a trial trains: a derived
        setting may make others follow.
        """
        for _ in range(_PATIENCE):
            try:
                chosen = point(self._sweep, number, perturbed(self._sweep.space, params, rng))
            except UserError:
                continue
            if _fixed(as_run(self._sweep, chosen.config, config.seed)) == _fixed(config):
                return chosen
        return point(self._sweep, number, params)


def _quantiles(objectives: Mapping[str, float], share: float) -> tuple[Sequence[str], Sequence[str]]:
    """The best and the worst trials, a share of each, rounded up but never more than half; ties by name."""
    ranked = sorted(objectives, key=lambda trial_id: (-objectives[trial_id], trial_id))
    count = min(math.ceil(round(share * len(ranked), 9)), len(ranked) // 2)
    return ranked[:count], ranked[len(ranked) - count :]


def _fixed(config: TrainingConfig) -> dict[str, Any]:
    """The settings that cannot change while a trial trains."""
    settings = flatten(config.model_dump(mode="json"))
    return {path: value for path, value in settings.items() if path not in CHANGEABLE}


def _sentence(trial_id: str, change: Change) -> str:
    """A change in words."""
    moved = [
        f"{path} {change.params_before.get(path, 'none')} -> {value}"
        for path, value in change.params_after.items()
        if change.params_before.get(path) != value
    ]
    return (
        f"step {change.step}: {trial_id} ({change.objective:.3f}) takes over {change.copied_from} "
        f"({change.objective_copied:.3f}), {', '.join(moved) or 'nothing else changed'}"
    )


def _name(trial: Trial) -> str:
    return str(trial.config["trial_id"])


def _is_trained(trial: Trial) -> bool:
    return bool(trial.config["kind"] == "trial")
