"""The first JSON object in a completion, found with bounded work whatever the policy wrote."""

from __future__ import annotations

import json
from typing import Any, Final

__all__ = ["MAX_ATTEMPTS", "MAX_CHARACTERS", "MAX_DEPTH", "first_json_object", "strict_json"]

MAX_CHARACTERS: Final = 32_768
"""Characters looked at. A contract-valid payload needs fewer than 20,000 with every character escaped."""
MAX_ATTEMPTS: Final = 64
"""Opening braces tried. Each try reads at most MAX_CHARACTERS, so the work on one text is bounded."""

MAX_DEPTH: Final = 64
"""Objects and arrays within each other; a payload has 5. Left to the decoder, the depth would depend on how
deep its caller stands in Python's stack, and so would the score."""

_WHITE_SPACE = " \t\n\r"


def first_json_object(text: str) -> tuple[dict[str, Any] | None, bool]:
    """The first JSON object in a text, and whether the text is that object and nothing else.

    JSON as in RFC 8259: NaN and Infinity are refused, and so is a repeated key, which would let a text
    say two things at once. Nothing may be nested deeper than MAX_DEPTH. White space around the object is
    allowed.

    Args:
        text: anything. It is never evaluated, and nesting, length or content cannot raise.

    Returns:
        The object (None if there is none among the first MAX_CHARACTERS) and whether it is the whole text.

    >>> first_json_object(' {"a": 1} ')
    ({'a': 1}, True)
    >>> first_json_object('Sure! {"a": 1}')
    ({'a': 1}, False)
    """
    head = text[:MAX_CHARACTERS]
    start = head.find("{")
    for _ in range(MAX_ATTEMPTS):
        if start < 0:
            break
        try:
            found, end = _DECODER.raw_decode(head, start)
            _require_shallow(found, head[start:end])
        except (ValueError, RecursionError):  # not JSON from here on, or nested beyond any payload
            start = head.find("{", start + 1)
            continue
        alone = len(text) <= MAX_CHARACTERS and not (text[:start] + text[end:]).strip(_WHITE_SPACE)
        return found, alone
    return None, False


def strict_json(text: str) -> Any:
    """The value of a text that is JSON and nothing else, by the same rules as `first_json_object`.

    Raises:
        ValueError: the text is not JSON; NaN, Infinity and a repeated key are not.
        RecursionError: it is nested too deep.
    """
    return _DECODER.decode(text)


def _object_of_distinct_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is repeated in an object")
    return found


def _require_shallow(found: object, text: str) -> None:
    """Raise ValueError if more than MAX_DEPTH objects and arrays are within each other."""
    if text.count("{") + text.count("[") <= MAX_DEPTH:  # so it is with every payload
        return
    level: list[Any] = [found]
    for _ in range(MAX_DEPTH):
        inner = [value.values() if isinstance(value, dict) else value for value in level]
        level = [value for values in inner for value in values if isinstance(value, dict | list)]
        if not level:
            return
    raise ValueError(f"nested deeper than {MAX_DEPTH}")


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_object_of_distinct_keys, parse_constant=_refuse_constant)
