"""What a plan comes to against the sweep's budget."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from common.errors import OverBudgetError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from search_spaces.search_config import BudgetConfig

__all__ = ["BudgetLine", "budget_lines", "refuse_over_budget"]

Limit = Literal["trials", "hours", "gpu_hours", "money"]


class BudgetLine(NamedTuple):
    """One limit and what is planned."""

    name: Limit
    limit: float
    planned: float | None
    """None where the cost is not known."""

    @property
    def status(self) -> Literal["within", "over", "unknown"]:
        """Whether the plan keeps the limit; the limit itself is within."""
        if self.planned is None:
            return "unknown"
        return "within" if self.planned <= self.limit else "over"


def budget_lines(
    budget: BudgetConfig,
    *,
    trials: int,
    hours: float | None,
    gpu_hours: float | None,
    money: float | None,
) -> tuple[BudgetLine, ...]:
    """The limits that the sweep has, each with what is planned; None for a cost that is not known."""
    planned: dict[Limit, float | None] = {
        "trials": trials,
        "hours": hours,
        "gpu_hours": gpu_hours,
        "money": money,
    }
    return tuple(
        BudgetLine(name, limit, amount)
        for name, amount in planned.items()
        if (limit := getattr(budget, name)) is not None
    )


def refuse_over_budget(lines: Sequence[BudgetLine]) -> None:
    """Raise OverBudgetError at the first limit that the plan goes over."""
    for line in lines:
        if line.status == "over":
            raise OverBudgetError(
                f"budget.{line.name}: the sweep must keep its budget of {line.limit:g}, got a plan of "
                f"{line.planned:.4g}; raise it, shrink the sweep, or add --force to run until the budget ends"
            )
