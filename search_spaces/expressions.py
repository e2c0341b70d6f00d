"""Expressions of a sweep file: `2 * lora.r`, `grpo.beta < 0.1 and lora.bias == 'none'`.

Dotted paths of settings, numbers, strings, booleans, lists, arithmetic, comparisons, `in`, and / or / not,
min and max. They are parsed by Python and walked here, so nothing else can run.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from common.errors import UserError
from search_spaces.expression_types import ValueType, check, fits
from search_spaces.settings import LEAF_DEFAULTS

__all__ = ["Expression", "parse_expression"]

_MAX_LENGTH: Final = 1000
_Operator = Callable[[Any, Any], Any]


def _power(base: float, exponent: float) -> float:
    # As floats: 9 ** 9 ** 9 in whole numbers would never end.
    value = math.pow(base, exponent)
    whole = isinstance(base, int) and isinstance(exponent, int) and abs(value) < 2**53
    return int(value) if whole and value.is_integer() else value


_ARITHMETIC: Final[Mapping[type[ast.operator], _Operator]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: _power,
}
_ORDER: Final[Mapping[type[ast.cmpop], _Operator]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_EQUALITY: Final[Mapping[type[ast.cmpop], _Operator]] = {ast.Eq: operator.eq, ast.NotEq: operator.ne}
_MEMBERSHIP: Final[Mapping[type[ast.cmpop], _Operator]] = {
    ast.In: lambda item, items: item in items,
    ast.NotIn: lambda item, items: item not in items,
}
_COMPARISONS: Final = {**_ORDER, **_EQUALITY, **_MEMBERSHIP}
_EXTREMES: Final[Mapping[str, Callable[..., Any]]] = {"min": min, "max": max}
_BOOLEANS: Final = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class Expression:
    """A checked expression: its text, the settings it reads, and the type of what it gives."""

    text: str
    paths: tuple[str, ...]
    """Settings it reads, in the order of their first mention."""
    type: ValueType
    _tree: ast.expr

    def value(self, settings: Mapping[str, Any]) -> Any:
        """What it gives for these settings (dotted path to value, JSON types).

        Raises:
            UserError: it has no finite value there: a division by zero, or a setting that is not set.
        """
        try:
            value = _evaluate(self._tree, settings)
        except (ArithmeticError, TypeError, ValueError) as error:
            given = ", ".join(f"{path}={settings[path]!r}" for path in self.paths)
            raise UserError(f"{self.text!r} must have a value, got {error} at {given}") from error
        if isinstance(value, float) and not math.isfinite(value):
            raise UserError(f"{self.text!r} must have a finite value, got {value}")
        return value


def parse_expression(text: str, expected: ValueType = "any") -> Expression:
    """Read and check an expression.

    Args:
        text: what the sweep file says.
        expected: what it must give.

    Raises:
        ValueError: not of this language, an unknown setting, or types that do not fit.
    """
    if not len(text) <= _MAX_LENGTH:
        raise ValueError(f"an expression must have at most {_MAX_LENGTH} characters, got {len(text)}")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
        found = check(tree)
    except (SyntaxError, RecursionError, MemoryError) as error:
        reason = getattr(error, "msg", None) or "too deep"
        raise ValueError(
            f"an expression must be such as '2 * lora.r' or 'grpo.beta < 0.1', got {text!r} ({reason})"
        ) from error
    except ValueError as error:
        raise ValueError(f"{error} (in the expression {text!r})") from error
    if not fits(found, expected):
        raise ValueError(f"the expression must give a {expected}, got {text!r}, which gives a {found}")
    return Expression(text, tuple(dict.fromkeys(_paths(tree))), found, tree)


def _paths(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Attribute | ast.Name):
        path = ast.unparse(node)
        if path in LEAF_DEFAULTS:
            yield path
        return
    for child in ast.iter_child_nodes(node):
        yield from _paths(child)


def _evaluate(node: ast.expr, settings: Mapping[str, Any]) -> Any:  # noqa: PLR0911 - one case for each form
    """The node's value; `check` has seen every form."""
    match node:
        case ast.Constant(value=value):
            return value
        case ast.Name() | ast.Attribute():
            path = ast.unparse(node)
            return _BOOLEANS[path] if path in _BOOLEANS else settings[path]
        case ast.UnaryOp(op=op, operand=operand):
            value = _evaluate(operand, settings)
            if isinstance(op, ast.Not):
                return not _truth(value)
            return -_number(value) if isinstance(op, ast.USub) else _number(value)
        case ast.BinOp(left=left, op=op, right=right):
            return _ARITHMETIC[type(op)](
                _number(_evaluate(left, settings)), _number(_evaluate(right, settings))
            )
        case ast.BoolOp(op=op, values=values):
            wanted = isinstance(op, ast.Or)
            return wanted if any(_truth(_evaluate(v, settings)) is wanted for v in values) else not wanted
        case ast.Compare(left=first, ops=ops, comparators=others):
            sides = [_evaluate(side, settings) for side in (first, *others)]
            return all(
                _COMPARISONS[type(op)](left, right)
                for left, op, right in zip(sides, ops, sides[1:], strict=False)
            )
        case ast.Tuple(elts=items) | ast.List(elts=items):
            return [_evaluate(item, settings) for item in items]
        case ast.Call(func=ast.Name(id=name), args=items):
            return _EXTREMES[name](*(_number(_evaluate(item, settings)) for item in items))
    raise AssertionError(f"unchecked node {ast.dump(node)}")


def _number(value: Any) -> float:
    if not isinstance(value, int | float):
        raise TypeError(f"{value!r} where a number is needed")
    return value


def _truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{value!r} where true or false is needed")
    return value
