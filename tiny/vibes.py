"""Vibes: the ones written by hand, and synthetic ones of many shapes made from the lexicon's words."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast, get_args

from tiny.lexicon import Kind, load_lexicon, normalize

if TYPE_CHECKING:
    import random

__all__ = ["VIBE_PATHS", "Split", "held_out_keys", "load_vibes", "sample_vibe"]

Split = Literal["train", "held_out"]

_DATA = Path(__file__).parent / "data"
VIBE_PATHS: dict[Split, Path] = {
    "train": _DATA / "vibes_train.jsonl",
    "held_out": _DATA / "vibes_held_out.jsonl",
}

_TEMPLATES: tuple[tuple[int, str], ...] = (
    (6, "{quality} {thing}"),
    (5, "{quality} {place}"),
    (4, "{time} {thing}"),
    (4, "{weather} and {thing}"),
    (3, "{quality} {genre}"),
    (3, "{mood} and {mood}"),
    (3, "{thing} and {thing}"),
    (3, "{place} {time}"),
    (2, "{genre}, {quality} and {quality}"),
    (2, "{quality}, {quality}, {quality}"),
    (2, "{mood}"),
    (2, "{action}"),
    (6, "{thing} in the {place}"),
    (5, "{action} in the {place}"),
    (4, "{action} through the {weather}"),
    (4, "{quality} {mood} in a {place}"),
    (4, "{weather} over the {place}"),
    (4, "a {quality} {thing} in the {weather}"),
    (4, "{genre} for a {quality} {time}"),
    (4, "{genre} in a {quality} {place}"),
    (3, "{time} at the {place}"),
    (3, "{time}, {weather}, {thing}"),
    (3, "{place} at {time}"),
    (3, "{place} under the {thing}"),
    (3, "the {mood} of a {quality} {place}"),
    (3, "{action} with {thing} and {weather}"),
    (3, "the sound of {thing} in a {place}"),
    (3, "{action} like a {thing}"),
    (3, "{mood}, {action} alone"),
    (3, "somewhere between {mood} and {mood}"),
    (2, "{quality} like {weather}, {quality} like {thing}"),
    (2, "music for {action} in the {place}"),
    (2, "something {quality} and {quality} for {action}"),
    (2, "it feels like {mood} in {time}"),
    (4, "{action} through a {quality} {place}, {weather} everywhere"),
    (4, "{time} in the {place}. everything is {quality}"),
    (4, "{weather} on the {place}. {quality} {thing}, {mood}"),
    (3, "a {place} at {time}, {quality} and {quality}, with {thing}"),
    (3, "we are {action} in the {place}. the {thing} is {quality}"),
    (3, "{quality} {genre} with {thing}. {mood} and {weather}"),
    (3, "i am {action} and the {place} is {quality}. {weather} outside"),
    (2, "no {thing}, only {mood}. {quality} {place}"),
    (2, "the {thing} is {quality}. {time}, {action}"),
)
"""Weight and shape; a shape without a full stop is a phrase or one sentence."""

_WEIGHTS = [weight for weight, _ in _TEMPLATES]
_SHAPES = [shape for _, shape in _TEMPLATES]
_SLOT = re.compile(r"\{(\w+)\}")
_AN = re.compile(r"\b([Aa]) (?=[aeiou]|8)")


@cache
def load_vibes(split: Split) -> tuple[str, ...]:
    """The vibes of one split as they were written by hand, in the file's order."""
    lines = VIBE_PATHS[split].read_text(encoding="utf-8").splitlines()
    return tuple(str(json.loads(line)["vibe_original"]) for line in lines)


@cache
def held_out_keys() -> frozenset[str]:
    """Normalized held-out vibes, which the training corpus must never have."""
    return frozenset(normalize(vibe) for vibe in load_vibes("held_out"))


@cache
def _words(kind: Kind) -> tuple[str, ...]:
    return tuple(entry.text for entry in load_lexicon().by_kind[kind])


def _fill(shape: str, rng: random.Random) -> str:
    used: list[str] = []

    def word(slot: re.Match[str]) -> str:
        assert slot[1] in get_args(Kind)
        choices = _words(cast("Kind", slot[1]))
        text = rng.choice(choices)
        while text in used:
            text = rng.choice(choices)
        used.append(text)
        return text

    text = _SLOT.sub(word, shape)
    text = re.sub(r"\b(a|the|no|in|at) the (?=eighties|nineties)", "the ", text)
    return _AN.sub(r"\1n ", text)


def sample_vibe(rng: random.Random, split: Split = "train") -> str:
    """Write one synthetic vibe: a shape by weight, its slots filled with distinct words of the lexicon.

    Args:
        rng: the only source of chance.
        split: a `train` vibe is never one that was written by hand for the held-out split; a `held_out`
            vibe is never one that was written by hand for training.
    """
    other = (
        frozenset(normalize(vibe) for vibe in load_vibes("train")) if split == "held_out" else held_out_keys()
    )
    while True:
        vibe = _fill(rng.choices(_SHAPES, weights=_WEIGHTS)[0], rng)
        if rng.random() < 0.1:
            vibe = vibe[0].upper() + vibe[1:] + ("." if "." in vibe else "")
        if normalize(vibe) not in other:
            return vibe
