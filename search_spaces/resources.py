"""What a sweep takes beside its trials: its data, and its share of the machines."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from common.model import FrozenModel

__all__ = ["EMBEDDED_DATA", "Resources", "SweepData"]

EMBEDDED_DATA: Final = "tiny"
"""Name that stands for the vibes shipped with the package."""


class SweepData(FrozenModel):
    """JSONL files, relative to the sweep file, or `tiny` for the embedded vibes."""

    train: str = EMBEDDED_DATA
    """What the policy trains on."""
    held_out: str = EMBEDDED_DATA
    """What every trial is evaluated on."""


class Resources(FrozenModel):
    """What the sweep takes beside its trials, whose own share is in `base.infra`."""

    scorers: Annotated[int, Field(ge=0)] = 1
    """Scoring actors that all trials share; 0 scores inside each trial's process."""
    cpus_per_scorer: Annotated[float, Field(ge=0)] = 1
    """Logical CPUs of one scorer; also its number of threads, rounded up, at least one."""
    gpus_per_scorer: Annotated[float, Field(ge=0)] = 0
    """GPUs of one scorer; fractions share a GPU."""
    max_concurrent_trials: Annotated[int, Field(ge=1)] | None = None
    """Trials that run at once; as many as fit where not given."""
