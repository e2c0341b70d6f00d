"""Settings that hang together: derived ones, axes that exist only under a condition, points left out."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Any

from search_spaces.expression_types import type_of
from search_spaces.expressions import Expression, parse_expression
from search_spaces.settings import LEAF_DEFAULTS, MIXTURE_PATH, WEIGHT_PATHS, require_setting

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["Relations", "relations_of", "written"]


@dataclass(frozen=True, slots=True)
class Relations:
    """The checked expressions of a sweep, in an order in which each finds what it reads."""

    derived: Mapping[str, Expression]
    when: Mapping[str, Expression]
    constraints: tuple[Expression, ...]
    order: tuple[str, ...]
    """Axes with a condition and derived settings, each after what it depends on."""

    def resolve(
        self, base: Mapping[str, Any], params: Mapping[str, Any]
    ) -> tuple[dict[str, Any], tuple[str, ...]]:
        """What differs from the base at a point.

        An axis whose condition is false is dropped, and the base's value stands; a derived setting is
        computed from what then holds.

        Args:
            base: every setting of the base, by dotted path.
            params: axis path to value.

        Returns:
            Dotted path to value of the active axes and the derived settings, and the active axes.

        Raises:
            UserError: an expression without a value.
        """
        free = {path: value for path, value in params.items() if path not in self.when}
        settings = dict(base)
        changed: dict[str, Any] = {}
        for path, value in free.items():
            changed |= written(path, value)
        active = set(free)
        settings |= changed
        for path in self.order:
            if path in self.derived:
                new = {path: self.derived[path].value(settings)}
            elif path in params and self.when[path].value(settings):
                active.add(path)
                new = written(path, params[path])
            else:
                continue
            changed |= new
            settings |= new
        return changed, tuple(path for path in params if path in active)

    def violated(self, settings: Mapping[str, Any]) -> Expression | None:
        """The first constraint that is false for these settings."""
        return next((rule for rule in self.constraints if not rule.value(settings)), None)


def written(path: str, value: Any) -> dict[str, Any]:
    """The settings that an axis writes: its own, or the three weights of the mixture."""
    return dict(zip(WEIGHT_PATHS, value, strict=True)) if path == MIXTURE_PATH else {path: value}


def relations_of(
    axes: tuple[str, ...], derived: Mapping[str, str], when: Mapping[str, str], constraints: tuple[str, ...]
) -> Relations:
    """Read and check the expressions of a sweep.

    Raises:
        ValueError: the place in the sweep file, what is wrong there, and the cure.
    """
    return _relations(axes, tuple(derived.items()), tuple(when.items()), constraints)


@lru_cache(maxsize=64)  # every point of a sweep needs them
def _relations(
    axes: tuple[str, ...],
    derived: tuple[tuple[str, str], ...],
    when: tuple[tuple[str, str], ...],
    constraints: tuple[str, ...],
) -> Relations:
    taken = {leaf for path in axes for leaf in _leaves(path)}
    settings: dict[str, Expression] = {}
    for path, text in derived:
        with _named(f"derived.{path}"):
            require_setting(path, "a derived setting")
            if path in taken:
                raise ValueError("a derived setting must not be an axis too, got both; remove one")
            settings[path] = parse_expression(text, type_of(LEAF_DEFAULTS[path]))
    conditions: dict[str, Expression] = {}
    for path, text in when:
        with _named(f"when.{path}"):
            if path not in axes:
                known = ", ".join(axes) or "none"
                raise ValueError(f"a condition must be for an axis of `space` ({known}), got {path!r}")
            conditions[path] = parse_expression(text, "boolean")
    rules = []
    for place, text in enumerate(constraints):
        with _named(f"constraints.{place}"):
            rules.append(parse_expression(text, "boolean"))
    return Relations(settings, conditions, tuple(rules), _order(settings, conditions))


def _order(derived: Mapping[str, Expression], when: Mapping[str, Expression]) -> tuple[str, ...]:
    """Derived settings and conditional axes, each after those it reads."""
    writer = {leaf: path for path in (*derived, *when) for leaf in _leaves(path)}
    graph = {
        path: [writer[read] for read in expression.paths if read in writer]
        for path, expression in {**derived, **when}.items()
    }
    try:
        return tuple(TopologicalSorter(graph).static_order())
    except CycleError as error:
        cycle = " <- ".join(error.args[1])
        kind = "derived" if any(path in derived for path in error.args[1]) else "when"
        raise ValueError(
            f"{kind}: settings must not depend on themselves, got {cycle}; break the circle"
        ) from error


def _leaves(path: str) -> tuple[str, ...]:
    return WEIGHT_PATHS if path == MIXTURE_PATH else (path,)


@contextmanager
def _named(place: str) -> Iterator[None]:
    """Put the place in the sweep file before the message of a ValueError."""
    try:
        yield
    except ValueError as error:
        path = place.partition(".")[2]
        raise ValueError(f"{place}: {str(error).removeprefix(f'{path}: ')}") from error
