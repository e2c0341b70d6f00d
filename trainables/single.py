"""One training run outside a sweep: what `vibesweep train` calls."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from common.errors import TrialError, UserError
from common.objective import ObjectiveConfig
from common.records import RESULT_FILE, ResultRecord, SFTRecord, TimeRecord
from rewards import Scorer, audio_backend
from search_spaces import config_hash
from trainables.adapter_base import base_of_adapter
from trainables.checkpoints import find_start
from trainables.data import data_path, load_rows
from trainables.outcome import stored_result
from trainables.output_folder import claimed_output
from trainables.progress_lines import ProgressLines
from trainables.run_record import FileRecord, RunRecord, weights_of
from trainables.sft import run_sft
from trainables.spec import TrialSpec
from trainables.time_limit import ended_by_force
from trainables.trial import run_trial

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from common.training_config import TrainingConfig
    from trainables.spec import TrialResult

__all__ = ["train_grpo", "train_sft"]

NUM_VIBES: Final = 24
"""Held-out vibes of a single run where no number is asked for: enough to see a change, few enough not to
outlast the training."""


def train_sft(
    config: TrainingConfig,
    data: Path,
    output: Path,
    *,
    validation_share: float = 0.0,
    packing: bool = False,
    overwrite: bool,
) -> SFTRecord:
    """Fine-tune on (vibe, payload) rows and write the adapter to `output`. This process is the run's own.

    The same command again goes on from the last checkpoint, or returns the record that is there; after a
    failure it has the whole time limit again.

    Raises:
        UserError: bad rows, a model that is not there, several workers, or an output that holds something
            else.
        TrialError: the run ended without a usable adapter.
    """
    _check_workers(config)
    run = RunRecord(
        command="sft",
        config=config,
        data=FileRecord.of(data),
        weights=weights_of(config.base_model),
        validation_share=validation_share,
        packing=packing,
    )
    goes_on = not overwrite and _is_same(run, output)
    if goes_on and base_of_adapter(output) is not None:
        _say(f"{output} holds this run, finished; nothing was left to train")
        return SFTRecord.read(output)
    with _taken_up(run, output, overwrite=overwrite, goes_on=goes_on):
        adapter = run_sft(
            config,
            str(data),
            str(output),
            ProgressLines(),
            validation_share=validation_share,
            packing=packing,
        )
        return SFTRecord.read(adapter)


def train_grpo(
    config: TrainingConfig,
    data: Path,
    output: Path,
    *,
    eval_data: Path | None,
    eval_vibes: int | None = None,
    overwrite: bool,
) -> TrialResult:
    """Train with GRPO; the adapter, the ledger, the checkpoints and TensorBoard's files go to `output`.

    The same command again goes on from the last checkpoint, or returns the result that is there; after a
    failure it has the whole time limit again. This process is the run's own.

    Raises:
        UserError: bad rows, a model that is not there, several workers, or an output that holds something
            else.
        TrialError: the run ended without a usable outcome.
    """
    _check_workers(config)
    load_rows(data, config.data)  # A broken line is said before a model is loaded.
    held_out = "tiny" if eval_data is None else str(eval_data)
    held_out_path = data_path(held_out, "held_out")
    num_vibes = eval_vibes or min(NUM_VIBES, len(load_rows(held_out_path, config.data)))
    run = RunRecord(
        command="grpo",
        config=config,
        data=FileRecord.of(data),
        weights=weights_of(config.base_model),
        eval_data=FileRecord.of(held_out_path),
        eval_vibes=num_vibes,
    )
    goes_on = not overwrite and _is_same(run, output)
    if goes_on and (result := stored_result(output)):
        _say(f"{output} holds this run, finished; nothing was left to train")
        return result
    reward = config.grpo.reward
    spec = TrialSpec(
        sweep=output.name,
        trial_id=output.name,
        kind="trial",
        config=config,
        config_hash=config_hash(config),
        params={},
        train_data=str(data),
        held_out_data=held_out,
        objective=ObjectiveConfig(
            num_vibes=num_vibes,
            max_completion_length=config.grpo.max_completion_length,
            scorer=reward.clap,
        ),
        directory=str(output),
        tensorboard=str(output / "tensorboard"),
    )
    with _taken_up(run, output, overwrite=overwrite, goes_on=goes_on):
        evaluation = audio_backend("clap", reward.clap, None)
        is_clap = reward.reward_type == "clap"
        training = (
            evaluation
            if is_clap
            else audio_backend(reward.reward_type, reward.clap, reward.custom_scorer_path)
        )
        return run_trial(spec, Scorer(training), Scorer(evaluation), ProgressLines())


def _check_workers(config: TrainingConfig) -> None:
    """Refuse several workers, each of which would add a batch to every step: here is one process."""
    infra = config.infra
    if infra.workers > 1:
        setting = "gpus_per_trial" if infra.num_workers is None else "num_workers"
        raise UserError(
            f"infra.{setting} must leave `vibesweep train` one worker, got {infra.workers}; it trains in "
            "this process: lower it, or run a sweep of this configuration"
        )


def _is_same(run: RunRecord, output: Path) -> bool:
    stored = RunRecord.read(output)
    return stored is not None and not stored.differences(run)


@contextmanager
def _taken_up(run: RunRecord, output: Path, *, overwrite: bool, goes_on: bool) -> Iterator[None]:
    """The folder is this run's, which begins or goes on in it, and how it ends is told."""
    stored = None if overwrite else RunRecord.read(output)
    holds = "; ".join(stored.differences(run)) if stored else ""
    with claimed_output(output, overwrite=overwrite, goes_on=goes_on, holds=holds):
        if goes_on:
            _forget_failure(output)
            _tell_start(output)
        run.write(output)
        with ended_by_force(run.config.infra, output):
            try:
                yield
            except TrialError as error:
                ResultRecord(status="failed", reason=str(error)).write(output)
                raise
            except KeyboardInterrupt:
                _tell_stop(output, overwrite=overwrite)
                raise


def _forget_failure(output: Path) -> None:
    """A run that has failed is tried again by hand, with the whole time limit."""
    ended = ResultRecord.read(output)
    if ended is not None and ended.status == "failed":
        (output / RESULT_FILE).unlink()
        (output / TimeRecord.FILE).unlink(missing_ok=True)


def _tell_start(output: Path) -> None:
    start = find_start(output)
    if start.checkpoint:
        _say(f"{output} goes on from step {start.step}")
    elif not start.passed_over:  # which the run tells itself
        _say(f"{output} begins anew: it was stopped before its first checkpoint")


def _tell_stop(output: Path, *, overwrite: bool) -> None:
    if find_start(output).checkpoint is None:
        _say("stopped before its first checkpoint; the same command begins anew")
    elif overwrite:
        _say("stopped; the same command without --overwrite goes on")
    else:
        _say("stopped; the same command goes on")


def _say(text: str) -> None:
    print(text, file=sys.stderr)
