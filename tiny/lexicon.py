"""The lexicon: evocative words, the config labels that each pulls on, and how words are found in a vibe."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, cast, get_args

import yaml

from common.music_schema import CONFIG_LABELS, Label
from tiny.palettes import FAMILIES

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["LEXICON_PATH", "Entry", "Kind", "Lexicon", "find_words", "load_lexicon", "normalize"]

LEXICON_PATH = Path(__file__).parent / "data" / "lexicon.yaml"

Kind = Literal["place", "time", "weather", "thing", "mood", "quality", "genre", "action"]
"""What a word is, so that templates can put it in its place."""

_UNCOUNTED: frozenset[Kind] = frozenset({"quality", "genre", "action"})
"""Kinds that match only as they are written: "rocks" are not rock."""

_TOKEN = re.compile(r"[a-z0-9]+(?:[-'][a-z0-9]+)*")


@dataclass(frozen=True)
class Entry:
    """One word or phrase: its kind, its colour family, and the label it pulls on per config field."""

    text: str
    kind: Kind
    color: str
    pulls: Mapping[str, Label]


@dataclass(frozen=True)
class Lexicon:
    """All entries, in the file's order, by their tokens and by their kind."""

    entries: tuple[Entry, ...]
    by_tokens: Mapping[tuple[str, ...], Entry]
    by_kind: Mapping[Kind, tuple[Entry, ...]]
    longest: int
    """Tokens of the longest phrase."""


def _tokens(text: str) -> list[str]:
    return _TOKEN.findall(text.lower().replace("\u2019", "'"))


def normalize(vibe: str) -> str:
    """The vibe's tokens, lower case, single spaces: equal for vibes that differ in case or punctuation.

    >>> normalize("Rainy window.  Lo-fi, 3am!")
    'rainy window lo-fi 3am'
    """
    return " ".join(_tokens(vibe))


def _entry(text: str, kind: Kind, row: Mapping[str, object], path: Path) -> Entry:
    pulls = {name: cast("Label", label) for name, label in row.items() if name != "color"}
    for name, label in pulls.items():
        allowed = CONFIG_LABELS.get(name)
        if allowed is None:
            raise ValueError(
                f"{path}: {kind}.{text} pulls on {name!r}, which is no field of MusicConfig; rename it"
            )
        if not any(type(label) is type(other) and label == other for other in allowed):
            raise ValueError(
                f"{path}: {kind}.{text} pulls {name} to {label!r}, must be one of {list(allowed)}"
            )
    color = row.get("color")
    if not (isinstance(color, str) and color in FAMILIES):
        raise ValueError(f"{path}: {kind}.{text} has color {color!r}, must be one of {list(FAMILIES)}")
    return Entry(text=text, kind=kind, color=color, pulls=MappingProxyType(pulls))


@cache
def load_lexicon(path: Path = LEXICON_PATH) -> Lexicon:
    """Read and check the lexicon; read once per process.

    Raises:
        ValueError: an unknown kind, field, label or colour family, or a word that is there twice.
    """
    groups = cast("dict[str, dict[str, dict[str, object]]]", yaml.safe_load(path.read_text(encoding="utf-8")))
    entries: list[Entry] = []
    by_tokens: dict[tuple[str, ...], Entry] = {}
    for kind, words in groups.items():
        if kind not in get_args(Kind):
            raise ValueError(f"{path}: unknown kind {kind!r}, must be one of {list(get_args(Kind))}")
        for text, row in words.items():
            entry = _entry(text, cast("Kind", kind), row, path)
            tokens = tuple(_tokens(text))
            if tokens in by_tokens:
                raise ValueError(f"{path}: {text!r} is there twice; remove one")
            entries.append(entry)
            by_tokens[tokens] = entry
    by_kind = {kind: tuple(entry for entry in entries if entry.kind == kind) for kind in get_args(Kind)}
    return Lexicon(
        entries=tuple(entries),
        by_tokens=MappingProxyType(by_tokens),
        by_kind=MappingProxyType(by_kind),
        longest=max(len(tokens) for tokens in by_tokens),
    )


def _forms(token: str) -> tuple[str, ...]:
    """The token and what it may be the plural or the possessive of."""
    forms = [token, token.removesuffix("'s")]
    if len(token) > 3 and token.endswith("s") and not token.endswith("ss"):
        forms.append(token[:-1])
        if token.endswith("es"):
            forms.append(token[:-2])
        if token.endswith("ies"):
            forms.append(token[:-3] + "y")
    else:
        forms.append(token + "s")
    return tuple(dict.fromkeys(forms))


def _match(words: list[str], lexicon: Lexicon) -> Entry | None:
    """The entry whose phrase these words are; the last word may be a plural or a singular."""
    for form in _forms(words[-1]):
        entry = lexicon.by_tokens.get((*words[:-1], form))
        if entry is not None and (form == words[-1] or entry.kind not in _UNCOUNTED):
            return entry
    return None


def find_words(vibe: str, lexicon: Lexicon | None = None) -> tuple[Entry, ...]:
    """The lexicon's entries in a vibe, left to right, the longest phrase first, each entry once.

    Args:
        vibe: any text; case and punctuation do not matter, and a phrase does not care for a full stop.
        lexicon: the shipped one by default.

    >>> [entry.text for entry in find_words("Late night in two cathedrals")]
    ['late night', 'cathedral']
    """
    lexicon = lexicon or load_lexicon()
    tokens = _tokens(vibe)
    found: dict[str, Entry] = {}
    start = 0
    while start < len(tokens):
        step = 1
        for size in range(min(lexicon.longest, len(tokens) - start), 0, -1):
            entry = _match(tokens[start : start + size], lexicon)
            if entry is not None:
                found.setdefault(entry.text, entry)
                step = size
                break
        start += step
    return tuple(found.values())
