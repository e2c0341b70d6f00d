"""What is wrong with a sweep file, each in a line: where, what stands there, the rule, and what was meant."""

from __future__ import annotations

import typing
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from common.errors import ProblemsError, details_of, problems_of
from search_spaces.settings import nearest

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

__all__ = ["sweep_problem", "sweep_problems"]

_KEYED = ("base", "space", "derived", "when", "constraints", "rows", "prompts")
"""Parts whose own checks begin their message with the path inside them."""


def sweep_problems(error: ValidationError, model: type[BaseModel]) -> tuple[str, ...]:
    """Every problem of a sweep file.

    Args:
        error: what pydantic found.
        model: what the file should have been.
    """
    problems: list[str] = []
    for problem, text in zip(details_of(error), problems_of(error), strict=True):
        raised = problem.get("ctx", {}).get("error")
        if isinstance(raised, ProblemsError) and not problem["loc"]:
            problems += raised.problems
        else:
            problems.append(_in_a_sweep(problem, text, model))
    return tuple(problems)


def sweep_problem(error: ValidationError, model: type[BaseModel]) -> str:
    """The first of `sweep_problems`."""
    return sweep_problems(error, model)[0]


def _in_a_sweep(problem: ErrorDetails, text: str, model: type[BaseModel]) -> str:
    """A problem in words, and what was meant."""
    location = problem["loc"]
    path = ".".join(str(part) for part in location)
    if problem["type"] == "extra_forbidden":
        known = _keys_at(model, location[:-1])
        hint = _hint(str(location[-1]), known, "remove it")
        return f"{path}: unknown key, got {problem['input']!r}; must be one of {', '.join(known)}{hint}"
    if problem["type"] == "literal_error":
        choices = [choice for choice in problem["ctx"]["expected"].split("'") if choice.isidentifier()]
        return f"{text}{_hint(str(problem['input']), [c for c in choices if c != 'or'])}"
    if problem["type"] == "value_error" and path in _KEYED:
        return text.replace(f"{path}: ", f"{path}.", 1)
    return text


def _hint(name: str, known: list[str], otherwise: str = "") -> str:
    near = nearest(name, known)
    text = f"did you mean {near}?" if near else otherwise
    return f"; {text}" if text else ""


def _keys_at(model: type[BaseModel], location: tuple[Any, ...]) -> list[str]:
    """The keys of the model that lies at a location inside another."""
    for part in location:
        field = model.model_fields.get(str(part))
        model = _model_in(field.annotation, model) if field else model
    return list(model.model_fields)


def _model_in(annotation: Any, otherwise: type[BaseModel]) -> type[BaseModel]:
    """The model that an annotation names, itself or as a part such as a dictionary's values."""
    for part in (annotation, *typing.get_args(annotation)):
        if isinstance(part, type) and issubclass(part, BaseModel):
            return part
    return otherwise
