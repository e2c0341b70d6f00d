"""The ledger: one Parquet row per scored completion, from which every outcome is computed.

A trial writes parts, each atomically and under a name that says what it holds, so that work done
again after a crash replaces its part instead of adding rows. The key of a row is
(trial_id, step, split, prompt_id, sample).
"""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Final, Literal

import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["KEY", "LEDGER_SCHEMA", "LEDGER_VERSION", "TIMINGS", "LedgerRow", "RowKind", "Split", "write_part"]

LEDGER_VERSION: Final = "1"
RowKind = Literal["trial", "untrained_policy", "random_configs"]
"""A trial, or which baseline."""
Split = Literal["train", "held_out"]

KEY: Final = ("trial_id", "step", "split", "prompt_id", "sample")
TIMINGS: Final = ("generate_s", "score_s")
"""Columns that differ between two equal runs."""


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """One scored completion.

    `format`, `schema` and `audio` are raw components. All three are None where the completion is
    unscored (then `unscored_reason` says why); `audio` alone is None where the config cannot be
    rendered, and the objective puts its floor there.
    """

    sweep: str
    kind: RowKind
    trial_id: str
    config_hash: str
    """Hash of the trial's configuration without its seed: equal for the replicates of one point."""
    seed: int
    step: int
    """Optimizer steps taken when the completion was written."""
    split: Split
    prompt_id: str
    sample: int
    """Index within the prompt's completions of this step."""
    decoding_seed: int
    """Seed of this completion's decoding noise; -1 for rollouts, which draw from the trial's stream."""
    vibe: str
    """The clean reference text."""
    completion: str
    format: float | None
    schema: float | None
    audio: float | None
    renderable: bool | None
    unscored_reason: str | None
    num_tokens: int
    generate_s: float
    """Seconds of the generation batch, divided by its completions."""
    score_s: float
    """Seconds of the scoring batch, divided by its completions."""
    scorer_id: str
    renderer_id: str
    prompt_hash: str
    """Hash of the rendered system prompt."""
    off_policy_depth: int
    """Optimizer steps taken on one batch of rollouts."""


_TYPES: Final = {"str": pa.string(), "int": pa.int64(), "float": pa.float64(), "bool": pa.bool_()}


def _arrow_type(annotation: str) -> pa.DataType:
    return _TYPES.get(annotation.split(" |", maxsplit=1)[0], pa.string())


LEDGER_SCHEMA: Final = pa.schema(
    [pa.field(f.name, _arrow_type(str(f.type)), nullable="None" in str(f.type)) for f in fields(LedgerRow)],
    metadata={"vibesweep.ledger_version": LEDGER_VERSION},
)


def write_part(path: Path, rows: Sequence[LedgerRow]) -> None:
    """Write one part atomically; a part of the same name is replaced.

    Args:
        path: `…/ledger/<name>.parquet`; the folder is made.
        rows: the part's rows.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_pylist([asdict(row) for row in rows], schema=LEDGER_SCHEMA)
    unfinished = path.with_suffix(f".tmp{os.getpid()}")
    pq.write_table(table, unfinished)
    unfinished.replace(path)
