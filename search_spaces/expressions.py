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
from typing import Any, Final, Literal

from common.errors import UserError
from search_spaces.settings import LEAF_DEFAULTS, require_path

__all__ = ["Expression", "ValueType", "parse_expression", "type_of"]

ValueType = Literal["number", "text", "boolean", "list", "any"]
"""Types at load; `any` is a setting without a default, whose type shows when the point is known."""

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
        found = _check(tree)
    except (SyntaxError, RecursionError, MemoryError) as error:
        reason = getattr(error, "msg", None) or "too deep"
        raise ValueError(
            f"an expression must be such as '2 * lora.r' or 'grpo.beta < 0.1', got {text!r} ({reason})"
        ) from error
    except ValueError as error:
        raise ValueError(f"{error} (in the expression {text!r})") from error
    if not _fits(found, expected):
        raise ValueError(f"the expression must give a {expected}, got {text!r}, which gives a {found}")
    return Expression(text, tuple(dict.fromkeys(_paths(tree))), found, tree)


def type_of(value: Any) -> ValueType:
    """The type of a setting by its default."""
    match value:
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return "text"
        case list() | tuple():
            return "list"
    return "any"


def _fits(found: ValueType, expected: ValueType) -> bool:
    return found == expected or "any" in (found, expected)


def _require(node: ast.expr, expected: ValueType, what: str) -> None:
    found = _check(node)
    if not _fits(found, expected):
        raise ValueError(f"{what} must be a {expected}, got the {found} {ast.unparse(node)}")


def _check(node: ast.expr) -> ValueType:  # noqa: PLR0911, PLR0912 - one case for each form
    """The node's type.

    Raises:
        ValueError: it is not of the language, names no setting, or its parts do not fit.
    """
    match node:
        case ast.Constant(value=bool() | int() | float() | str() as constant):
            if isinstance(constant, float) and not math.isfinite(constant):
                raise ValueError(f"a number must be finite, got {constant}")
            return type_of(constant)
        case ast.Name(id="true" | "false"):
            return "boolean"
        case ast.Name() | ast.Attribute():
            return _path_type(node)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            _require(operand, "boolean", "what `not` negates")
            return "boolean"
        case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=operand):
            _require(operand, "number", "what has a sign")
            return "number"
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC:
            for side in (left, right):
                _require(side, "number", "a side of arithmetic")
            return "number"
        case ast.BoolOp(values=values):
            for value in values:
                _require(value, "boolean", "a side of `and` and `or`")
            return "boolean"
        case ast.Compare():
            _check_comparison(node)
            return "boolean"
        case ast.Tuple(elts=items) | ast.List(elts=items) if items:
            first = _check(items[0])
            for item in items:
                _require(item, first, "an item of the list")
            return "list"
        case ast.Call(func=ast.Name(id=name), args=items, keywords=[]) if name in _EXTREMES:
            if not len(items) >= 2:
                raise ValueError(f"{name} must have at least two values, got {ast.unparse(node)}")
            for item in items:
                _require(item, "number", f"a value of {name}")
            return "number"
    raise ValueError(
        "an expression may hold settings, numbers, texts, booleans, lists, arithmetic, comparisons, `in`, "
        f"and/or/not, min and max, got {ast.unparse(node)}"
    )


def _check_comparison(node: ast.Compare) -> None:
    sides = [node.left, *node.comparators]
    for left, op, right in zip(sides, node.ops, sides[1:], strict=False):
        kinds = (_check(left), _check(right))
        if type(op) in _MEMBERSHIP:
            _require(right, "list", "what stands after `in`")
            items = right.elts if isinstance(right, ast.List | ast.Tuple) else []
            for item in items:
                _require(item, kinds[0], "an item of the list")
        elif type(op) in _ORDER or type(op) in _EQUALITY:
            ordered = type(op) in _ORDER and not {"boolean", "list"}.isdisjoint(kinds)
            if ordered or not _fits(*kinds):
                raise ValueError(f"compared values must be alike, got a {kinds[0]} and a {kinds[1]}")
        else:
            raise ValueError(f"a comparison must be < <= > >= == != or in, got {ast.unparse(node)}")


def _path_type(node: ast.expr) -> ValueType:
    path = ast.unparse(node)
    if path == "seed":
        raise ValueError("seed: a point must not depend on its seed; every point runs with all seeds")
    require_path(path)
    return type_of(LEAF_DEFAULTS[path])


def _paths(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Attribute | ast.Name):
        path = ast.unparse(node)
        if path in LEAF_DEFAULTS:
            yield path
        return
    for child in ast.iter_child_nodes(node):
        yield from _paths(child)


def _evaluate(node: ast.expr, settings: Mapping[str, Any]) -> Any:  # noqa: PLR0911 - one case for each form
    """The node's value; `_check` has seen every form."""
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
