"""Population based training: at set steps the worst trials go on from the best ones' weights, changed.

All trials of a sweep are the population, however many run at once. They wait for each other at every such
step, so each comparison is between evaluations of the same step, and depends on no timing. Ray's own
scheduler compares with the others' latest scores, needs checkpoints that Tune keeps, and refuses a searcher.

`population.json` is the state. A round is written there whole before anything follows from it, and nobody
goes on before everything has: a new driver does again what a killed one had not done.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any, Final

from ray.tune.schedulers import TrialScheduler

from cluster.evaluations import heard_at
from cluster.keeping import Keeping
from cluster.rounds import PopulationRecord, Round, quantiles, sentence
from cluster.search import as_run
from common.errors import UserError
from common.lineage import Change, LineageRecord
from common.objective import OBJECTIVE_NAME
from common.records import EvaluationsRecord, TrialRecord
from common.sentinel_rules import broken_rules
from common.sentinels import sentinels_of
from common.training_config import flatten
from search_spaces.perturbation import CHANGEABLE, perturbed
from search_spaces.points import point
from trainables.checkpoints import Checkpoint, starting_checkpoint, take_over

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from ray.tune.execution.tune_controller import TuneController
    from ray.tune.experiment import Trial

    from common.training_config import TrainingConfig
    from search_spaces.points import Point
    from search_spaces.sweep_file import SweepFile

__all__ = ["WAITS_AT", "Population"]

WAITS_AT: Final = "waits_at"
"""In a trial's first report: the step that it would go on from, where it may have to wait."""

_PATIENCE: Final = 16
"""Draws of a change that are refused before a trial goes on with the settings that it copied."""


class Population(TrialScheduler):  # type: ignore[misc]  # Ray has no types
    """Lets trials wait for each other, decides who takes over whom, and sees to it."""

    def __init__(
        self,
        sweep: SweepFile,
        directory: Path,
        *,
        say: Callable[[str], None],
        keeping: Keeping | None = None,
    ) -> None:
        """Take up what the directory holds, and do what an earlier driver left undone.

        Args:
            sweep: one that `check_scheduler` accepts.
            directory: the sweep's.
            say: told about every change.
            keeping: where the sweep is kept; in the directory itself where not given.
        """
        super().__init__()
        self._sweep = sweep
        self._directory = directory
        self._trials = directory / "trials"
        self._say = say
        self._keeping = keeping or Keeping(directory)
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
        for trial_id in members:
            self._keeping.fetch(trial_id)
        objectives = {
            trial_id: EvaluationsRecord.read(self._trials / trial_id).objectives[step] for trial_id in members
        }
        infeasible = tuple(trial_id for trial_id in members if self._is_infeasible(trial_id, step))
        feasible = {name: objective for name, objective in objectives.items() if name not in infeasible}
        changes = {}
        share = self._sweep.scheduler.quantile
        # Who is infeasible is not copied, but not replaced for it either: one evaluation is a noisy judge.
        best, worst = quantiles(feasible, share)[0], quantiles(objectives, share)[1]
        donors = [trial_id for trial_id in best if self._checkpoint(trial_id, step)]
        for trial_id in worst:
            rng = Random(f"{self._sweep.search.seed} {step} {trial_id}")
            donor = rng.choice(donors) if donors else trial_id
            if objectives[donor] > objectives[trial_id]:
                changes[trial_id] = self._change(trial_id, donor, step, objectives, rng)
        decided = Round(step=step, objectives=objectives, changes=changes, infeasible=infeasible)
        self._record = PopulationRecord(rounds=(*self._record.rounds, decided))
        self._record.write(self._directory)
        self._keeping.send()
        self._carry_out(decided)
        for trial_id in members:
            del self._waiting[trial_id]

    def _is_infeasible(self, trial_id: str, step: int) -> bool:
        """Whether a trial's evaluation at a step breaks a rule of the sentinels."""
        rules = self._sweep.objective.sentinels
        return bool(broken_rules(sentinels_of(heard_at(self._trials / trial_id, step), rules), rules))

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
            self._keeping.send(trial_id)
            self._say(sentence(trial_id, change))

    def _checkpoint(self, trial_id: str, step: int) -> Checkpoint | None:
        """What a trial that waits at a step goes on from; None where it has none of that step."""
        self._keeping.fetch_checkpoint(trial_id, step)
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


def _fixed(config: TrainingConfig) -> dict[str, Any]:
    """The settings that cannot change while a trial trains."""
    settings = flatten(config.model_dump(mode="json"))
    return {path: value for path, value in settings.items() if path not in CHANGEABLE}


def _name(trial: Trial) -> str:
    return str(trial.config["trial_id"])


def _is_trained(trial: Trial) -> bool:
    return bool(trial.config["kind"] == "trial")
