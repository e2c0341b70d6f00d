"""What a trial is told and what it answers: plain frozen data that crosses processes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from common.ledger import RowKind
    from common.objective import ObjectiveConfig
    from common.training_config import TrainingConfig

__all__ = ["Progress", "Report", "TrialResult", "TrialSpec"]


@dataclass(frozen=True, slots=True)
class TrialSpec:
    """One trial: what it trains, on what, and where it writes."""

    sweep: str
    trial_id: str
    kind: RowKind
    config: TrainingConfig
    """The resolved configuration; its seed is the trial's."""
    config_hash: str
    """Hash of the configuration without its seed."""
    params: Mapping[str, Any]
    """Dotted path to suggested value."""
    train_data: str
    """A JSONL file, or `tiny`."""
    held_out_data: str
    """A JSONL file, or `tiny`."""
    objective: ObjectiveConfig
    directory: str
    """The trial's folder, `…/trials/<id>`."""
    tensorboard: str
    """Folder of its TensorBoard events, `…/tensorboard/<id>`."""
    stop_folder: str | None = None
    """Folder of the `stop.json` that says whether to leave early; None where nobody stops the trial."""


class Progress(NamedTuple):
    """How far a trial is."""

    step: int
    """Optimizer steps taken."""
    total_steps: int
    reward: float | None
    """Mean trained reward of the latest rollouts; None before the first."""
    objective: float | None
    """Latest held-out objective; None before the first evaluation."""
    seconds: float
    """Wall-clock seconds since this process took up the trial."""
    objective_step: int | None = None
    """The step that `objective` was measured at."""
    notice: str | None = None
    """A line that the user should see, such as that a damaged checkpoint was passed over; told once."""
    validation_loss: float | None = None
    """Of SFT with a validation split, as measured at this step: nats per token of a row's response."""
    reward_step: int | None = None
    """The step of the log entry that `reward` is from."""
    loss: float | None = None
    """Of SFT, the mean over the steps since the last log entry: nats per token of the responses."""


class TrialResult(NamedTuple):
    """How a trial ended; the digest of its last held-out evaluation."""

    objective: float
    validity: float
    """Share of the scored completions that are whole contract-valid payloads."""
    audio_over_valid: float | None
    """Mean audio component over the completions whose config can be rendered; None where none can."""
    steps: int
    seconds: float
    """Wall-clock seconds since this process took up the trial."""
    unscored_share: float
    """Of the completions of that evaluation."""
    unscored_rollouts: int = 0
    """Rollouts of the whole trial that could not be scored, and taught nothing."""
    clap_gain: float | None = None
    """Mean cosine of sound and vibe at the end less that before training; None without `eval_clap`."""
    eval_clap_gain: float | None = None
    """The same as the objective's `eval_clap` hears it."""
    best_step: int | None = None
    """The step of its best evaluation after step 0, whose adapter is in `adapter-best` where that was not the
    last one; None where it was evaluated before and after training only."""
    best_objective: float | None = None
    """What it was worth there. Rankings take `objective`: the best of several looks is flattered by noise."""


Report = Callable[[Progress], None]
"""Called after every log entry and every evaluation; what it raises ends the trial where it is."""
