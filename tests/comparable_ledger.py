"""A ledger as two runs of one sweep must have it alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analysis import load_sweep
from common.ledger import KEY, TIMINGS

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa


def comparable_ledger(place: Path | str) -> pa.Table:
    """A sweep's ledger by key, timings left out."""
    table = load_sweep(place).ledger.drop_columns(list(TIMINGS))
    return table.sort_by([(name, "ascending") for name in KEY])
