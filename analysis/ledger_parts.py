"""The parts of a stored ledger: what each holds, told by its footer, and reading only what is needed.

A sweep of ten million rows has gigabytes of completions and few of the numbers that rank it. So loading a
sweep reads the footers of its files alone; rows are read when they are asked for, by columns, from those
files whose statistics say that they may have them. What repeats (ids, vibes, reasons) is read
dictionary-encoded: four bytes a row.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Final, get_args

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from common.errors import UserError
from common.ledger import LEDGER_SCHEMA, Split, ledger_version

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pyarrow.fs import FileSystem

__all__ = ["REPEATED", "LedgerPart", "read_part", "read_rows", "stream_rows"]

REPEATED: Final = (
    "sweep", "kind", "trial_id", "config_hash", "split", "prompt_id", "vibe", "unscored_reason", "scorer_id",
    "renderer_id", "prompt_hash", "eval_clap_id",
)  # fmt: skip
"""Columns with few distinct values, which are read as dictionaries."""
_FILES_AT_ONCE: Final = 256


@dataclass(frozen=True)
class LedgerPart:
    """One file of the ledger, as its footer tells it."""

    filesystem: FileSystem
    path: str
    num_rows: int
    splits: frozenset[str]
    """Splits that it may hold."""
    last_step: int
    """The largest step in it."""
    any_unscored: bool
    """Whether it may hold a completion without a score."""
    prefix: str = ""
    """Put before its trials' ids, to tell those of several sweeps apart."""


def read_part(filesystem: FileSystem, path: str) -> LedgerPart | None:
    """What a file holds.

    Returns:
        None where it was torn.

    Raises:
        UserError: another version wrote it.
    """
    try:
        with filesystem.open_input_file(path) as file:
            footer = pq.read_metadata(file)
    except (pa.ArrowInvalid, OSError):
        return None
    try:
        ledger_version(footer.metadata)
    except ValueError as error:
        raise UserError(f"{path}: {error}; rank it with the version that ran it") from error
    index = {footer.schema.column(i).name: i for i in range(footer.num_columns)}
    groups = [footer.row_group(i) for i in range(footer.num_row_groups)]
    splits: set[str] = set()
    last_step, any_unscored = -1, False
    for group in groups:
        split, step, reason = (
            group.column(index[name]).statistics for name in ("split", "step", "unscored_reason")
        )
        # A writer may leave statistics out; then all that can be known is that it must be read.
        known = split is not None and split.has_min_max
        splits |= {split.min, split.max} if known else set(get_args(Split))
        last_step = max(last_step, step.max if step is not None and step.has_min_max else 2**62)
        any_unscored |= reason is None or not reason.has_null_count or reason.null_count < group.num_rows
    return LedgerPart(filesystem, path, footer.num_rows, frozenset(splits), last_step, any_unscored)


def _scanner(parts: Sequence[LedgerPart], columns: Sequence[str], split: Split | None) -> ds.Scanner:
    """Of parts on one filesystem."""
    read = ds.ParquetReadOptions(dictionary_columns=set(REPEATED))
    dataset = ds.dataset(
        [part.path for part in parts],
        # Columns that came later than the version that wrote a part are null.
        schema=pa.schema([_as_read(field) for field in LEDGER_SCHEMA]),
        format=ds.ParquetFileFormat(read_options=read),
        filesystem=parts[0].filesystem,
    )
    return dataset.scanner(
        columns=list(columns), filter=None if split is None else pc.field("split") == split
    )


def _as_read(field: pa.Field) -> pa.Field:
    return field.with_type(pa.dictionary(pa.int32(), field.type)) if field.name in REPEATED else field


def _groups(parts: Sequence[LedgerPart]) -> Iterator[list[LedgerPart]]:
    """Parts that are read together: of one sweep, and not too many, since a dataset keeps their footers."""
    for _, of_one_sweep in groupby(parts, key=lambda part: (part.prefix, part.filesystem.type_name)):
        members = list(of_one_sweep)
        for start in range(0, len(members), _FILES_AT_ONCE):
            yield members[start : start + _FILES_AT_ONCE]


def _with_prefix(data: pa.Table | pa.RecordBatch, prefix: str) -> pa.Table | pa.RecordBatch:
    """The rows with the prefix before their trials' ids."""
    if not prefix or "trial_id" not in data.schema.names:
        return data
    index = data.schema.get_field_index("trial_id")
    ids = pc.binary_join_element_wise(prefix, data.column(index).cast(pa.string()), "")
    field = data.schema.field(index)
    return data.set_column(index, field, ids.dictionary_encode().cast(field.type))


def read_rows(parts: Sequence[LedgerPart], columns: Sequence[str], split: Split | None = None) -> pa.Table:
    """Some columns of the rows of some parts.

    Args:
        parts: files of the ledger.
        columns: names in LEDGER_SCHEMA.
        split: only its rows; all where not given.

    Raises:
        UserError: a file cannot be read although its footer could.
    """
    parts = [part for part in parts if split is None or split in part.splits]
    empty = pa.schema([_as_read(LEDGER_SCHEMA.field(name)) for name in columns]).empty_table()
    try:
        tables = [
            _with_prefix(_scanner(group, columns, split).to_table(), group[0].prefix)
            for group in _groups(parts)
        ]
        return pa.concat_tables([empty, *tables]).unify_dictionaries()
    except (pa.ArrowInvalid, OSError) as error:
        damaged = next((part.path for part in parts if not _can_be_read(part, columns)), None)
        reason = " ".join(str(error).split())
        raise UserError(
            f"{damaged or 'the ledger'} must be a whole file, got one that is damaged in its middle "
            f"({reason}); copy it again, or remove it"
        ) from error


def _can_be_read(part: LedgerPart, columns: Sequence[str]) -> bool:
    try:
        _scanner([part], columns, None).to_table()
    except (pa.ArrowInvalid, OSError):
        return False
    return True


def stream_rows(parts: Sequence[LedgerPart], columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """The same batch by batch, in the plain types of LEDGER_SCHEMA; memory does not grow with the rows."""
    schema = pa.schema([LEDGER_SCHEMA.field(name) for name in columns])
    for group in _groups(parts):
        for batch in _scanner(group, columns, None).to_batches():
            yield _with_prefix(batch, group[0].prefix).cast(schema)
