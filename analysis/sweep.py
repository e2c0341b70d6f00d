"""Read what a sweep stored: its objective, its trials and their ledger.

A sweep may still be running or have been killed. A file that was torn is skipped and named in
`torn_files`; a trial without a result has not ended.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError

from common.errors import UserError, first_problem
from common.ledger import LEDGER_SCHEMA, LEDGER_VERSION
from common.objective import ObjectiveConfig
from common.records import TRIAL_FILE, ResultRecord, TrialRecord

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["SWEEP_FILE", "StoredTrial", "Sweep", "load_sweep"]

SWEEP_FILE: Final = "sweep.json"

_VERSION_KEY: Final = b"vibesweep.ledger_version"


@dataclass(frozen=True)
class StoredTrial:
    """One trial's folder: what it ran, and how it ended."""

    record: TrialRecord
    result: ResultRecord | None
    """None while the trial has not ended."""

    @property
    def finished(self) -> bool:
        """Whether it ran to its end."""
        return self.result is not None and self.result.status == "finished"

    @property
    def failed(self) -> bool:
        """Whether it ended without an outcome."""
        return self.result is not None and self.result.status == "failed"


@dataclass(frozen=True)
class Sweep:
    """A stored sweep; every outcome is a function of it."""

    directory: Path
    name: str
    objective: ObjectiveConfig
    """Fixed evaluation weights and floor."""
    trials: tuple[StoredTrial, ...]
    """In the order of their ids; baselines are among them."""
    ledger: pa.Table
    """Every row of every trial, in LEDGER_SCHEMA."""
    torn_files: tuple[Path, ...]
    """Files that could not be read, and are left out."""


def load_sweep(directory: Path | str) -> Sweep:
    """Load a sweep directory, finished or not.

    Args:
        directory: what `vibesweep sweep run` wrote, such as `runs/quickstart`.

    Raises:
        UserError: no sweep directory, or one written by another version.
    """
    directory = Path(directory)
    stored = _sweep_file(directory)
    torn: list[Path] = []
    trials: list[StoredTrial] = []
    parts: list[pa.Table] = []
    for folder in sorted(path.parent for path in directory.glob(f"trials/*/{TRIAL_FILE}")):
        record = _read_record(TrialRecord.read, folder, folder / TRIAL_FILE, torn)
        if record is None:
            continue
        trials.append(StoredTrial(record, _read_record(ResultRecord.read, folder, folder, torn)))
        parts += [part for path in sorted(folder.glob("ledger/*.parquet")) if (part := _read_part(path, torn))]
    return Sweep(
        directory=directory,
        name=stored["name"],
        objective=_objective(stored, directory / SWEEP_FILE),
        trials=tuple(trials),
        ledger=pa.concat_tables(parts) if parts else LEDGER_SCHEMA.empty_table(),
        torn_files=tuple(torn),
    )


def _sweep_file(directory: Path) -> dict[str, Any]:
    """The resolved sweep in `sweep.json`."""
    path = directory / SWEEP_FILE
    try:
        stored = json.loads(path.read_text())["sweep"]
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(
            f"{directory}: a sweep directory must hold {SWEEP_FILE}, got none; "
            "give the folder that `vibesweep sweep run` named, such as runs/quickstart"
        ) from None
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise UserError(
            f"{path}: must be the JSON that a sweep wrote, got {type(error).__name__} ({error}); "
            "run the sweep again with --overwrite"
        ) from error
    return dict(stored)


def _objective(stored: dict[str, Any], path: Path) -> ObjectiveConfig:
    try:
        return ObjectiveConfig.model_validate(stored["objective"])
    except ValidationError as error:
        raise UserError(
            f"{path}: objective.{first_problem(error)}; analyse it with the version that wrote it"
        ) from error


def _read_record[R](read: Callable[[Path], R], folder: Path, path: Path, torn: list[Path]) -> R | None:
    """One of the folder's records; None where it was torn."""
    try:
        return read(folder)
    except ValidationError as error:
        if error.errors()[0]["type"] != "json_invalid":
            raise UserError(
                f"{path}: {first_problem(error)}; analyse it with the version that wrote it"
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
    version = (table.schema.metadata or {}).get(_VERSION_KEY, b"none").decode()
    if version != LEDGER_VERSION:
        raise UserError(
            f"{path}: ledger version must be {LEDGER_VERSION}, got {version}; "
            "analyse it with the version that wrote it"
        )
    return table.select(LEDGER_SCHEMA.names)
