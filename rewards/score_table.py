"""A Parquet file of scores, written in parts so that an interrupted scoring goes on where it stopped.

Each batch is a part of its own in a hidden folder beside the file; the file itself appears at the end, whole.
Both say which input, scorer and weights they are of, and another's scores are never mixed in.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError

from common.errors import UserError
from common.model import FrozenModel
from common.reward_config import RewardWeights

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

__all__ = ["SCORE_SCHEMA", "ScoreIdentity", "ScoreRow", "ScoreTable"]

_IDENTITY_KEY: Final = b"vibesweep.scores"


class ScoreIdentity(FrozenModel):
    """What decides a file's scores; two that differ have no row in common."""

    input_sha256: str
    """Of the bytes of the scored file."""
    scorer_id: str
    renderer_id: str
    weights: RewardWeights
    """Of the components in the reward."""
    audio_floor: float
    """What audio counts in the reward where the config cannot be rendered."""


@dataclass(frozen=True, slots=True)
class ScoreRow:
    """One scored line. The components are raw and None where the ledger's are; the reward has the floor."""

    line: int
    """Line of the input, counted from 1."""
    vibe: str
    config_hash: str | None
    """Of the config that sounds; None where there is none."""
    format: float | None
    schema: float | None
    audio: float | None
    renderable: bool | None
    reward: float | None
    similarity: float | None
    """From here to flatness as in the ledger: what the scorer heard, None where it says nothing."""
    level_db: float | None
    clipped: float | None
    flatness: float | None
    unscored_reason: str | None
    scorer_id: str
    renderer_id: str


SCORE_SCHEMA: Final = pa.schema(
    [
        pa.field("line", pa.int64(), nullable=False),
        pa.field("vibe", pa.string(), nullable=False),
        pa.field("config_hash", pa.string()),
        pa.field("format", pa.float64()),
        pa.field("schema", pa.float64()),
        pa.field("audio", pa.float64()),
        pa.field("renderable", pa.bool_()),
        pa.field("reward", pa.float64()),
        pa.field("similarity", pa.float64()),
        pa.field("level_db", pa.float64()),
        pa.field("clipped", pa.float64()),
        pa.field("flatness", pa.float64()),
        pa.field("unscored_reason", pa.string()),
        pa.field("scorer_id", pa.string(), nullable=False),
        pa.field("renderer_id", pa.string(), nullable=False),
    ]
)


class ScoreTable:
    """The file, and the parts that it is made of while it is not finished."""

    def __init__(self, path: Path, identity: ScoreIdentity) -> None:
        """
        Args:
            path: the file; its folder exists.
            identity: what its scores are of.
        """
        self.path = path
        self._parts = path.with_name(f".{path.name}.parts")
        self._identity = identity

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Hold the table, so that two processes cannot write it at once.

        Raises:
            UserError: another one holds it, its folder is not writable, or the disk is full.
        """
        with _writable(self.path):
            self._parts.mkdir(exist_ok=True)
            lock = os.open(self._parts / ".lock", os.O_RDWR | os.O_CREAT)
        try:
            self._lock(lock)
            for unfinished in self._parts.glob(".*.tmp"):
                unfinished.unlink()
            try:
                yield
            finally:
                self._leave()
        finally:
            os.close(lock)

    def _lock(self, lock: int) -> None:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UserError(
                f"OUT {self.path} must be written by one command at a time, got a second; wait for the first"
            ) from error

    def scored(self) -> set[int]:
        """Lines that have their scores; unscored ones are not among them.

        Raises:
            UserError: the file or a part is of something else.
        """
        lines: set[int] = set()
        for table in self._tables(["line", "unscored_reason"]):
            reasons = table["unscored_reason"].to_pylist()
            pairs = zip(table["line"].to_pylist(), reasons, strict=True)
            lines.update(line for line, reason in pairs if reason is None)
        return lines

    def write(self, rows: Sequence[ScoreRow]) -> None:
        """Keep scored rows, atomically and in a part of their own."""
        last = max((int(part.stem) for part in self._part_files()), default=-1)
        table = pa.Table.from_pylist([asdict(row) for row in rows], schema=self._schema())
        with _writable(self.path):
            _write(self._parts / f"{last + 1:08d}.parquet", table)

    def finish(self, lines: Sequence[int]) -> pa.Table:
        """Put the parts together into the file: one row for each line, in order.

        Args:
            lines: the input's lines, ascending. All must have been written.

        Returns:
            The file's rows.
        """
        table = pa.concat_tables(self._tables())
        best: dict[int, int] = {}
        unscored: set[int] = set()
        columns = (table["line"].to_pylist(), table["unscored_reason"].to_pylist())
        for row, (line, reason) in enumerate(zip(*columns, strict=True)):
            if reason is None:
                unscored.discard(line)
                best[line] = row
            elif line not in best or line in unscored:  # a score is never given up for a reason
                unscored.add(line)
                best[line] = row
        assert best.keys() == set(lines), f"{len(best)} of {len(lines)} lines were written"
        table = table.take([best[line] for line in lines]).replace_schema_metadata(self._schema().metadata)
        if self._part_files():
            with _writable(self.path):
                _write(self.path, table)
            for part in self._part_files():
                part.unlink()
        return table

    def _part_files(self) -> list[Path]:
        return sorted(self._parts.glob("*.parquet"))

    def _tables(self, columns: list[str] | None = None) -> list[pa.Table]:
        """The file's and the parts' rows, the oldest first."""
        files = ([self.path] if self.path.exists() else []) + self._part_files()
        for file in files:
            self._require_same(file)
        return [pq.read_table(file, columns=columns, partitioning=None) for file in files]

    def _require_same(self, file: Path) -> None:
        try:
            found = ScoreIdentity.model_validate_json(
                (pq.read_schema(file).metadata or {}).get(_IDENTITY_KEY, b"")
            )
        except (pa.ArrowInvalid, ValidationError, OSError) as error:
            raise UserError(
                f"{file} holds no scores of this command; name another OUT, or remove it"
            ) from error
        if found == self._identity:
            return
        was, now = found.model_dump(), self._identity.model_dump()
        differing = ", ".join(
            f"{name} {_shown(was[name])}, not {_shown(now[name])}" for name in was if was[name] != now[name]
        )
        there = file if file == self.path else self._parts
        raise UserError(
            f"OUT {self.path} has scores of something else ({differing}); name another OUT, or remove {there}"
        )

    def _schema(self) -> pa.Schema:
        return SCORE_SCHEMA.with_metadata({_IDENTITY_KEY: self._identity.model_dump_json().encode()})

    def _leave(self) -> None:
        """Remove the folder, if nothing is left in it but the lock."""
        if self._parts.is_dir() and {entry.name for entry in self._parts.iterdir()} <= {".lock"}:
            (self._parts / ".lock").unlink(missing_ok=True)
            self._parts.rmdir()


@contextmanager
def _writable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(f"OUT must be writable, got {str(path)!r}: {error}") from error


def _write(path: Path, table: pa.Table) -> None:
    unfinished = path.with_name(f".{path.name}.tmp")
    try:
        pq.write_table(table, unfinished)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def _shown(value: object) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:12]}…"
