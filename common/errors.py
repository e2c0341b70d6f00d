"""Failures that carry the boundary they crossed.

`UserError` is the user's: one line, exit 2. The others are ours or the machine's.
"""

from __future__ import annotations

from reprlib import Repr
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

__all__ = [
    "ClusterError",
    "OverBudgetError",
    "ProblemsError",
    "RewardError",
    "TrialError",
    "UserError",
    "details_of",
    "first_problem",
    "problems_of",
]


class UserError(ValueError):
    """Bad input, said in one line: what, got, rule, cure. The command line prints it and exits 2."""


class ProblemsError(UserError):
    """All that is wrong with one input; the command line prints each problem on a line of its own."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


class OverBudgetError(UserError):
    """A sweep that would cost more than its budget; the command line exits 3, as where one has cost that."""


class RewardError(RuntimeError):
    """A score could not be computed; the completion becomes `unscored`, never a zero."""


class TrialError(RuntimeError):
    """A trial ended without a usable outcome."""


class ClusterError(RuntimeError):
    """The cluster could not do what the sweep needs."""


_LONGEST = 200
"""Characters of a key or a value that an error shows."""
_SHORT = Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = _LONGEST


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def details_of(error: ValidationError) -> list[ErrorDetails]:
    """What pydantic found, without defaults that could not be made because of it."""
    found = error.errors(include_url=False)
    return [problem for problem in found if problem["type"] != "default_factory_not_called"]


def problems_of(error: ValidationError) -> tuple[str, ...]:
    """Every problem of a pydantic error as `path: rule, got value`, each in one short line."""
    return tuple(map(_problem, details_of(error)))


def first_problem(error: ValidationError) -> str:
    """The first of `problems_of`."""
    return problems_of(error)[0]


def _problem(problem: ErrorDetails) -> str:
    path = ".".join(_short(str(part)) for part in problem["loc"])
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "extra_forbidden":
        message = "unknown key; remove it or correct its spelling"
    elif problem["type"] == "missing":
        message = "missing; add it"  # its input is the whole object around it
    elif problem["type"] in ("model_type", "model_attributes_type"):
        message = f"must be an object with named fields, got {_SHORT.repr(problem['input'])}"
    elif "got" not in message:
        message = f"{message}, got {_SHORT.repr(problem['input'])}"
    return f"{path}: {message}" if path else message
