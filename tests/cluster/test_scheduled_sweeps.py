"""Whole sweeps of stand-in trials that Ray's schedulers stop early."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

from common.records import EvaluationsRecord, ResultRecord

if TYPE_CHECKING:
    from pathlib import Path

    from cluster.sweep import SweepOutcome
    from search_spaces.sweep_file import SweepFile
    from tests.cluster.conftest import MakeSweep

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("local_ray")]


def run(
    sweep: SweepFile, directory: Path, trial: str = "learning", **options: Any
) -> tuple[SweepOutcome, str]:
    from cluster.sweep import run_sweep  # noqa: PLC0415 - imports ray
    from cluster.task import TrialCode  # noqa: PLC0415

    code = TrialCode(
        trial=f"trivial_trials:{trial}",
        random_configs="trivial_trials:random_configs",
        audio_backend="trivial_scorers:length_backend",
    )
    text = io.StringIO()
    return run_sweep(
        sweep, directory, code=code, console=Console(file=text, width=200), **options
    ), text.getvalue()


def results(directory: Path) -> dict[str, tuple[str, int, float | None]]:
    """Status, last step and objective of each trial that has ended."""
    found = {
        path.parent.name: ResultRecord.read(path.parent) for path in directory.glob("trials/t*/result.json")
    }
    return {
        name: (r.status, r.steps, r.objective and round(r.objective, 9))
        for name, r in sorted(found.items())
        if r is not None
    }


def one_at_a_time(betas: list[float], scheduler: dict[str, Any]) -> dict[str, Any]:
    """Trials that follow each other, so that who is stopped is known beforehand."""
    return {
        "space": {"grpo.beta": betas},
        "resources": {"scorers": 0, "max_concurrent_trials": 1},
        "scheduler": scheduler,
    }


def test_asha_stops_a_trial_below_the_rung_and_the_sweep_goes_on(
    make_sweep: MakeSweep, tmp_path: Path
) -> None:
    asha = {"type": "asha", "eval_steps": 2, "grace_steps": 4, "reduction_factor": 2}
    sweep = make_sweep(**one_at_a_time([0.2, 0.1, 0.3], asha))
    outcome, text = run(sweep, tmp_path / "out")
    # Rungs at 4 and 8. The first trial has 0.8 at step 4, the second 0.4, below the median of what came
    # before; the third 1.2.
    assert results(tmp_path / "out") == {
        "t000-s0": ("finished", 12, 2.4),
        "t001-s0": ("stopped", 4, 0.4),
        "t002-s0": ("finished", 12, 3.6),
    }
    assert (outcome.num_finished, outcome.num_stopped, outcome.failed) == (4, 1, ())
    assert "t001-s0 ended after 0 s: stopped by the scheduler at step 4, objective 0.400" in text
    assert "1 stopped early" in text
    evaluations = EvaluationsRecord.read(tmp_path / "out" / "trials" / "t001-s0")
    assert evaluations.objectives == {0: 0.0, 2: pytest.approx(0.2), 4: pytest.approx(0.4)}

    again, _ = run(sweep, tmp_path / "out")
    assert again.was_done
    assert (again.num_finished, again.num_stopped) == (4, 1)


def test_a_trial_that_is_slow_to_leave_its_process_does_not_cost_the_next_one(
    make_sweep: MakeSweep, tmp_path: Path
) -> None:
    asha = {"type": "asha", "eval_steps": 2, "grace_steps": 4, "reduction_factor": 2}
    sweep = make_sweep(**one_at_a_time([0.2, 0.1, 0.3], asha))
    run(sweep, tmp_path / "out", "slow_to_leave")
    # The second takes 3 s to go. The third is to start in its process.
    assert results(tmp_path / "out") == {
        "t000-s0": ("finished", 8, 1.6),
        "t001-s0": ("stopped", 4, 0.4),
        "t002-s0": ("finished", 8, 2.4),
    }


def test_a_resumed_sweep_compares_with_what_the_earlier_driver_saw(
    make_sweep: MakeSweep, tmp_path: Path
) -> None:
    asha = {"type": "asha", "eval_steps": 2, "grace_steps": 4, "reduction_factor": 2}
    sweep = make_sweep(**one_at_a_time([0.2, 0.1], asha), budget={"trials": 1})
    outcome, _ = run(sweep, tmp_path / "out")
    assert outcome.stopped_by == "budget.trials 1: 1 trials were started"
    more = sweep.model_validate(sweep.model_dump() | {"budget": {"trials": 2}})
    outcome, _ = run(more, tmp_path / "out")
    assert outcome.stopped_by is None
    assert results(tmp_path / "out")["t001-s0"] == ("stopped", 4, 0.4)


def test_the_median_rule_needs_three_others(make_sweep: MakeSweep, tmp_path: Path) -> None:
    median = {"type": "median", "eval_steps": 2, "grace_steps": 4}
    sweep = make_sweep(**one_at_a_time([0.2, 0.3, 0.4, 0.1, 0.35], median))
    outcome, _ = run(sweep, tmp_path / "out")
    statuses = {name: (status, steps) for name, (status, steps, _) in results(tmp_path / "out").items()}
    # The fourth has 0.4 at step 4; the others' means there are 0.8, 1.2 and 1.6.
    assert statuses == {
        "t000-s0": ("finished", 12), "t001-s0": ("finished", 12), "t002-s0": ("finished", 12),
        "t003-s0": ("stopped", 4), "t004-s0": ("finished", 12),
    }  # fmt: skip
    assert outcome.num_stopped == 1


@pytest.mark.slow
def test_hyperband_pauses_trials_which_go_on_where_they_were(make_sweep: MakeSweep, tmp_path: Path) -> None:
    # Steps 12, factor 3: a bracket of 3 trials that run to their end, then one of 5 that wait at step 4,
    # of which ceil(5 / 3) = 2 go on.
    hyperband = {"type": "hyperband", "eval_steps": 2, "reduction_factor": 3}
    sweep = make_sweep(
        base={"base_model": "tiny", "max_steps": 12, "logging.save_steps": 2},
        space={"grpo.beta": [0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07, 0.08]},
        resources={"scorers": 0},
        scheduler=hyperband,
    )
    outcome, text = run(sweep, tmp_path / "out", "slowly_learning")
    found = results(tmp_path / "out")
    print(text, found)
    assert len(found) == 8
    assert outcome.failed == ()
    ended = {name: (status, steps) for name, (status, steps, _) in found.items()}
    assert [name for name, (status, _) in ended.items() if status == "stopped"] == [
        "t003-s0", "t004-s0", "t005-s0",
    ]  # fmt: skip
    for name, (_, last) in ended.items():
        taken = (tmp_path / "out" / "trials" / name / "steps").read_text().split()
        assert taken == [str(step) for step in range(1, last + 1)], name
