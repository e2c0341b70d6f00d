"""What a sweep takes beside its trials: its data, and its share of the machines."""

from __future__ import annotations

from typing import Annotated, Final, Self

from pydantic import Field, model_validator

from common.model import FrozenModel

__all__ = ["EMBEDDED_DATA", "PoolLimits", "Resources", "SweepData"]

EMBEDDED_DATA: Final = "tiny"
"""Name that stands for the vibes shipped with the package."""


class SweepData(FrozenModel):
    """JSONL files, relative to the sweep file, or `tiny` for the embedded vibes."""

    train: str = EMBEDDED_DATA
    """What the policy trains on."""
    held_out: str = EMBEDDED_DATA
    """What every trial is evaluated on."""


class PoolLimits(FrozenModel):
    """How the scorers share their work. Scores do not depend on any of these."""

    max_batch: Annotated[int, Field(ge=1, le=1024)] = 8
    """Most configs that a scorer takes at once, whichever trials they come from."""
    max_wait_s: Annotated[float, Field(ge=0, le=10)] = 0.02
    """Longest that a scorer without work waits for a batch to fill, in seconds."""
    queue: Annotated[int, Field(ge=1)] = 4096
    """Most completions that wait or are in work at once; trials with more wait for room."""
    deadline_s: Annotated[float, Field(gt=0)] = 300.0
    """Longest wait in seconds for what a trial asks at once (rollouts of a step, an evaluation), its turn
    and every retry included; what has no score by then is unscored. A scorer that has a batch for a third of
    it counts as hung, and is replaced."""

    @model_validator(mode="after")
    def _a_batch_fits_in(self) -> Self:
        if self.queue < self.max_batch:
            raise ValueError(
                f"queue must be at least max_batch, got queue {self.queue} and max_batch {self.max_batch}; "
                "raise queue"
            )
        return self


class Resources(FrozenModel):
    """What the sweep takes beside its trials, whose own share is in `base.infra`."""

    scorers: Annotated[int, Field(ge=0)] = 1
    """Scoring actors that all trials share; 0 scores inside each trial's process."""
    max_scorers: Annotated[int, Field(ge=1)] | None = None
    """Scoring actors while there is more work than `scorers` can do; `scorers` where not given."""
    cpus_per_scorer: Annotated[float, Field(ge=0)] = 1
    """Logical CPUs of one scorer; also its number of threads, rounded up, at least one."""
    gpus_per_scorer: Annotated[float, Field(ge=0)] = 0
    """GPUs of one scorer; fractions share a GPU."""
    max_concurrent_trials: Annotated[int, Field(ge=1)] | None = None
    """Trials that run at once; as many as fit where not given."""
    pool: PoolLimits = PoolLimits()
    """How the scorers share their work."""

    @property
    def most_scorers(self) -> int:
        """Scorers that there may be at once."""
        return self.max_scorers or self.scorers

    @model_validator(mode="after")
    def _scorers_are_a_range(self) -> Self:
        if self.max_scorers is not None and not 0 < self.scorers <= self.max_scorers:
            raise ValueError(
                f"max_scorers must be at least scorers, and scorers at least 1, got max_scorers "
                f"{self.max_scorers} and scorers {self.scorers}; leave max_scorers out for a fixed number"
            )
        return self
