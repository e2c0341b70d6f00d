"""Vibes from JSONL files: one row per line, in the file's order."""

from __future__ import annotations

import hashlib
import json
import random
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from common.errors import UserError
from common.training_config import PROJECT_ROOT
from trainables.jsonl import each_line, text_in

if TYPE_CHECKING:
    from collections.abc import Sequence

    from common.objective import ObjectiveConfig
    from common.training_config import DataConfig
    from trainables.jsonl import Line

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
        UserError: no such file, or no rows in it.
        ProblemsError: broken lines, and rows without the prompt field.
    """
    rows = []
    seen: Counter[str] = Counter()
    for prompt, reference in each_line(path, lambda line: _vibe(line, fields)):
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
        UserError: no such file, or no rows in it.
        ProblemsError: broken lines, and rows without the response field.
    """
    return each_line(path, lambda line: _response(line, fields))


def has_responses(path: Path, fields: DataConfig) -> bool:
    """Whether any row of a JSONL file has a response.

    Raises:
        UserError: no such file, no rows, or broken lines.
    """
    return any(each_line(path, lambda line: line.record.get(fields.response_field) is not None))


def load_answered(path: Path, fields: DataConfig) -> list[tuple[VibeRow, str]]:
    """The rows of a JSONL file that have a response, each with it; the others are passed over.

    Raises:
        UserError: no such file, broken lines, rows without the prompt field, or no row with a response.
    """

    def response(line: Line) -> str | None:
        return None if line.record.get(fields.response_field) is None else _response(line, fields)

    both = zip(load_rows(path, fields), each_line(path, response), strict=True)
    answered = [(row, text) for row, text in both if text is not None]
    if not answered:
        raise UserError(
            f"{path} must have a row with a response in {fields.response_field!r}, got none; add some, or "
            "name another field in data.response_field"
        )
    return answered


def _vibe(line: Line, fields: DataConfig) -> tuple[str, str]:
    """Prompt and reference."""
    prompt = text_in(line, fields.prompt_field, "data.prompt_field")
    if line.record.get(fields.reference_field) is None:
        return prompt, prompt
    return prompt, text_in(line, fields.reference_field, "data.reference_field")


def _response(line: Line, fields: DataConfig) -> str:
    response = line.record.get(fields.response_field)
    if isinstance(response, dict):
        return json.dumps(response, ensure_ascii=False, separators=(",", ":"))
    return text_in(line, fields.response_field, "data.response_field")
