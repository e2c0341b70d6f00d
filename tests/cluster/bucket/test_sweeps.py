"""A sweep in a bucket ends as one in a folder, whatever is killed and whatever its nodes forget."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
from pyarrow.fs import FileSystem

from tests.cluster.bucket.driving import (
    actors_below,
    fetched,
    is_alive,
    ledger,
    names,
    outcome,
    run,
    start,
    wait_for,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster.conftest import MakeSweep

pytestmark = pytest.mark.ray

ALONE = {"scorers": 0, "max_concurrent_trials": 1}


def test_a_sweep_in_a_bucket_is_the_one_in_a_folder(
    make_sweep: MakeSweep, bucket: str, tmp_path: Path
) -> None:
    sweep, url = make_sweep(resources=ALONE), f"{bucket}/runs/stand-in"
    assert run(sweep, tmp_path / "out", tmp_path, trial="misleading") == "4 0\n"
    assert run(sweep, url, tmp_path, trial="misleading") == "4 0\n"
    there = fetched(url, tmp_path / "there")
    assert outcome(there) == outcome(tmp_path / "out")
    rows = ledger(there)
    assert rows == ledger(tmp_path / "out")
    assert len(rows) == 3 * 20
    assert names(url) == {name for name in names(tmp_path / "out") if not name.startswith(".")}
    # The driver's copy is there for a ranking; those of trials are gone.
    assert len(list((tmp_path / "cache").glob("sweeps/*/driver/stand-in/trials/*/result.json"))) == 4
    assert list((tmp_path / "cache").glob("sweeps/*/at-work/*/*")) == []


@pytest.mark.slow
def test_a_killed_driver_whose_node_is_lost_goes_on_from_the_bucket_alone(
    make_sweep: MakeSweep, bucket: str, tmp_path: Path
) -> None:
    sweep = make_sweep(
        resources=ALONE,
        space={"grpo.beta": [0.1, 0.2, 0.3]},
        base={"base_model": "tiny", "logging.eval_steps": 2},
    )
    url = f"{bucket}/runs/stand-in"
    assert run(sweep, tmp_path / "out", tmp_path, trial="adding_up") == "5 0\n"

    driver = start(sweep, url, tmp_path, trial="adding_up", step_s=0.5)
    mark = "trials/t001-s0/checkpoints/checkpoint-4/checksums.json"
    wait_for(lambda: mark in names(url))
    actors = list(actors_below(driver.pid))
    assert actors
    driver.kill()
    driver.wait()
    wait_for(lambda: not any(map(is_alive, actors)), 30.0)
    assert "trials/t001-s0/result.json" not in names(url)
    shutil.rmtree(tmp_path / "cache")

    # Another node has another name, so the record that the killed driver left is listened to for a while.
    printed, errors = start(sweep, url, tmp_path, trial="adding_up").communicate(timeout=300)
    assert printed == "5 0\n", errors
    assert "taking over if it is not heard for 30 s" in errors
    there = fetched(url, tmp_path / "there")
    assert outcome(there) == outcome(tmp_path / "out")
    starts = {path.parent.name: path.read_text() for path in there.glob("trials/t*/starts")}
    assert starts == {"t000-s0": "0.1\n", "t001-s0": "0.2\n0.2\n", "t002-s0": "0.3\n"}
    value = (there / "trials/t001-s0/checkpoints/checkpoint-8/weights").read_text()
    assert value == (tmp_path / "out/trials/t001-s0/checkpoints/checkpoint-8/weights").read_text()


@pytest.mark.slow
def test_a_second_driver_is_refused_on_this_node_and_on_another(
    make_sweep: MakeSweep, bucket: str, tmp_path: Path
) -> None:
    sweep, url = make_sweep(resources=ALONE), f"{bucket}/runs/stand-in"
    first = start(sweep, url, tmp_path, trial="quick", step_s=8.0)
    wait_for(lambda: "driver.json" in names(url))
    for cache in ("cache", "another-node"):
        _, errors = start(sweep, url, tmp_path, trial="quick", cache=cache).communicate(timeout=120)
        assert f"{url} must have one driver, got a second one beside process {first.pid} on " in errors
    first.kill()
    first.wait()


@pytest.mark.slow
def test_a_bucket_that_goes_away_ends_the_sweep_as_the_clusters_failure(
    make_sweep: MakeSweep, bucket: str, tmp_path: Path
) -> None:
    url = f"{bucket}/runs/stand-in"
    driver = start(make_sweep(resources=ALONE), url, tmp_path, trial="quick", step_s=2.0)
    wait_for(lambda: "trials/baseline-untrained/starts" in names(url))
    filesystem, name = FileSystem.from_uri(f"{bucket}?allow_bucket_deletion=true")
    filesystem.delete_dir(name)
    _, errors = driver.communicate(timeout=180)
    assert driver.returncode == 1  # Python's own for an exception; the command's is 4
    last = errors.strip().splitlines()[-1]
    assert last.startswith(f"common.errors.ClusterError: {url} must be reached for as long as its sweep runs")


@pytest.mark.slow
def test_a_population_copies_through_the_bucket_what_it_copies_through_a_folder(
    make_sweep: MakeSweep, bucket: str, tmp_path: Path
) -> None:
    sweep = make_sweep(
        resources={"scorers": 0},
        base={"base_model": "tiny", "logging.save_steps": 2, "max_steps": 8},
        space={"grpo.beta": [0.1, 0.2, 0.3, 0.4]},
        scheduler={"type": "pbt", "eval_steps": 2, "perturbation_steps": 4},
    )
    url = f"{bucket}/runs/stand-in"
    assert run(sweep, tmp_path / "out", tmp_path, trial="adding_up") == "6 0\n"
    assert run(sweep, url, tmp_path, trial="adding_up") == "6 0\n"
    there = fetched(url, tmp_path / "there")
    assert (there / "population.json").read_text() == (tmp_path / "out" / "population.json").read_text()
    assert outcome(there) == outcome(tmp_path / "out")
    assert list(there.glob("trials/*/taken-over/checkpoint-*/checksums.json"))
