"""The types of an expression's parts, and everything that an expression may hold."""

from __future__ import annotations

import ast
import math
from typing import Any, Final, Literal

from search_spaces.settings import LEAF_DEFAULTS, require_path

__all__ = ["ValueType", "check", "fits", "type_of"]

ValueType = Literal["number", "text", "boolean", "list", "any"]
"""Types at load; `any` is a setting without a default, whose type shows when the point is known."""

_ARITHMETIC: Final = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow)
_ORDER: Final = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)
_EQUALITY: Final = (ast.Eq, ast.NotEq)
_MEMBERSHIP: Final = (ast.In, ast.NotIn)
_EXTREMES: Final = ("min", "max")


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


def fits(found: ValueType, expected: ValueType) -> bool:
    """Whether a value of one type may stand where the other is expected."""
    return found == expected or "any" in (found, expected)


def _require(node: ast.expr, expected: ValueType, what: str) -> None:
    found = check(node)
    if not fits(found, expected):
        raise ValueError(f"{what} must be a {expected}, got the {found} {ast.unparse(node)}")


def check(node: ast.expr) -> ValueType:  # noqa: PLR0911, PLR0912 - one case for each form
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
        case ast.Tuple(elts=items) | ast.List(elts=items) if items and all(map(_is_plain, items)):
            first = check(items[0])
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
        "an expression may hold settings, numbers, texts, booleans, lists, arithmetic, comparisons, "
        f"`in`, and/or/not, min and max, got {ast.unparse(node)}"
    )


def _check_comparison(node: ast.Compare) -> None:
    sides = [node.left, *node.comparators]
    for left, op, right in zip(sides, node.ops, sides[1:], strict=False):
        kinds = (check(left), check(right))
        if type(op) in _MEMBERSHIP:
            if not fits(kinds[1], "list"):
                raise ValueError(
                    f"what stands after `in` must be a list, got the {kinds[1]} {ast.unparse(right)}"
                )
            items = right.elts if isinstance(right, ast.List | ast.Tuple) else []
            for item in items:
                _require(item, kinds[0], "an item of the list")
        elif type(op) in _ORDER or type(op) in _EQUALITY:
            ordered = type(op) in _ORDER and not {"boolean", "list"}.isdisjoint(kinds)
            if ordered or not fits(*kinds):
                raise ValueError(f"compared values must be alike, got a {kinds[0]} and a {kinds[1]}")
        else:
            raise ValueError(f"a comparison must be < <= > >= == != or in, got {ast.unparse(node)}")


def _is_plain(node: ast.expr) -> bool:
    """A literal, maybe with a sign. Lists hold nothing else, so that they need no types of their own."""
    return isinstance(node.operand if isinstance(node, ast.UnaryOp) else node, ast.Constant)


def _path_type(node: ast.expr) -> ValueType:
    path = ast.unparse(node)
    if path == "seed":
        raise ValueError("seed: a point must not depend on its seed; every point runs with all seeds")
    require_path(path)
    return type_of(LEAF_DEFAULTS[path])
