"""Vibes from JSONL files: one row per line, in the file's order."""

from __future__ import annotations

import hashlib
import json
import random
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from common.errors import UserError
from common.training_config import PROJECT_ROOT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from common.objective import ObjectiveConfig
    from common.training_config import DataConfig

__all__ = [
    "VibeRow",
    "data_path",
    "has_responses",
    "held_out_rows",
    "load_answered",
    "load_responses",
    "load_rows",
    "split_rows",
]

_TINY = {"train": "vibes_train.jsonl", "held_out": "vibes_held_out.jsonl", "sft": "sft_sample.jsonl"}


class VibeRow(NamedTuple):
    """One row: what the policy reads and what the reward compares with."""

    prompt_id: str
    """12 hex digits of the SHA-256 of both texts, `-2` and so on after a repeated row: unique in its file."""
    prompt: str
    reference: str


def data_path(name: str, split: Literal["train", "held_out", "sft"]) -> Path:
    """The file that a data setting stands for: `tiny` is the embedded corpus.

    `sft` are training rows with responses: any file may have them, the embedded corpus keeps them apart.
    """
    return PROJECT_ROOT / "tiny" / "data" / _TINY[split] if name == "tiny" else Path(name).expanduser()


def load_rows(path: Path, fields: DataConfig) -> list[VibeRow]:
    """The rows of a JSONL file.

    Raises:
        UserError: no such file, no rows, a broken line, or a row without the prompt field.
    """
    rows = []
    seen: Counter[str] = Counter()
    for line, record in _records(path):
        prompt = _text(path, line, record, fields.prompt_field, "data.prompt_field")
        reference = prompt
        if record.get(fields.reference_field) is not None:
            reference = _text(path, line, record, fields.reference_field, "data.reference_field")
        digest = hashlib.sha256(f"{prompt}\n{reference}".encode("utf-8", "surrogatepass")).hexdigest()[:12]
        seen[digest] += 1
        rows.append(VibeRow(f"{digest}-{seen[digest]}" if seen[digest] > 1 else digest, prompt, reference))
    return rows


def held_out_rows(rows: Sequence[VibeRow], objective: ObjectiveConfig, path: Path) -> Sequence[VibeRow]:
    """The first `num_vibes` rows.

    Raises:
        UserError: the file has fewer.
    """
    if objective.num_vibes is not None and not len(rows) >= objective.num_vibes:
        raise UserError(
            f"objective.num_vibes must be <= the rows of {path}, got {objective.num_vibes} > {len(rows)}; "
            "lower it or add held-out vibes"
        )
    return rows[: objective.num_vibes]


def split_rows(rows: Sequence[VibeRow], share: float, seed: int) -> tuple[list[int], list[int]]:
    """Which rows are trained on, and which are held back to validate.

    Rows of one reference stay together: a vibe in two spellings would otherwise be learned from and then
    asked. Each reference has a draw of its own, so that a row more moves no other.

    Args:
        rows: of the training file.
        share: of the rows to hold back, in [0, 1); at least this many are, where it is not 0.
        seed: decides which.

    Returns:
        Both sets of indices, in the file's order.

    Raises:
        UserError: nothing would be left to train on.
    """
    groups: dict[str, list[int]] = {}
    for index, row in enumerate(rows):
        groups.setdefault(row.reference, []).append(index)
    drawn = sorted(groups, key=lambda text: random.Random(f"validation {seed} {text}").random())
    held: list[int] = []
    for text in drawn:
        if len(held) >= share * len(rows):
            break
        held += groups[text]
    if len(held) == len(rows):
        raise UserError(
            f"the validation share must leave rows to train on, got {share:g} of {len(rows)} rows with "
            f"{len(groups)} different references; lower it or add rows"
        )
    return sorted(set(range(len(rows))) - set(held)), sorted(held)


def load_responses(path: Path, fields: DataConfig) -> list[str]:
    """The response of every row of a JSONL file, as the JSON text that SFT teaches.

    Raises:
        UserError: no such file, no rows, a broken line, or a row without the response field.
    """
    return [_response(path, line, record, fields) for line, record in _records(path)]


def has_responses(path: Path, fields: DataConfig) -> bool:
    """Whether any row of a JSONL file has a response.

    Raises:
        UserError: no such file, no rows, or a broken line.
    """
    return any(record.get(fields.response_field) is not None for _, record in _records(path))


def load_answered(path: Path, fields: DataConfig) -> list[tuple[VibeRow, str]]:
    """The rows of a JSONL file that have a response, each with it; the others are passed over.

    Raises:
        UserError: no such file, a broken line, a row without the prompt field, or no row with a response.
    """
    answered = [
        (row, _response(path, line, record, fields))
        for row, (line, record) in zip(load_rows(path, fields), _records(path), strict=True)
        if record.get(fields.response_field) is not None
    ]
    if not answered:
        raise UserError(
            f"{path} must have a row with a response in {fields.response_field!r}, got none; add some, or "
            "name another field in data.response_field"
        )
    return answered


def _response(path: Path, line: int, record: dict[str, Any], fields: DataConfig) -> str:
    response = record.get(fields.response_field)
    if isinstance(response, dict):
        return json.dumps(response, ensure_ascii=False, separators=(",", ":"))
    return _text(path, line, record, fields.response_field, "data.response_field")


def _records(path: Path) -> list[tuple[int, dict[str, Any]]]:
    """Line number and object of every line that is not blank."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"data must be a readable UTF-8 JSONL file, got {str(path)!r} ({error}); check the path"
        ) from error
    records = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise UserError(
                f"{path} line {number} must be one JSON object, got {line[:60]!r} ({error}); repair the line"
            ) from error
        if not isinstance(record, dict):
            raise UserError(
                f"{path} line {number} must be one JSON object, got {line[:60]!r}; repair the line"
            )
        records.append((number, record))
    if not records:
        raise UserError(f"{path} must have at least one row, got none; check that it is the right file")
    return records


def _text(path: Path, line: int, record: dict[str, Any], field: str, setting: str) -> str:
    value = record.get(field)
    if not (isinstance(value, str) and value.strip()):
        raise UserError(
            f"{path} line {line}: field {field!r} must be a non-empty text, got {value!r}; add it, or name "
            f"another field in {setting} (the row has {', '.join(sorted(record)) or 'no fields'})"
        )
    return value
