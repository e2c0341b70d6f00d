"""What Tune runs for each trial: read the record, connect to the scorers, run, forward progress."""

from __future__ import annotations

import os
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ray import tune

from cluster.evaluations import Evaluations, take_in_untold
from cluster.population import WAITS_AT
from cluster.retries import attempt
from cluster.scoring.keys import ScorerKey
from cluster.search import CRASH_FILE
from common.errors import TrialError, UserError
from common.lineage import LineageRecord
from common.records import EvaluationsRecord, ResultRecord, TrialRecord
from rewards import Scorer, load_callable
from search_spaces.suggestion import check_suggestion
from trainables.checkpoints import starting_checkpoint
from trainables.spec import TrialSpec
from trainables.time_limit import ended_by_force

if TYPE_CHECKING:
    from cluster.scoring.client import PoolAddress
    from common.objective import ObjectiveConfig
    from rewards import AudioBackend
    from trainables.spec import Progress

__all__ = ["SweepTask", "TrialCode", "run_in_tune"]


_LEAVE_ENV: Final = "TUNE_FUNCTION_THREAD_TIMEOUT_S"
_LEAVE_S: Final = 600
"""How long the next trial of a process waits for one that was stopped or paused to leave it: as long as Tune
gives an actor to stop. Tune's own two seconds are too few on a busy machine, and what waits in vain is lost
without a word: neither scheduler nor searcher hears of it."""


@dataclass(frozen=True, slots=True)
class TrialCode:
    """Which functions a sweep runs, as `module:callable` that every worker process can import.

    Scale tests and other trainables replace them; the signatures are those of the defaults.
    """

    trial: str = "trainables.trial:run_trial"
    random_configs: str = "trainables.baselines:evaluate_random_configs"
    audio_backend: str = "rewards.backends:audio_backend"


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


def run_in_tune(config: dict[str, Any], task: SweepTask) -> None:
    """Run the trial that `config["trial_id"]` names, to its end.

    A trial that fails has its reason in its result file and ends here, so that the sweep goes on and does
    not try it again. Everything else is a crash: it leaves a traceback, and Tune starts it again.
    """
    os.environ[_LEAVE_ENV] = str(_LEAVE_S)
    folder = Path(task.directory) / "trials" / config["trial_id"]
    record = TrialRecord.read(folder)
    ended = ResultRecord.read(folder)
    if ended is not None and ended.status == "failed":
        return  # its process was ended beyond the time limit, and Tune took that for a crash
    with attempt(folder, record.config.infra, tune.get_context().get_experiment_name()):
        _run_or_fail(record, folder, task)


def _run_or_fail(record: TrialRecord, folder: Path, task: SweepTask) -> None:
    try:
        with ended_by_force(record.config.infra, folder):
            _run(record, folder, task)
    except (TrialError, UserError) as error:
        if ResultRecord.read(folder) is None:
            ResultRecord(status="failed", reason=str(error)).write(folder)
    except Exception:
        (folder / CRASH_FILE).write_text(traceback.format_exc())
        raise


def _run(record: TrialRecord, folder: Path, task: SweepTask) -> None:
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
    )
    check_suggestion(spec.params, spec.config_hash, spec.config)
    keys = ScorerKey.of_evaluation(task.objective)
    evaluation = Scorer(*(_backend(key, spec.trial_id, task) for key in keys))
    if record.kind == "random_configs":
        load_callable(task.code.random_configs)(spec, evaluation)
        return

    take_in_untold(folder, task.objective)
    if task.waits_every is not None:
        _wait_where_it_stands(folder, task.waits_every)
    evaluations = Evaluations(folder)

    def report(progress: Progress) -> None:
        # A scheduler that stops the trial raises SystemExit in here, which nothing may catch.
        tune.report(progress._asdict() | {"config_hash": spec.config_hash} | evaluations.taken_in(progress))

    reward_key = ScorerKey.of_reward(spec.config.grpo.reward)
    training = Scorer(_backend(reward_key, spec.trial_id, task) if reward_key else None)
    load_callable(task.code.trial)(spec, training, evaluation, report)


def _wait_where_it_stands(folder: Path, every: int) -> None:
    """Tell the scheduler where the trial goes on, before it does: a killed driver let nobody wait."""
    start = starting_checkpoint(folder)
    if start and start.step % every == 0 and start.step in EvaluationsRecord.read(folder).objectives:
        tune.report({WAITS_AT: start.step})


def _backend(key: ScorerKey, client: str, task: SweepTask) -> AudioBackend:
    """The pool's backend, or one in this process where the sweep has no pool."""
    if task.pool:
        return task.pool.connect(key, client)
    backend: AudioBackend = load_callable(task.code.audio_backend)(
        "clap" if key.custom_scorer_path is None else "custom", key.clap, key.custom_scorer_path
    )
    return backend
