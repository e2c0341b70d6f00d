"""What Tune runs for each trial: the trial, here or on workers of its own, and what a crash leaves behind."""

from __future__ import annotations

import os
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ray import tune

from cluster.bucket.trial import at_work
from cluster.evaluations import take_in_untold
from cluster.population import WAITS_AT
from cluster.retries import attempt
from cluster.search import CRASH_FILE
from cluster.task import run_trial_of
from cluster.train_workers import run_on_workers
from common.errors import TrialError, UserError
from common.ledger import WITHOUT_POLICY
from common.records import EvaluationsRecord, ResultRecord, StopRecord, TrialRecord
from trainables.checkpoints import starting_checkpoint
from trainables.stop_sign import StoppedError
from trainables.time_limit import ended_by_force

if TYPE_CHECKING:
    from cluster.bucket.trial import TrialPlace
    from cluster.task import SweepTask, Tell

__all__ = ["run_in_tune"]


_LEAVE_ENV: Final = "TUNE_FUNCTION_THREAD_TIMEOUT_S"
_LEAVE_S: Final = 600
"""How long the next trial of a process waits for one that was stopped or paused to leave it: as long as Tune
gives an actor to stop. Tune's own two seconds are too few on a busy machine, and what waits in vain is lost
without a word: neither scheduler nor searcher hears of it."""


def run_in_tune(config: dict[str, Any], task: SweepTask) -> None:
    """Run the trial that `config["trial_id"]` names, to its end.

    A trial that fails has its reason in its result file and ends here, so that the sweep goes on and does
    not try it again. One that leaves because the sweep stops has no result, and goes on with the next
    driver. Everything else is a crash: it leaves a traceback, and Tune starts it again.
    """
    os.environ[_LEAVE_ENV] = str(_LEAVE_S)
    with at_work(task, config["trial_id"]) as place:
        _run_here(config["trial_id"], place)


def _run_here(trial_id: str, place: TrialPlace) -> None:
    task = place.task
    folder = Path(task.directory) / "trials" / trial_id
    record = TrialRecord.read(folder)
    ended = ResultRecord.read(folder)
    if ended is not None and ended.status == "failed":
        return  # its process was ended beyond the time limit, and Tune took that for a crash
    if StopRecord.read(Path(task.directory)).asked:
        return
    with attempt(folder, record.config.infra, tune.get_context().get_experiment_name()):
        place.keep()  # should the process die, the next attempt is to know of this one
        _run_or_fail(record, folder, place)


def _run_or_fail(record: TrialRecord, folder: Path, place: TrialPlace) -> None:
    task, tell = place.task, place.telling(tune.report)
    try:
        if record.kind not in WITHOUT_POLICY:
            take_in_untold(folder, task.objective)
            if task.waits_every is not None:
                _wait_where_it_stands(folder, task.waits_every, tell)
        run = run_on_workers if record.config.infra.workers > 1 else run_trial_of
        with ended_by_force(record.config.infra, folder, before_exit=place.keep):
            run(record, task, tell=tell)
    except StoppedError:
        return
    except (TrialError, UserError) as error:
        if ResultRecord.read(folder) is None:
            ResultRecord(status="failed", reason=str(error)).write(folder)
    except Exception:
        (folder / CRASH_FILE).write_text(traceback.format_exc())
        raise


def _wait_where_it_stands(folder: Path, every: int, tell: Tell) -> None:
    """Tell the scheduler where the trial goes on, before it does: a killed driver let nobody wait."""
    start = starting_checkpoint(folder)
    if start and start.step % every == 0 and start.step in EvaluationsRecord.read(folder).objectives:
        tell({WAITS_AT: start.step})
