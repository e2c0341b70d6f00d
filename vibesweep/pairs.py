"""Reading (vibe, config) pairs that the user names: all lines checked first, then read a batch at a time."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pydantic import ValidationError

from common.errors import ProblemsError, UserError, first_problem
from rewards import strict_json
from vibesweep.music_configs import config_in
from vibesweep.options import existing_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

__all__ = ["Pair", "PairFile", "read_pairs"]

VIBE_KEYS: Final = ("vibe", "vibe_original", "vibe_noisy")
"""Where a vibe may be, the first that is there; the last two are those of the project's rows."""
CONTENT_KEYS: Final = ("config", "completion", "config_payload")
MAX_PROBLEMS: Final = 100
"""Broken lines that are told one by one; a file of another kind has a million."""


class Pair(NamedTuple):
    """One vibe, and what was written for it as a completion."""

    line: int
    """Line of the file, counted from 1."""
    vibe: str
    completion: str


@dataclass(frozen=True)
class PairFile:
    """A JSONL file whose every line was found in order. Only places are held, so its size may be any."""

    path: Path
    sha256: str
    """Of its bytes, 64 hex digits."""
    places: tuple[tuple[int, int], ...]
    """(line, first byte) of every line that is not blank."""

    @property
    def lines(self) -> list[int]:
        """Numbers of the lines that are not blank."""
        return [line for line, _ in self.places]

    def batches(self, wanted: set[int], size: int) -> Iterator[list[Pair]]:
        """The pairs of the wanted lines in their order, at most `size` together."""
        places = (place for place in self.places if place[0] in wanted)
        while some := list(islice(places, size)):
            yield self._read(some)

    def _read(self, places: Sequence[tuple[int, int]]) -> list[Pair]:
        pairs = []
        with self.path.open("rb") as file:
            for line, start in places:
                file.seek(start)
                try:
                    pairs.append(_pair(line, file.readline()))
                except (ValueError, RecursionError) as error:
                    raise UserError(f"{self.path} line {line} changed while it was scored") from error
        return pairs


def read_pairs(path: Path) -> PairFile:
    """Check a JSONL file, a pair on each line; blank lines are passed over.

    A pair is an object with a vibe (`vibe`, or a row's `vibe_original`, else its `vibe_noisy`) and one of

    - `config`: a valid config, or a payload that has one;
    - `completion`: any text, which need not be JSON;
    - `config_payload`: a row's payload, as text or object, with a valid config.

    Other keys are left alone.

    Raises:
        UserError: no such file, or no line in it.
        ProblemsError: broken lines, at most MAX_PROBLEMS of them one by one.
    """
    digest = hashlib.sha256()
    places: list[tuple[int, int]] = []
    problems: list[str] = []
    broken = start = 0
    with existing_file(path, "PAIRS").open("rb") as file:
        for number, raw in enumerate(file, start=1):
            digest.update(raw)
            if raw.strip():
                places.append((number, start))
                problem = _problem(number, raw)
                broken += problem is not None
                if problem is not None and broken <= MAX_PROBLEMS:
                    problems.append(f"{path} line {number}{problem}")
            start += len(raw)
    if broken > MAX_PROBLEMS:
        problems.append(
            f"{path} has {broken - MAX_PROBLEMS} more broken lines; check that it is the right file"
        )
    if problems:
        raise ProblemsError(problems)
    if not places:
        raise UserError(f"{path} must have at least one pair, got none; check that it is the right file")
    return PairFile(path, digest.hexdigest(), tuple(places))


def _problem(number: int, raw: bytes) -> str | None:
    """What is wrong with a line, to be put after its number; None where nothing is."""
    try:
        _pair(number, raw)
    except ValidationError as error:  # a ValueError too, so before it
        return f": {first_problem(error)}"
    except UnicodeDecodeError as error:
        return f" must be UTF-8 text: {error.reason} at its byte {error.start}; repair the line"
    except UserError as error:
        return f": {error}"
    except (ValueError, RecursionError) as error:
        return f" must be one JSON object: {error}; repair the line"
    return None


def _pair(number: int, raw: bytes) -> Pair:
    row = strict_json(raw.decode("utf-8"))
    if not isinstance(row, dict):
        raise UserError(f"a line must be one JSON object, got {type(row).__name__}; repair the line")
    return Pair(number, _vibe(row), _completion(row))


def _vibe(row: dict[str, Any]) -> str:
    key = next((key for key in VIBE_KEYS if row.get(key) is not None), None)
    if key is None:
        raise UserError("vibe: missing; add it")
    vibe = row[key]
    if not (isinstance(vibe, str) and vibe.strip()):
        raise UserError(f"{key} must be a text that is not blank, got {_short(vibe)}; write one")
    try:
        vibe.encode()
    except UnicodeEncodeError as error:
        half = f"\\u{ord(vibe[error.start]):04x}"
        raise UserError(
            f"{key} must be whole characters, got {half} without its other half; remove it"
        ) from error
    return vibe


def _completion(row: dict[str, Any]) -> str:
    """The text that is scored. A bare config is put where a payload has it."""
    keys = [key for key in CONTENT_KEYS if key in row]
    if len(keys) != 1:
        found = " and ".join(keys) or "none"
        raise UserError(f"a line must have one of {', '.join(CONTENT_KEYS)}, got {found}; leave one")
    value = row[keys[0]]
    if keys[0] == "completion":
        if not isinstance(value, str):
            raise UserError(f"completion must be a text, got {_short(value)}; an object goes into config")
        return value
    config_in({"config_payload": value})  # raises where it holds no valid config
    payload = strict_json(value) if isinstance(value, str) else value
    if "config" not in payload:
        return json.dumps({"config": payload})
    return value if isinstance(value, str) else json.dumps(value)


def _short(value: object) -> str:
    kind = type(value).__name__
    return repr(value) if value is None or isinstance(value, bool | float) or value == "" else f"a {kind}"
