"""Expressions: what they give, and what is refused when the sweep file is read."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import UserError
from search_spaces.expressions import parse_expression
from search_spaces.settings import LEAF_DEFAULTS


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2 * lora.r", 32),
        ("lora.alpha / lora.r + 1", 2.0),
        ("-lora.r // 3", -6),
        ("lora.r % 5 ** 2", 16),
        ("2 ** -1", 0.5),
        ("min(lora.r, 8, 12)", 8),
        ("max(grpo.beta, 0.1)", 0.1),
        ("grpo.beta < 0.1", True),
        ("0.01 <= grpo.beta < 0.04", False),
        ("lora.bias == 'none' and not grpo.beta > 1", True),
        ("grpo.loss_type in ('grpo', 'bnpo') or noise.force_augmentation", False),
        ("lora.r not in [4, 8]", True),
        ("'q_proj' in lora.target_modules", True),
        ("noise.force_augmentation == false", True),
        ("grpo.loss_type != 'dapo'", False),
        ("grpo.loss_type", "dapo"),
        ("True", True),
    ],
)
def test_an_expression_gives_its_value_at_the_defaults(text: str, value: object) -> None:
    found = parse_expression(text).value(LEAF_DEFAULTS)
    assert found == value
    assert type(found) is type(value)


def test_an_expression_says_what_it_reads() -> None:
    assert parse_expression("lora.r * grpo.beta + max(lora.r, 1)").paths == ("lora.r", "grpo.beta")


@given(r=st.integers(1, 10**6), beta=st.floats(0, 1))
def test_arithmetic_is_pythons(r: int, beta: float) -> None:
    settings = dict(LEAF_DEFAULTS) | {"lora.r": r, "grpo.beta": beta}
    assert parse_expression("3 * lora.r - grpo.beta / 2").value(settings) == 3 * r - beta / 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lora.rank * 2", r"lora.rank: must be a setting .* did you mean lora\.r\? \(in the expression"),
        ("lora * 2", r"lora: must be a single setting, got a group"),
        ("reward.mixture > 1", r"reward.mixture: must be a setting"),
        ("seed + 1", r"a point must not depend on its seed"),
        ("lora.bias * 2", r"a side of arithmetic must be a number, got the text lora.bias"),
        ("grpo.beta and lora.r", r"a side of `and` and `or` must be a boolean, got the number grpo.beta"),
        ("not lora.r", r"what `not` negates must be a boolean, got the number lora.r"),
        ("lora.bias < 3", r"compared values must be alike, got a text and a number"),
        ("lora.r == '16'", r"compared values must be alike, got a number and a text"),
        ("noise.force_augmentation < true", r"compared values must be alike"),
        ("lora.r in ('a', 'b')", r"an item of the list must be a number"),
        ("lora.r in 3", r"what stands after `in` must be a list, got the number 3"),
        ("lora.r is 3", r"a comparison must be < <= > >= == != or in"),
        ("max(lora.r)", r"max must have at least two values"),
        ("abs(lora.r)", r"an expression may hold settings, .* got abs\(lora.r\)"),
        ("__import__('os').system('true')", r"an expression may hold settings"),
        ("lora.r if true else 3", r"an expression may hold settings"),
        ("lora.r in [[1], [2]]", r"an expression may hold settings"),
        ("[" * 400 + "1" + "]" * 400, r"an expression m"),
        ("lora.r in (lora.r, 3)", r"an expression may hold settings"),
        ("[x for x in (1, 2)]", r"an expression may hold settings"),
        ("lora.target_modules[0]", r"an expression may hold settings"),
        ("(lambda: 3)()", r"an expression may hold settings"),
        ("f'{lora.r}'", r"an expression may hold settings"),
        ("None", r"an expression may hold settings"),
        ("1e999", r"a number must be finite, got inf"),
        ("lora.r +", r"an expression must be such as '2 \* lora.r'.* \(invalid syntax\)"),
        ("", r"an expression must be such as"),
        ("lora.r = 3", r"an expression must be such as"),
        ("-" * 999 + "1", r"\(too deep\)"),
        ("1 + " * 400 + "1", r"at most 1000 characters, got 1601"),
    ],
)
def test_what_is_not_of_the_language_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_expression(text)


def test_the_type_must_be_the_expected_one() -> None:
    with pytest.raises(ValueError, match=r"must give a boolean, got 'lora.r', which gives a number"):
        parse_expression("lora.r", "boolean")
    assert parse_expression("lora.r", "number").type == "number"


@pytest.mark.parametrize(
    ("text", "settings", "message"),
    [
        ("1 / (lora.r - 16)", {}, r"must have a value, got division by zero at lora.r=16"),
        ("(lora.r - 17) ** 0.5", {}, r"must have a value, got math domain error"),
        ("9 ** 9 ** 9", {}, r"must have a value, got math range error"),
        ("1e308 * 10 * lora.r", {}, r"must have a finite value, got inf"),
        ("max_steps > 3", {"max_steps": None}, r"must have a value, got .*NoneType"),
        ("not max_steps", {"max_steps": 3}, r"got 3 where true or false is needed"),
    ],
)
def test_an_expression_without_a_value_says_where(text: str, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        parse_expression(text).value(dict(LEAF_DEFAULTS) | settings)


@given(text=st.text(max_size=60))
def test_no_text_does_more_than_being_refused(text: str) -> None:
    with suppress(ValueError):
        parse_expression(text).value(LEAF_DEFAULTS)
