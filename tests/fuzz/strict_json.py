"""A slow, separate reading of the first JSON object in a text, to compare `rewards.text` with.

Written from RFC 8259 in plain Python, character by character: it shares no code with the `json` module, whose
scanner is in C, and a coverage-guided fuzzer can see its branches.
"""

from __future__ import annotations

import re
from typing import Any, Final

from rewards.text import MAX_ATTEMPTS, MAX_CHARACTERS, MAX_DEPTH

__all__ = ["first_object"]

_SPACE: Final = " \t\n\r"
_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_LITERALS: Final = {"null": None, "true": True, "false": False}
_ESCAPES: Final = dict(zip('"\\/bfnrt', '"\\/\b\f\n\r\t', strict=True))
_HEX: Final = frozenset("0123456789abcdefABCDEF")


class _NoJsonError(ValueError):
    pass


def first_object(text: str) -> tuple[dict[str, Any] | None, bool]:
    """What `rewards.text.first_json_object` must answer."""
    head = text[:MAX_CHARACTERS]
    opening = [place for place, character in enumerate(head) if character == "{"]
    for start in opening[:MAX_ATTEMPTS]:
        try:
            found, end = _object(head, start, 1)
        except ValueError:  # also Python's own, for an integer of too many digits
            continue
        around = text[:start] + text[end:]
        return found, len(text) <= MAX_CHARACTERS and all(character in _SPACE for character in around)
    return None, False


def _require_shallow(depth: int) -> None:
    if depth > MAX_DEPTH:
        raise _NoJsonError("too deep")


def _at(text: str, place: int) -> str:
    if place >= len(text):
        raise _NoJsonError("the text ends")
    return text[place]


def _skip(text: str, place: int) -> int:
    while place < len(text) and text[place] in _SPACE:
        place += 1
    return place


def _value(text: str, place: int, depth: int) -> tuple[Any, int]:
    character = _at(text, place)
    if character == "{":
        return _object(text, place, depth + 1)
    if character == "[":
        return _array(text, place, depth + 1)
    if character == '"':
        return _string(text, place)
    for word, value in _LITERALS.items():
        if text.startswith(word, place):
            return value, place + len(word)
    number = _NUMBER.match(text, place)
    if number is None:
        raise _NoJsonError("no value")
    fraction, exponent = number.groups()
    return (float if fraction or exponent else int)(number.group()), number.end()


def _object(text: str, place: int, depth: int) -> tuple[dict[str, Any], int]:
    """An object from its brace, `depth` objects and arrays deep with itself."""
    _require_shallow(depth)
    found: dict[str, Any] = {}
    repeated = False
    place = _skip(text, place + 1)
    if _at(text, place) == "}":
        return found, place + 1
    while True:
        if _at(text, place) != '"':
            raise _NoJsonError("no key")
        key, place = _string(text, place)
        place = _skip(text, place)
        if _at(text, place) != ":":
            raise _NoJsonError("no colon")
        value, place = _value(text, _skip(text, place + 1), depth)
        repeated |= key in found
        found[key] = value
        place = _skip(text, place)
        if _at(text, place) == "}":
            if repeated:
                raise _NoJsonError("a key is repeated")
            return found, place + 1
        if text[place] != ",":
            raise _NoJsonError("no comma")
        place = _skip(text, place + 1)


def _array(text: str, place: int, depth: int) -> tuple[list[Any], int]:
    _require_shallow(depth)
    found: list[Any] = []
    place = _skip(text, place + 1)
    if _at(text, place) == "]":
        return found, place + 1
    while True:
        value, place = _value(text, place, depth)
        found.append(value)
        place = _skip(text, place)
        if _at(text, place) == "]":
            return found, place + 1
        if text[place] != ",":
            raise _NoJsonError("no comma")
        place = _skip(text, place + 1)


def _string(text: str, place: int) -> tuple[str, int]:
    units: list[str] = []
    place += 1
    while (character := _at(text, place)) != '"':
        if character < " ":
            raise _NoJsonError("a control character")
        if character != "\\":
            units.append(character)
            place += 1
            continue
        escape = _at(text, place + 1)
        if escape == "u":
            unit, place = _unit(text, place)
            if 0xD800 <= unit < 0xDC00 and text.startswith("\\u", place):
                low, after = _unit(text, place)
                if 0xDC00 <= low < 0xE000:
                    unit, place = 0x10000 + (unit - 0xD800) * 0x400 + low - 0xDC00, after
            units.append(chr(unit))
        elif escape in _ESCAPES:
            units.append(_ESCAPES[escape])
            place += 2
        else:
            raise _NoJsonError("no escape")
    return "".join(units), place + 1


def _unit(text: str, place: int) -> tuple[int, int]:
    """The UTF-16 unit of an escape that starts at its backslash."""
    digits = text[place + 2 : place + 6]
    if len(digits) != 4 or not _HEX.issuperset(digits):
        raise _NoJsonError("no four hex digits")
    return int(digits, 16), place + 6
