"""Read what a sweep stored: its record, its trials and their ledger.

A sweep may still be running or have been killed. A file that was torn is skipped and named in
`torn_files`; a trial without a result has not ended.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError

from common.errors import UserError, first_problem
from common.ledger import LEDGER_SCHEMA, as_current
from common.lineage import LineageRecord
from common.records import RESULT_FILE, TRIAL_FILE, ResultRecord, TrialRecord
from search_spaces.sweep_record import SWEEP_RECORD, SweepRecord

if TYPE_CHECKING:
    from collections.abc import Callable

    from common.objective import ObjectiveConfig

__all__ = ["StoredTrial", "Sweep", "load_sweep"]

R = TypeVar("R", TrialRecord, ResultRecord | None, LineageRecord)


@dataclass(frozen=True)
class StoredTrial:
    """One trial's folder: what it ran, and how it ended."""

    record: TrialRecord
    result: ResultRecord | None
    """None while the trial has not ended."""
    lineage: LineageRecord = LineageRecord()  # noqa: RUF009 - frozen
    """How its configuration changed while it trained; `record` has the first."""

    @property
    def was_stopped(self) -> bool:
        """Whether the sweep's scheduler ended it before its last step."""
        return self.result is not None and self.result.status == "stopped"


@dataclass(frozen=True)
class Sweep:
    """A stored sweep; every outcome is a function of it."""

    directory: Path
    record: SweepRecord
    """The resolved sweep, what it ran on, and with which versions."""
    trials: tuple[StoredTrial, ...]
    """In the order of their ids; baselines are among them."""
    ledger: pa.Table
    """Every row of every trial, in LEDGER_SCHEMA."""
    torn_files: tuple[Path, ...]
    """Files that could not be read, and are left out."""

    @property
    def name(self) -> str:
        """The sweep's name."""
        return self.record.sweep.name

    @property
    def objective(self) -> ObjectiveConfig:
        """Fixed evaluation weights and floor."""
        return self.record.sweep.objective


def load_sweep(directory: Path | str) -> Sweep:
    """Load a sweep directory, finished or not.

    Args:
        directory: what `vibesweep sweep run` wrote, such as `runs/quickstart`.

    Raises:
        UserError: no sweep directory, or one written by another version.
    """
    directory = Path(directory)
    record = _sweep_record(directory)
    torn: list[Path] = []
    trials: list[StoredTrial] = []
    parts: list[pa.Table] = []
    for folder in sorted(path.parent for path in directory.glob(f"trials/*/{TRIAL_FILE}")):
        trial = _read_record(TrialRecord.read, folder / TRIAL_FILE, torn)
        if trial is None:
            continue
        result = _read_record(ResultRecord.read, folder / RESULT_FILE, torn)
        lineage = _read_record(LineageRecord.read, folder / LineageRecord.FILE, torn) or LineageRecord()
        trials.append(StoredTrial(trial, result, lineage))
        parts += [
            part for path in sorted(folder.glob("ledger/*.parquet")) if (part := _read_part(path, torn))
        ]
    return Sweep(
        directory=directory,
        record=record,
        trials=tuple(trials),
        ledger=pa.concat_tables(parts) if parts else LEDGER_SCHEMA.empty_table(),
        torn_files=tuple(torn),
    )


def _sweep_record(directory: Path) -> SweepRecord:
    try:
        record = SweepRecord.read(directory)
    except ValidationError as error:
        raise UserError(
            f"{directory / SWEEP_RECORD} must be a sweep record of this version, got another "
            f"({_where(error)}); rank it with the version that ran it"
        ) from error
    if record is None:
        raise UserError(
            f"{directory} must be a sweep directory, got a path without {SWEEP_RECORD}; give the folder that "
            "`vibesweep sweep run` named, such as runs/quickstart"
        )
    return record


def _where(error: ValidationError) -> str:
    problem = error.errors()[0]
    return ": ".join(filter(None, [".".join(map(str, problem["loc"])), problem["msg"]]))


def _read_record(read: Callable[[Path], R], path: Path, torn: list[Path]) -> R | None:
    """A trial's record; None where it was torn."""
    try:
        return read(path.parent)
    except UnicodeDecodeError:
        torn.append(path)
    except ValidationError as error:
        if error.errors()[0]["type"] != "json_invalid":
            raise UserError(
                f"{path}: {first_problem(error)}; rank it with the version that ran it"
            ) from error
        torn.append(path)
    return None


def _read_part(path: Path, torn: list[Path]) -> pa.Table | None:
    """One part of the ledger; None where it was torn."""
    try:
        table = pq.read_table(path, partitioning=None)
    except (pa.ArrowInvalid, OSError):
        torn.append(path)
        return None
    try:
        return as_current(table)
    except ValueError as error:
        raise UserError(f"{path}: {error}; rank it with the version that ran it") from error
