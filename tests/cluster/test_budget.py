"""The budget: hours of all drivers add up, and the first limit that is reached is named."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from cluster.budget import Budget
from cluster.spent import SpentRecord

if TYPE_CHECKING:
    from pathlib import Path

    from search_spaces.sweep_file import SweepFile
    from tests.cluster.conftest import MakeSweep


def budgeted(make_sweep: MakeSweep, **budget: Any) -> SweepFile:
    return make_sweep(
        base={"base_model": "tiny", "infra.gpus_per_trial": 0.5},
        resources={"scorers": 2, "gpus_per_scorer": 0.25},
        budget=budget,
    )


def test_hours_of_two_drivers_add_up(make_sweep: MakeSweep, tmp_path: Path) -> None:
    sweep = budgeted(make_sweep, hours=2)
    first = Budget(sweep, tmp_path)
    first.tick(0, now=100.0)
    # Half an hour with 3 trials, half an hour with none: 0.5 * (3 * 0.5 + 2 * 0.25) + 0.5 * 2 * 0.25.
    first.tick(3, now=1900.0)
    first.tick(0, now=3700.0)
    assert SpentRecord.read(tmp_path) == SpentRecord(hours=1.0, gpu_hours=1.25)
    assert first.passed_by_another(0) is None

    # The next driver's clock starts anywhere.
    second = Budget(sweep, tmp_path)
    second.tick(0, now=5.0)
    second.tick(0, now=3605.0)
    assert second.passed_by_another(0) == "budget.hours 2: 2.00 hours have passed"
    larger = Budget(budgeted(make_sweep, hours=3), tmp_path)
    assert larger.passed_by_another(0) is None


@pytest.mark.parametrize(
    ("limits", "started", "named"),
    [
        ({"trials": 4}, 3, None),
        ({"trials": 4}, 4, "budget.trials 4: 4 trials were started"),
        ({"gpu_hours": 1.5}, 9, "budget.gpu_hours 1.5: 1.50 were used"),
        ({"gpu_hours": 1.6}, 9, None),
        # 1.5 GPU hours at 2 each.
        ({"money": 3, "price_per_gpu_hour": 2}, 9, "budget.money 3: 3.00 were spent"),
        ({"money": 4, "price_per_gpu_hour": 2}, 9, None),
        ({}, 999, None),
    ],
)
def test_the_limit_that_leaves_no_room_is_named(
    make_sweep: MakeSweep, tmp_path: Path, limits: dict[str, float], started: int, named: str | None
) -> None:
    SpentRecord(hours=1.0, gpu_hours=1.5).write(tmp_path)
    assert Budget(budgeted(make_sweep, **limits), tmp_path).passed_by_another(started) == named
