"""One training run outside a sweep: what `vibesweep train` calls."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

from common.objective import ObjectiveConfig
from common.records import TRIAL_FILE, ResultRecord, SFTRecord, TimeRecord, TrialRecord
from common.training_config import BASE_MODELS, resolve_model
from rewards import Scorer, audio_backend
from search_spaces import config_hash
from trainables.data import data_path, load_rows
from trainables.output_folder import claimed_output
from trainables.sft import run_sft
from trainables.spec import TrialSpec
from trainables.time_limit import ended_by_force
from trainables.trial import run_trial

if TYPE_CHECKING:
    from pathlib import Path

    from common.training_config import TrainingConfig
    from trainables.spec import Progress, TrialResult

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

    Raises:
        UserError: bad rows, a model that is not there, or an output that holds something else.
        TrialError: the run ended without a usable adapter.
    """
    resolve_model(config.base_model, BASE_MODELS)
    with (
        claimed_output(output, overwrite=overwrite, goes_on=False),
        ended_by_force(config.infra, output),
    ):
        adapter = run_sft(
            config,
            str(data),
            str(output),
            _print_progress,
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
        UserError: bad rows, a model that is not there, or an output that holds something else.
        TrialError: the run ended without a usable outcome.
    """
    load_rows(data, config.data)  # A broken line is said before a model is loaded.
    held_out = "tiny" if eval_data is None else str(eval_data)
    num_vibes = len(load_rows(data_path(held_out, "held_out"), config.data))
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
            num_vibes=eval_vibes or min(NUM_VIBES, num_vibes),
            max_completion_length=config.grpo.max_completion_length,
            scorer=reward.clap,
        ),
        directory=str(output),
        tensorboard=str(output / "tensorboard"),
    )
    same = (output / TRIAL_FILE).is_file() and _without_infra(TrialRecord.read(output).config) == (
        _without_infra(config)
    )
    ended = ResultRecord.read(output) if same else None
    if ended is not None and ended.status == "failed":
        (output / TimeRecord.FILE).unlink(missing_ok=True)
    resolve_model(config.base_model, BASE_MODELS)
    with (
        claimed_output(output, overwrite=overwrite, goes_on=same),
        ended_by_force(config.infra, output),
    ):
        evaluation = audio_backend("clap", reward.clap, None)
        is_clap = reward.reward_type == "clap"
        training = (
            evaluation
            if is_clap
            else audio_backend(reward.reward_type, reward.clap, reward.custom_scorer_path)
        )
        return run_trial(spec, Scorer(training), Scorer(evaluation), _print_progress)


def _without_infra(config: TrainingConfig) -> dict[str, Any]:
    """What decides where a run ends: its time limit may be raised."""
    return config.model_dump(exclude={"infra"})


def _print_progress(progress: Progress) -> None:
    parts = [f"step {progress.step}/{progress.total_steps}"]
    if progress.reward is not None:
        parts.append(f"reward {progress.reward:.3f}")
    if progress.objective is not None:
        parts.append(f"held-out objective {progress.objective:.3f}")
    if progress.notice is not None:
        parts.append(progress.notice)
    if progress.validation_loss is not None:
        parts.append(f"validation loss {progress.validation_loss:.3f}")
    print("  ".join([*parts, f"{progress.seconds:.0f} s"]), file=sys.stderr)
