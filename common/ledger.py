"""The ledger: one Parquet row per scored completion, from which every outcome is computed.

A trial writes parts, each atomically and under a name that says what it holds, so that work done
again after a crash replaces its part instead of adding rows. The key of a row is
(trial_id, step, split, prompt_id, sample).
"""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Final, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from common.durable import replace_durably

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

__all__ = [
    "KEY",
    "LEDGER_SCHEMA",
    "LEDGER_VERSION",
    "STARTING_POLICIES",
    "TIMINGS",
    "WITHOUT_POLICY",
    "LedgerRow",
    "RowKind",
    "Split",
    "as_current",
    "ledger_version",
    "write_part",
]

LEDGER_VERSION: Final = "2"
_ADDED_BY_2: Final = (
    "similarity",
    "mismatched",
    "level_db",
    "clipped",
    "flatness",
    "music_config",
    "eval_clap_similarity",
    "eval_clap_id",
)
RowKind = Literal["trial", "untrained_policy", "sft_policy", "random_configs", "retrieval"]
"""A trial, or which baseline."""
STARTING_POLICIES: Final = ("untrained_policy", "sft_policy")
"""Baselines that are what trials of their model and prompt start from: as it came, or after SFT."""
WITHOUT_POLICY: Final = ("random_configs", "retrieval")
"""Baselines for which no policy writes: random valid configs, and the corpus's config of the nearest vibe."""
Split = Literal["train", "held_out", "held_out_greedy", "held_out_constrained"]
"""Rollouts, the evaluation that trials are ranked by, and its vibes decoded in other ways, to look at."""

_VERSION_KEY: Final = b"vibesweep.ledger_version"

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
    """Seed of this completion's decoding noise; -1 for rollouts, which draw from the trial's stream, and for
    greedy decoding, which draws nothing."""
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
    """Hash of what the policy reads around a vibe, as its chat template renders it: one value for each way in
    which a base model is asked. Empty where nobody is asked, as for random configs."""
    off_policy_depth: int
    """Optimizer steps taken on one batch of rollouts."""
    similarity: float | None = None
    """Cosine of the rendered sound and its vibe. From here on: None where nothing was rendered, or a scorer
    does not say what it heard, or version 1 wrote the row."""
    mismatched: float | None = None
    """Mean cosine of the rendered sound and the other vibes of its evaluation; None for rollouts."""
    level_db: float | None = None
    """RMS of the rendered sound in dB of full scale."""
    clipped: float | None = None
    """Share of the sound's samples at full scale."""
    flatness: float | None = None
    """Spectral flatness of the sound, 0 (tone) to 1 (white noise)."""
    music_config: str | None = None
    """The config part as canonical JSON."""
    eval_clap_similarity: float | None = None
    """Cosine of the rendered sound and its vibe as the objective's `eval_clap` hears them."""
    eval_clap_id: str | None = None
    """The scorer's id of that second checkpoint; None where the sweep has none."""


_TYPES: Final = {"str": pa.string(), "int": pa.int64(), "float": pa.float64(), "bool": pa.bool_()}


def _arrow_type(annotation: str) -> pa.DataType:
    return _TYPES.get(annotation.split(" |", maxsplit=1)[0], pa.string())


LEDGER_SCHEMA: Final = pa.schema(
    [pa.field(f.name, _arrow_type(str(f.type)), nullable="None" in str(f.type)) for f in fields(LedgerRow)],
    metadata={_VERSION_KEY: LEDGER_VERSION.encode()},
)


def ledger_version(metadata: Mapping[bytes, bytes] | None) -> str:
    """The version of the ledger that wrote a part, from its key-value metadata.

    Raises:
        ValueError: it is of no version that is known.
    """
    version = (metadata or {}).get(_VERSION_KEY, b"none").decode()
    if version not in (LEDGER_VERSION, "1"):
        raise ValueError(f"ledger version must be 1 to {LEDGER_VERSION}, got {version}")
    return version


def as_current(table: pa.Table) -> pa.Table:
    """A part as this version writes it; columns that came later are null.

    Raises:
        ValueError: it is of no version that is known.
    """
    if ledger_version(table.schema.metadata) == "1":
        for name in _ADDED_BY_2:
            empty = pa.nulls(table.num_rows, LEDGER_SCHEMA.field(name).type)
            table = table.append_column(LEDGER_SCHEMA.field(name), empty)
    return table.select(LEDGER_SCHEMA.names).cast(LEDGER_SCHEMA)


def write_part(path: Path, rows: Sequence[LedgerRow]) -> None:
    """Write one part atomically and durably; a part of the same name is replaced.

    Args:
        path: `…/ledger/<name>.parquet`; the folder is made.
        rows: the part's rows.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Arrow's default pool keeps megabytes for every thread that ever wrote; the system's gives them back.
    pool = pa.system_memory_pool()
    columns = [
        pa.array([getattr(row, column.name) for row in rows], column.type, memory_pool=pool)
        for column in LEDGER_SCHEMA
    ]
    unfinished = path.with_suffix(f".tmp{os.getpid()}")
    pq.write_table(pa.table(columns, schema=LEDGER_SCHEMA), unfinished, memory_pool=pool)
    replace_durably(unfinished, path)
