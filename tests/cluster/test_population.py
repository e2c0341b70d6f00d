"""Population based training on stand-in trials: each step adds beta to what they are worth."""

from __future__ import annotations

import io
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

from cluster.point_outcome import EndedSeed, PointOutcome, point_outcome
from cluster.population import Population
from cluster.population_rules import check_population
from cluster.rounds import PopulationRecord, Round
from common.errors import UserError
from common.lineage import Change, LineageRecord
from common.records import EvaluationsRecord, ResultRecord
from common.sentinels import SentinelConfig
from trainables.checkpoints import mark_complete

if TYPE_CHECKING:
    from collections.abc import Callable

    from search_spaces.sweep_file import SweepFile
    from tests.cluster.conftest import MakeSweep

HERE = Path(__file__).parent

PBT: dict[str, Any] = {
    "base": {"base_model": "tiny", "logging.save_steps": 2},
    "space": {"grpo.beta": [0.1, 0.2, 0.3, 0.4]},
    "scheduler": {"type": "pbt", "eval_steps": 2, "perturbation_steps": 4},
    "resources": {"scorers": 0},
}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"space": {"grpo.beta": [0.1, 0.2, 0.3]}}, "a population must have >= 4 points with pbt, got 3"),
        ({"seeds": [0, 1]}, "seeds must be one with pbt, got 2; a configuration that changes"),
        (
            {"resources": {"max_concurrent_trials": 2}},
            "resources.max_concurrent_trials must be left out with pbt, got 2",
        ),
        (
            {"space": {"lora.r": [1, 2, 4, 8]}},
            "an axis that can change while a trial trains with pbt, got lora.r; add one of optimizer",
        ),
        (
            {"base": {"base_model": "tiny"}},
            "must be a multiple of the steps between checkpoints with pbt, got 4 and a checkpoint every 20",
        ),
        (
            {"base": {"base_model": "tiny", "logging.save_steps": 2, "max_steps": 4}},
            "scheduler.perturbation_steps must be < max_steps 4 with pbt, got 4; nothing would change",
        ),
    ],
)
def test_sweeps_that_are_no_population_are_refused(
    make_sweep: MakeSweep, content: dict[str, Any], message: str
) -> None:
    check_population(make_sweep(**PBT))
    with pytest.raises(UserError, match=message):
        check_population(make_sweep(**PBT | content))


def test_a_checkpoint_every_three_steps_cannot_be_taken_over_every_four(make_sweep: MakeSweep) -> None:
    # Batch 16 with 6 generations shares one batch of rollouts among 3 steps, and so checkpoints are 3 apart.
    base = PBT["base"] | {"grpo.num_generations": 6}
    with pytest.raises(UserError, match="got 4 and a checkpoint every 3 steps"):
        check_population(make_sweep(**PBT | {"base": base}))
    check_population(
        make_sweep(
            **PBT | {"base": base, "scheduler": {"type": "pbt", "eval_steps": 2, "perturbation_steps": 6}}
        )
    )


def run(sweep: SweepFile, directory: Path, trial: str = "adding_up") -> str:
    from cluster.sweep import run_sweep  # noqa: PLC0415 - imports ray
    from cluster.task import TrialCode  # noqa: PLC0415

    code = TrialCode(
        trial=f"trivial_trials:{trial}",
        random_configs="trivial_trials:random_configs",
        audio_backend="trivial_scorers:length_backend",
    )
    text = io.StringIO()
    run_sweep(sweep, directory, code=code, console=Console(file=text, width=200))
    return text.getvalue()


def ends(directory: Path) -> dict[str, float | None]:
    found = {path.parent.name: ResultRecord.read(path.parent) for path in directory.glob("trials/t*/*.json")}
    return {
        name: None if result is None or result.objective is None else round(result.objective, 9)
        for name, result in sorted(found.items())
    }


def lineages(directory: Path) -> dict[str, list[tuple[int, str, float]]]:
    """Step, whom it copied, and the new beta of each change."""
    found = {path.parent.name: LineageRecord.read(path.parent) for path in directory.glob("trials/t*/*.json")}
    return {
        name: [(one.step, one.copied_from, one.params_after["grpo.beta"]) for one in lineage.changes]
        for name, lineage in sorted(found.items())
        if lineage.changes
    }


@pytest.mark.ray
@pytest.mark.usefixtures("local_ray")
def test_the_worst_takes_over_the_best_and_goes_on_with_a_neighbouring_value(
    make_sweep: MakeSweep, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    text = run(make_sweep(**PBT), out)
    # One round, at step 4 of 8: 0.4, 0.8, 1.2, 1.6. A quarter of four is one. The worst copies 1.6, and 0.4
    # is the last of the list, so the neighbour is 0.3: 1.6 + 4 * 0.3.
    assert ends(out) == {"t000-s0": 2.8, "t001-s0": 1.6, "t002-s0": 2.4, "t003-s0": 3.2}
    assert lineages(out) == {"t000-s0": [(4, "t003-s0", 0.3)]}
    assert "step 4: t000-s0 (0.400) takes over t003-s0 (1.600), grpo.beta 0.1 -> 0.3" in text, text

    (change,) = LineageRecord.read(out / "trials" / "t000-s0").changes
    assert (change.params_before, change.params_after) == ({"grpo.beta": 0.1}, {"grpo.beta": 0.3})
    assert (change.config.grpo.beta, change.config.seed, change.config.logging.eval_steps) == (0.3, 0, 2)
    # Until step 4 it was what it had been.
    objectives = EvaluationsRecord.read(out / "trials" / "t000-s0").objectives
    assert {step: round(value, 9) for step, value in objectives.items()} == {2: 0.2, 4: 0.4, 6: 2.2, 8: 2.8}
    assert (out / "trials" / "t000-s0" / "starts").read_text().split() == ["0.1", "0.3"]
    (decided,) = PopulationRecord.read(out).rounds
    assert (decided.step, list(decided.changes)) == (4, ["t000-s0"])
    assert {name: round(value, 9) for name, value in decided.objectives.items()} == {
        "t000-s0": 0.4, "t001-s0": 0.8, "t002-s0": 1.2, "t003-s0": 1.6,
    }  # fmt: skip


@pytest.mark.ray
@pytest.mark.usefixtures("local_ray")
def test_nobody_takes_over_an_infeasible_trial(make_sweep: MakeSweep, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(make_sweep(**PBT), out, "noisy_at_the_top")
    (decided,) = PopulationRecord.read(out).rounds
    # 0.4, 0.8, 1.2 and 1.6 at step 4, the last of them noise: the first takes over the best of the others.
    assert decided.infeasible == ("t003-s0",)
    (change,) = decided.changes.values()
    assert (list(decided.changes), change.copied_from) == (["t000-s0"], "t002-s0")
    # The infeasible one goes on as it was.
    assert ends(out)["t003-s0"] == 3.2


@pytest.mark.ray
@pytest.mark.usefixtures("local_ray")
def test_nobody_waits_for_a_trial_that_failed_and_a_resumed_one_goes_on_unchanged(
    make_sweep: MakeSweep, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    space = {"grpo.beta": [0.1, 0.5, 0.2, 0.3, 0.4]}
    run(make_sweep(**PBT | {"space": space}), out)
    # beta 0.5 fails at step 3; four are compared.
    assert ends(out) == {
        "t000-s0": 2.8, "t001-s0": None, "t002-s0": 1.6, "t003-s0": 2.4, "t004-s0": 3.2,
    }  # fmt: skip
    assert lineages(out) == {"t000-s0": [(4, "t004-s0", 0.3)]}


@pytest.mark.ray
@pytest.mark.usefixtures("local_ray")
def test_a_trial_that_died_before_it_told_its_evaluation_has_its_part_in_the_round(
    make_sweep: MakeSweep, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    run(make_sweep(**PBT), out, "dying_untold")
    # As if it had not died: what its ledger holds of step 4 is 0.4, see `held_out_row`.
    (decided,) = PopulationRecord.read(out).rounds
    assert {name: round(value, 9) for name, value in decided.objectives.items()} == {
        "t000-s0": 0.4, "t001-s0": 0.8, "t002-s0": 1.2, "t003-s0": 1.6,
    }  # fmt: skip
    assert lineages(out) == {"t000-s0": [(4, "t003-s0", 0.3)]}
    assert ends(out) == {"t000-s0": 2.8, "t001-s0": 1.6, "t002-s0": 2.4, "t003-s0": 3.2}
    assert set(EvaluationsRecord.read(out / "trials" / "t000-s0").objectives) == {2, 4, 6, 8}


def start(sweep: SweepFile, directory: Path) -> subprocess.Popen[str]:
    file = directory.parent / "sweep.json"
    file.write_text(sweep.model_dump_json())
    return subprocess.Popen(
        [sys.executable, str(HERE / "drive_sweep.py"), str(file), str(directory), "adding_up"],
        env=os.environ
        | {"PYTHONPATH": os.pathsep.join((str(HERE), str(HERE.parent.parent))), "TRIVIAL_STEP_S": "0.1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


@pytest.mark.ray
@pytest.mark.slow
def test_a_killed_population_ends_as_an_uninterrupted_one(make_sweep: MakeSweep, tmp_path: Path) -> None:
    sweep = make_sweep(**PBT | {"scheduler": {"type": "pbt", "eval_steps": 2}})
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    printed, errors = start(sweep, whole).communicate(timeout=180)
    assert printed == "6 0\n", errors
    assert [one.step for one in PopulationRecord.read(whole).rounds] == [2, 4, 6]

    # While trials wait at step 2, and while they run after the round of step 4.
    def waits_at_two() -> bool:
        return EvaluationsRecord.read(killed / "trials" / "t001-s0").objectives.keys() == {2}

    def has_two_rounds() -> bool:
        return len(PopulationRecord.read(killed).rounds) == 2

    for moment in (waits_at_two, has_two_rounds):
        driver = start(sweep, killed)
        wait_for(moment)
        os.killpg(driver.pid, signal.SIGKILL)
        driver.wait()
    printed, errors = start(sweep, killed).communicate(timeout=180)
    assert printed == "6 0\n", errors
    assert PopulationRecord.read(killed) == PopulationRecord.read(whole)
    assert ends(killed) == ends(whole)
    assert lineages(killed) == lineages(whole)


def test_a_change_that_was_only_written_down_is_carried_out_by_the_next_driver(
    make_sweep: MakeSweep, tmp_path: Path
) -> None:
    sweep = make_sweep(**PBT)
    checkpoint = tmp_path / "trials" / "t003-s0" / "checkpoints" / "checkpoint-4"
    checkpoint.mkdir(parents=True)
    (checkpoint / "weights").write_text("1.6")
    mark_complete(checkpoint)
    change = changed(sweep, 4, "t003-s0")
    PopulationRecord(rounds=(Round(step=4, objectives={}, changes={"t000-s0": change}),)).write(tmp_path)
    said: list[str] = []
    for _ in range(2):
        Population(sweep, tmp_path, say=said.append)
    folder = tmp_path / "trials" / "t000-s0"
    assert LineageRecord.read(folder) == LineageRecord(changes=(change,))
    assert (folder / "taken-over" / "checkpoint-4" / "weights").read_text() == "1.6"
    assert said == ["step 4: t000-s0 (0.400) takes over t003-s0 (1.600), grpo.beta 0.1 -> 0.3"]
    # Once it is done, the other's checkpoint is not needed any more.
    shutil.rmtree(checkpoint)
    Population(sweep, tmp_path, say=said.append)


def test_a_search_learns_of_a_changed_point_only_what_it_was_worth_before() -> None:
    ended = EndedSeed(
        ResultRecord(status="finished", objective=0.9, steps=8),
        EvaluationsRecord(objectives={2: 0.1, 4: 0.3, 6: 0.7, 8: 0.9}),
        changed_at=4,
    )
    known = point_outcome([ended], audio_floor=-1, rules=SentinelConfig())
    assert known == PointOutcome("stopped", {}, {2: 0.1, 4: 0.3})


def changed(sweep: SweepFile, step: int, copied_from: str) -> Change:
    return Change(
        step=step, copied_from=copied_from, objective=0.4, objective_copied=1.6,
        params_before={"grpo.beta": 0.1}, params_after={"grpo.beta": 0.3}, config_hash="0",
        config=sweep.base_config(),
    )  # fmt: skip
