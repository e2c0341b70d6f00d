"""A driver that is killed or interrupted loses nothing, doubles nothing and leaves nothing running."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import optuna
import pytest

from common.records import ResultRecord, TrialRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from search_spaces.sweep_file import SweepFile
    from tests.cluster.conftest import MakeSweep

pytestmark = [pytest.mark.ray, pytest.mark.slow]

HERE = Path(__file__).parent
ROOT = HERE.parent.parent


def start(sweep: SweepFile, directory: Path, *, step_s: float, trial: str = "quick") -> subprocess.Popen[str]:
    file = directory.parent / "sweep.json"
    file.write_text(sweep.model_dump_json())
    return subprocess.Popen(
        [sys.executable, str(HERE / "drive_sweep.py"), str(file), str(directory), trial],
        env=os.environ
        | {"PYTHONPATH": os.pathsep.join(map(str, (HERE, ROOT))), "TRIVIAL_STEP_S": str(step_s)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # A shell that runs the tests in the background has Ctrl-C ignored, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )


def wait_for(condition: Callable[[], bool], seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def ended(directory: Path) -> set[str]:
    return {path.parent.name for path in directory.glob("trials/*/result.json")}


def has_ended(directory: Path, trial_id: str) -> bool:
    return trial_id in ended(directory)


def started(directory: Path) -> dict[str, int]:
    return {
        path.parent.name: len(path.read_text().splitlines()) for path in directory.glob("trials/*/starts")
    }


def actors_below(pid: int) -> Iterator[int]:
    """The trial and scorer processes below a driver. Ray's own agents take a minute to notice its death."""
    for child in map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()):
        title = Path(f"/proc/{child}/cmdline").read_text()
        if title.startswith(("ray::ImplicitFunc", "ray::ScoringActor")):
            yield child
        yield from actors_below(child)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


SEARCHES: dict[str, dict[str, object]] = {
    "grid": {"space": {"grpo.beta": [0.0, 0.01, 0.02, 0.03]}},
    "optuna": {
        "space": {"grpo.beta": {"range": [0.0, 0.2], "kind": "float"}},
        "search": {"mode": "optuna", "trials": 4},
    },
}


def all_are_gone(pids: list[int]) -> bool:
    return not any(map(alive, pids))


@pytest.mark.parametrize("mode", SEARCHES)
def test_a_sweep_whose_driver_was_killed_goes_on_when_it_is_run_again(
    mode: str, make_sweep: MakeSweep, tmp_path: Path
) -> None:
    sweep = make_sweep(seeds=[0, 1], resources={"scorers": 0}, **SEARCHES[mode])
    out = tmp_path / "out"
    driver = start(sweep, out, step_s=0.3)
    wait_for(lambda: "t001-s0" in ended(out))
    actors = list(actors_below(driver.pid))
    assert actors
    driver.kill()
    driver.wait()
    wait_for(lambda: not any(map(alive, actors)), 30.0)
    before, starts_before = ended(out), started(out)
    proposed = {path.parent.name: TrialRecord.read(path.parent) for path in out.glob("trials/*/trial.json")}
    assert len(before) < 10

    printed, errors = start(sweep, out, step_s=0.0).communicate(timeout=180)
    assert printed == "10 0\n", errors
    expected = {f"t{point:03d}-s{seed}" for point in range(4) for seed in (0, 1)}
    assert ended(out) == expected | {"baseline-untrained", "baseline-random"}
    for trial_id, record in proposed.items():
        assert TrialRecord.read(out / "trials" / trial_id) == record
    for trial_id, count in started(out).items():
        if trial_id in before:
            assert count == starts_before[trial_id], f"{trial_id} had ended and ran again"
        else:
            assert count == starts_before.get(trial_id, 0) + 1
    records = [TrialRecord.read(out / "trials" / trial_id) for trial_id in expected]
    assert len({record.config_hash for record in records}) == 4


@pytest.mark.parametrize("mirrored", [False, True], ids=["alone", "mirrored"])
def test_an_optuna_sweep_survives_three_kills_and_its_mirror_with_it(
    mirrored: bool, make_sweep: MakeSweep, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path}/study.db"
    sweep = make_sweep(
        resources={"scorers": 0},
        space={"grpo.beta": {"range": [0.0, 0.2], "kind": "float"}},
        search={"mode": "optuna", "trials": 6} | ({"mirror": url} if mirrored else {}),
    )
    out = tmp_path / "out"
    ends: dict[str, ResultRecord | None] = {}
    for last in ("t000-s0", "t001-s0", "t003-s0"):
        driver = start(sweep, out, step_s=0.3)
        wait_for(partial(has_ended, out, last))
        actors = list(actors_below(driver.pid))
        driver.kill()
        driver.wait()
        wait_for(partial(all_are_gone, actors), 30.0)
        now = {trial_id: ResultRecord.read(out / "trials" / trial_id) for trial_id in ended(out)}
        assert now.items() >= ends.items(), "what had ended has changed"
        ends = now

    printed, errors = start(sweep, out, step_s=0.0).communicate(timeout=180)
    assert printed == "8 0\n", errors
    records = [TrialRecord.read(path.parent) for path in out.glob("trials/t*/trial.json")]
    assert sorted(record.number for record in records) == list(range(6))
    assert len({record.config_hash for record in records}) == 6
    if mirrored:
        (name,) = optuna.get_all_study_names(url)
        trials = optuna.load_study(study_name=name, storage=url).trials
        assert [trial.state.name for trial in trials] == ["COMPLETE"] * 6
        assert {trial.user_attrs["point"]: trial.params["grpo.beta"] for trial in trials} == {
            record.number: record.params["grpo.beta"] for record in records
        }


def test_a_killed_search_with_infeasible_points_goes_on_as_an_uninterrupted_one(
    make_sweep: MakeSweep, tmp_path: Path
) -> None:
    sweep = make_sweep(
        resources={"scorers": 0, "max_concurrent_trials": 1},
        space={"grpo.beta": {"range": [0.0, 0.5], "kind": "float"}},
        search={"mode": "optuna", "trials": 16},
    )
    points = {}
    for name, kill_after in (("killed", "t011-s0"), ("whole", None)):
        out = tmp_path / name / "out"
        out.parent.mkdir()
        if kill_after is not None:
            driver = start(sweep, out, step_s=0.3, trial="misleading")
            wait_for(partial(has_ended, out, kill_after))
            actors = list(actors_below(driver.pid))
            driver.kill()
            driver.wait()
            wait_for(partial(all_are_gone, actors), 30.0)
        printed, errors = start(sweep, out, step_s=0.0, trial="misleading").communicate(timeout=180)
        assert printed == "18 0\n", errors
        records = [TrialRecord.read(path.parent) for path in out.glob("trials/t*/trial.json")]
        points[name] = {record.number: record.params for record in records}
    assert points["killed"] == points["whole"]
    # Infeasible points were among those that the search had to go by.
    assert any(points["whole"][number]["grpo.beta"] > 0.3 for number in range(11))


def test_ctrl_c_ends_everything_and_says_how_to_go_on(make_sweep: MakeSweep, tmp_path: Path) -> None:
    out = tmp_path / "out"
    driver = start(make_sweep(resources={"scorers": 1, "cpus_per_scorer": 0}), out, step_s=2.0)
    wait_for((out / "trials" / "baseline-untrained" / "starts").exists)
    actors = list(actors_below(driver.pid))
    assert actors
    driver.send_signal(signal.SIGINT)
    _, errors = driver.communicate(timeout=60)
    assert f"go on with: vibesweep sweep resume {out}" in errors
    assert driver.returncode != 0
    wait_for(lambda: not any(map(alive, actors)), 30.0)
    assert ResultRecord.read(out / "trials" / "baseline-untrained") is None
