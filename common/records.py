"""What a trial's folder says about it: `trial.json` at its start, `result.json` at its end.

Between them `evaluations.json` has what it was worth so far, `time.json` how long it took, and `attempt.json`
whether it crashed.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, Self

from pydantic import Field

from common.durable import replace_durably
from common.ledger import RowKind
from common.model import FrozenModel
from common.training_config import TrainingConfig

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "RESULT_FILE",
    "TRIAL_FILE",
    "AttemptRecord",
    "EvaluationsRecord",
    "FallbacksRecord",
    "ResultRecord",
    "SFTRecord",
    "StateRecord",
    "StopRecord",
    "TimeRecord",
    "TrialRecord",
    "write_text_atomically",
]

TRIAL_FILE: Final = "trial.json"
RESULT_FILE: Final = "result.json"


class TrialRecord(FrozenModel):
    """What one trial runs: written before it starts, so that a suggestion survives a crash."""

    trial_id: str
    kind: RowKind
    number: int
    """Index of the point in its sweep; the replicates of one point share it."""
    label: str
    """The point in a few words, such as `lora.r=32`."""
    params: dict[str, Any]
    """Dotted path to suggested value."""
    seed: int
    config_hash: str
    config: TrainingConfig
    """The resolved configuration, as it runs."""
    sampler: dict[str, int] = Field(default_factory=dict)
    """What the sampler noted when it drew the point, such as its generation."""

    def write(self, directory: Path) -> None:
        """Write `trial.json` into the trial's folder, atomically."""
        write_text_atomically(directory / TRIAL_FILE, self.model_dump_json(indent=2) + "\n")

    @classmethod
    def read(cls, directory: Path) -> TrialRecord:
        """The record in a trial's folder. Raises FileNotFoundError where there is none."""
        return cls.model_validate_json((directory / TRIAL_FILE).read_text())


class ResultRecord(FrozenModel):
    """How a trial ended. The numbers are a digest for progress displays; rankings read the ledger."""

    status: Literal["finished", "stopped", "failed"]
    """`stopped`: by the sweep's scheduler, before its last step."""
    objective: float | None = None
    """Mean held-out objective at `steps`; None for a failed trial."""
    validity: float | None = None
    """Share of the held-out completions that are whole contract-valid payloads."""
    audio_over_valid: float | None = None
    """Mean audio component of the renderable held-out completions."""
    unscored_share: float | None = None
    """Of the completions of the last evaluation; None for a failed trial."""
    unscored_rollouts: int = 0
    """Rollouts of the whole trial that could not be scored; the ledger has each one's reason."""
    clap_gain: float | None = None
    """Mean cosine of sound and vibe at the end less that before training; None without `eval_clap`."""
    eval_clap_gain: float | None = None
    """The same as the objective's `eval_clap` hears it."""
    best_step: int | None = None
    """The step of its best evaluation after step 0, whose adapter is in `adapter-best` where that was not the
    last one; None where it was evaluated before and after training only."""
    best_objective: float | None = None
    """What it was worth there. Rankings take `objective`: the best of several looks is flattered by noise."""
    steps: int = 0
    """Optimizer steps taken; of a stopped trial, at its last evaluation."""
    seconds: float = 0.0
    reason: str | None = None
    """Why it failed."""

    def write(self, directory: Path) -> None:
        """Write `result.json` into the trial's folder, atomically."""
        write_text_atomically(directory / RESULT_FILE, self.model_dump_json(indent=2) + "\n")

    @classmethod
    def read(cls, directory: Path) -> ResultRecord | None:
        """The record in a trial's folder; None while the trial has not ended."""
        path = directory / RESULT_FILE
        return cls.model_validate_json(path.read_text()) if path.is_file() else None


class SFTRecord(FrozenModel):
    """What a supervised fine-tuning was, beside the adapter that it left."""

    FILE: ClassVar[str] = "sft.json"

    config: TrainingConfig
    num_rows: int
    """Rows trained on."""
    num_validation_rows: int
    packing: bool
    steps: int
    """Optimizer steps."""
    validation_losses: dict[int, float]
    """Optimizer step to the mean over the validation rows of the nats per token of the response."""

    def write(self, directory: Path) -> None:
        """Write the file, atomically."""
        write_text_atomically(directory / self.FILE, self.model_dump_json(indent=2) + "\n")

    @classmethod
    def read(cls, directory: Path) -> SFTRecord:
        """The record in an adapter's folder. Raises FileNotFoundError where there is none."""
        return cls.model_validate_json((directory / cls.FILE).read_text())


class StateRecord(FrozenModel):
    """What grows while a sweep runs, in a file of its own; empty before it is first written."""

    FILE: ClassVar[str]
    """Name of the file in the folder that the record is about."""

    def write(self, directory: Path) -> None:
        """Write the file, atomically."""
        write_text_atomically(directory / self.FILE, self.model_dump_json(indent=2) + "\n")

    @classmethod
    def read(cls, directory: Path) -> Self:
        """The record in a folder; an empty one where there is none."""
        path = directory / cls.FILE
        return cls.model_validate_json(path.read_text()) if path.is_file() else cls()


class EvaluationsRecord(StateRecord):
    """A trial's held-out evaluations so far: what a scheduler has seen of it."""

    FILE: ClassVar[str] = "evaluations.json"

    objectives: dict[int, float] = Field(default_factory=dict)
    """Optimizer step to mean held-out objective; step 0 is before training."""
    seconds: float = 0.0
    """Wall-clock seconds at the last one since its process took up the trial."""

    def with_evaluation(self, step: int, objective: float, seconds: float) -> EvaluationsRecord:
        """The record with one evaluation more; one of a step that is run again replaces the first."""
        return EvaluationsRecord(objectives=self.objectives | {step: objective}, seconds=seconds)


class TimeRecord(StateRecord):
    """How long a trial has been worked on, by all the processes that took it up."""

    FILE: ClassVar[str] = "time.json"

    seconds: float = 0.0
    """Wall-clock seconds; what a killed process had not yet written is missing."""


class AttemptRecord(StateRecord):
    """The attempt that runs now; it is deleted when its process leaves the trial in order."""

    FILE: ClassVar[str] = "attempt.json"

    driver: str = ""
    """The driver that started it."""
    crashes: int = 0
    """Attempts of that driver that crashed before it, one after the other."""


class StopRecord(StateRecord):
    """Of a sweep: what its driver tells the trials."""

    FILE: ClassVar[str] = "stop.json"

    asked: bool = False
    """Whether they are to write a checkpoint and leave."""


class FallbacksRecord(StateRecord):
    """The times that a trial could not go on from its newest checkpoint; a trial without has no such file."""

    FILE: ClassVar[str] = "fallbacks.json"

    notices: tuple[str, ...] = ()
    """A line each: where it went on instead, and what is the matter with which checkpoint."""

    def with_fallback(self, notice: str) -> FallbacksRecord:
        """The record with one more."""
        return FallbacksRecord(notices=(*self.notices, notice))


def write_text_atomically(path: Path, text: str) -> None:
    """Write a file so that a reader sees the old text or the new one, and never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.write_text(text)
    replace_durably(unfinished, path)
