"""What all trials of a sweep share, and how one of them runs, in whatever process it is given."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cluster.evaluations import Evaluations
from cluster.scoring.keys import ScorerKey
from common.lineage import LineageRecord
from rewards import Scorer, load_callable
from search_spaces.suggestion import check_suggestion
from trainables.spec import TrialSpec
from trainables.workers import is_first

if TYPE_CHECKING:
    from cluster.scoring.client import PoolAddress
    from common.ledger import RowKind
    from common.objective import ObjectiveConfig
    from common.records import TrialRecord
    from rewards import AudioBackend
    from trainables.spec import Progress

__all__ = ["SweepTask", "Tell", "TrialCode", "run_trial_of"]

Tell = Callable[[Mapping[str, Any]], None]
"""Hears of a trial's progress; what it raises ends the trial where it is."""


@dataclass(frozen=True, slots=True)
class TrialCode:
    """Which functions a sweep runs, as `module:callable` that every worker process can import.

    Scale tests and other trainables replace them; the signatures are those of the defaults.
    """

    trial: str = "trainables.trial:run_trial"
    random_configs: str = "trainables.baselines:evaluate_random_configs"
    audio_backend: str = "rewards.backends:audio_backend"
    retrieval: str = "trainables.baselines:evaluate_retrieval"

    def without_policy(self, kind: RowKind) -> str | None:
        """What evaluates a baseline for which no policy writes; None for any other kind."""
        return {"random_configs": self.random_configs, "retrieval": self.retrieval}.get(kind)


@dataclass(frozen=True, slots=True)
class SweepTask:
    """What all trials of a sweep share; sent to the workers once."""

    sweep: str
    directory: str
    """The sweep directory."""
    train_data: str
    held_out_data: str
    objective: ObjectiveConfig
    pool: PoolAddress | None
    """Where the scorers are asked; None scores inside each trial's process."""
    code: TrialCode
    waits_every: int | None = None
    """Optimizer steps after which a trial may have to wait for the others; None where it never has."""
    bucket: str | None = None
    """The sweep's URL; `directory` is then the copy of it that a process works in. None for a folder."""


def run_trial_of(record: TrialRecord, task: SweepTask, tell: Tell) -> None:
    """Run the trial of a record in this process, or this worker's part of it.

    Args:
        record: the trial.
        task: the sweep's.
        tell: hears of its progress, and of its objective where the scheduler is to see it; what it raises
            ends the trial.
    """
    folder = Path(task.directory) / "trials" / record.trial_id
    change = LineageRecord.read(folder).last
    spec = TrialSpec(
        sweep=task.sweep,
        trial_id=record.trial_id,
        kind=record.kind,
        config=change.config.model_copy(update={"infra": record.config.infra}) if change else record.config,
        config_hash=change.config_hash if change else record.config_hash,
        params=change.params_after if change else record.params,
        train_data=task.train_data,
        held_out_data=task.held_out_data,
        objective=task.objective,
        directory=str(folder),
        tensorboard=str(Path(task.directory) / "tensorboard" / record.trial_id),
        stop_folder=task.directory,
    )
    check_suggestion(spec.params, spec.config_hash, spec.config)
    keys = ScorerKey.of_evaluation(task.objective)
    evaluation = Scorer(*(_backend(key, spec.trial_id, task) for key in keys))
    if baseline := task.code.without_policy(record.kind):
        load_callable(baseline)(spec, evaluation)
        return

    evaluations = Evaluations(folder)

    def report(progress: Progress) -> None:
        # A scheduler that stops the trial raises SystemExit in here, which nothing may catch.
        if is_first():
            tell(progress._asdict() | {"config_hash": spec.config_hash} | evaluations.taken_in(progress))

    reward_key = ScorerKey.of_reward(spec.config.grpo.reward)
    training = Scorer(_backend(reward_key, spec.trial_id, task) if reward_key else None)
    load_callable(task.code.trial)(spec, training, evaluation, report)


def _backend(key: ScorerKey, client: str, task: SweepTask) -> AudioBackend:
    """The pool's backend, or one in this process where the sweep has no pool."""
    if task.pool:
        return task.pool.connect(key, client)
    backend: AudioBackend = load_callable(task.code.audio_backend)(
        "clap" if key.custom_scorer_path is None else "custom", key.clap, key.custom_scorer_path
    )
    return backend
