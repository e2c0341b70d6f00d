"""The first JSON object of a completion."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewards.text import MAX_ATTEMPTS, MAX_CHARACTERS, MAX_DEPTH, first_json_object

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), JSON_VALUES, max_size=5), st.sampled_from(["", " ", "\n\t", "\r\n"]))
def test_an_object_comes_back_whole_whatever_white_space_is_around_it(
    payload: dict[str, object], space: str
) -> None:
    assert first_json_object(space + json.dumps(payload) + space) == (payload, True)


@given(st.text())
def test_no_text_raises(text: str) -> None:
    payload, is_whole = first_json_object(text)
    assert payload is not None or not is_whole


@pytest.mark.parametrize(
    ("text", "payload"),
    [
        ('```json\n{"a": 1}\n```', {"a": 1}),
        ('Here you go: {"a": 1}', {"a": 1}),
        ('{"a": 1} Enjoy!', {"a": 1}),
        ('{"a": 1}{"b": 2}', {"a": 1}),
        ('{broken {"a": 1}', {"a": 1}),
        ('[{"a": 1}]', {"a": 1}),
        ('\ufeff{"a": 1}', {"a": 1}),
        ('\u00a0{"a": 1}', {"a": 1}),  # a no-break space is no JSON white space
    ],
)
def test_text_around_the_object_costs_the_format_alone(text: str, payload: dict[str, object]) -> None:
    assert first_json_object(text) == (payload, False)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no object",
        "[1, 2]",
        '"text"',
        "{",
        '{"a": 1',
        "{'a': 1}",
        '{"a": 1,}',
        '{"a": NaN}',
        '{"a": Infinity}',
        '{"a": -Infinity}',
        '{"a": 1, "a": 2}',
        '{"a": "line\nbreak"}',
        '{"a": ' + "9" * 5000 + "}",  # beyond Python's digits of an integer
        '{"a": "\\ud8"}',
    ],
)
def test_what_is_no_json_object_is_none(text: str) -> None:
    assert first_json_object(text) == (None, False)


def test_a_repeated_key_at_any_depth_is_no_object() -> None:
    # The object inside it is one, and so is found instead.
    assert first_json_object('{"a": {"b": 1}, "a": 2}') == ({"b": 1}, False)
    assert first_json_object('{"a": {"b": 1, "b": 2}}') == (None, False)


def test_an_object_is_read_up_to_a_depth_that_no_payload_has() -> None:
    def nested(depth: int) -> str:
        return '{"a":' * (depth - 1) + "{}" + "}" * (depth - 1)

    found, is_whole = first_json_object(nested(MAX_DEPTH))
    assert found is not None
    assert is_whole
    # The first brace opens something too deep, and so the second one's object is found.
    assert first_json_object(nested(MAX_DEPTH + 1)) == (found, False)
    assert first_json_object('{"a":' + "[" * MAX_DEPTH + "]" * MAX_DEPTH + "}") == (None, False)
    # Breadth is no depth.
    wide = '{"a":[' + ",".join(["[{}]"] * 1_000) + "]}"
    assert first_json_object(wide)[1] is True


@pytest.mark.parametrize("depth", [MAX_DEPTH, 200, 500, 900, 2_000])
def test_what_is_found_does_not_depend_on_how_deep_the_caller_stands(depth: int) -> None:
    text = '{"a":' + "[" * (depth - 1) + "]" * (depth - 1) + "}"

    def below(frames: int) -> tuple[object, bool]:
        return below(frames - 1) if frames else first_json_object(text)

    assert below(600) == below(0)


def test_half_of_a_surrogate_pair_is_read_as_it_stands() -> None:
    assert first_json_object('{"a": "\\ud800"}') == ({"a": "\ud800"}, True)


@pytest.mark.parametrize(
    "text",
    [
        "{" * 10_000_000,
        "[" * 10_000_000,
        '{"a":' * 2_000_000,
        '{"a":[' * 1_000_000,
        '{"a":' * 100 + "[1," * 1_000_000,
        '{"a":' * MAX_ATTEMPTS + "[" + "1," * 5_000_000,
        '{"a": "' + "x" * 10_000_000,
        "{" + '"a": 1, ' * 1_000_000,
        '{"' * 5_000_000,
        " " * 10_000_000,
    ],
)
def test_no_text_hangs(text: str) -> None:
    start = time.perf_counter()
    assert first_json_object(text)[1] is False
    assert time.perf_counter() - start < 2


def test_an_object_longer_than_any_payload_is_not_read() -> None:
    def of_length(length: int) -> str:
        return '{"a": "' + "x" * (length - 9) + '"}'

    assert first_json_object(of_length(MAX_CHARACTERS))[1] is True
    assert first_json_object(of_length(MAX_CHARACTERS + 1)) == (None, False)
    # White space beyond the limit is something that was not looked at.
    assert first_json_object('{"a": 1}' + " " * MAX_CHARACTERS) == ({"a": 1}, False)


def test_stray_braces_beyond_the_attempts_hide_an_object() -> None:
    assert first_json_object("{" * (MAX_ATTEMPTS - 1) + '{"a": 1}') == ({"a": 1}, False)
    assert first_json_object("{" * MAX_ATTEMPTS + '{"a": 1}') == (None, False)
