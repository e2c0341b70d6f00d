"""The ledger in other forms: one Parquet file, CSV, a pandas data frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from analysis.ledger_parts import stream_rows
from common.errors import UserError
from common.ledger import LEDGER_SCHEMA

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd

    from analysis.sweep import Sweep
    from common.ledger import Split

__all__ = ["ledger_to_csv", "ledger_to_pandas", "ledger_to_parquet"]


def ledger_to_parquet(sweep: Sweep, path: Path) -> int:
    """Write the whole ledger into one file, in today's schema and version; memory does not grow with it.

    Returns:
        The number of rows.
    """
    with pq.ParquetWriter(path, LEDGER_SCHEMA) as writer:
        for batch in stream_rows(sweep.parts, LEDGER_SCHEMA.names):
            writer.write_batch(batch)
    return sweep.num_rows


def ledger_to_csv(sweep: Sweep, path: Path, columns: Sequence[str] = tuple(LEDGER_SCHEMA.names)) -> int:
    """Write columns of the ledger as CSV with a header line; what is null is empty.

    Returns:
        The number of rows.
    """
    schema = pa.schema([LEDGER_SCHEMA.field(name) for name in columns])
    with pa_csv.CSVWriter(path, schema) as writer:
        for batch in stream_rows(sweep.parts, columns):
            writer.write_batch(batch)
    return sweep.num_rows


def ledger_to_pandas(
    sweep: Sweep, columns: Sequence[str] = tuple(LEDGER_SCHEMA.names), split: Split | None = None
) -> pd.DataFrame:
    """Columns of the ledger as a data frame; what repeats is categorical.

    Args:
        sweep: a stored sweep.
        columns: names in LEDGER_SCHEMA. Without `completion` and `music_config` ten million rows fit in 2 GB.
        split: only its rows; all where not given.

    Raises:
        UserError: pandas is not installed.
    """
    try:
        import pandas  # noqa: F401, PLC0415 - the notebooks extra
    except ImportError as error:
        raise UserError(
            "a data frame takes pandas, which is not installed; run `pip install 'vibesweep[notebooks]'`"
        ) from error
    return sweep.rows(columns, split).to_pandas()
