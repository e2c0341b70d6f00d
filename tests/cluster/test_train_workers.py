"""A trial of several workers: what they tell, how they end, what their trial's end becomes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from common.errors import TrialError
from common.records import ResultRecord, TrialRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from search_spaces.sweep_file import SweepFile

pytestmark = [
    pytest.mark.slow,
    pytest.mark.ray,
    pytest.mark.timeout(240),
    pytest.mark.usefixtures("local_ray"),
]


WORKERS = {"infra.num_workers": 2, "infra.cpus_per_trial": 2}


def run(
    sweep: SweepFile, tmp_path: Path, trial: str, beta: float, tell: Callable[[Mapping[str, Any]], None]
) -> Path:
    """Run one trial of two workers; its folder."""
    from cluster.task import SweepTask, TrialCode  # noqa: PLC0415 - with Ray
    from cluster.train_workers import run_on_workers  # noqa: PLC0415
    from common.training_config import apply_overrides  # noqa: PLC0415
    from search_spaces.identity import config_hash  # noqa: PLC0415

    config = apply_overrides(sweep.base_config(), {"grpo.beta": beta})
    record = TrialRecord(
        trial_id="t000-s0",
        kind="trial",
        number=0,
        label="two workers",
        params={"grpo.beta": beta},
        seed=0,
        config_hash=config_hash(config),
        config=config,
    )
    folder = tmp_path / "trials" / record.trial_id
    record.write(folder)
    task = SweepTask(
        sweep=sweep.name,
        directory=str(tmp_path),
        train_data=sweep.data.train,
        held_out_data=sweep.data.held_out,
        objective=sweep.objective,
        pool=None,
        code=TrialCode(trial=f"trivial_trials:{trial}", audio_backend="trivial_scorers:length_backend"),
    )
    run_on_workers(record, task, tell)
    return folder


@pytest.fixture
def two_workers(make_sweep: Callable[..., SweepFile]) -> SweepFile:
    return make_sweep(base={"base_model": "tiny", "logging.eval_steps": 1} | WORKERS)


def test_the_first_worker_tells_and_the_trial_ends_once(two_workers: SweepFile, tmp_path: Path) -> None:
    told: list[int] = []
    folder = run(two_workers, tmp_path, "quick", 0.05, lambda progress: told.append(progress["step"]))
    assert told == [0, 1, 2, 3]
    assert (folder / "starts").read_text() == "start\n" * 2  # both took part
    result = ResultRecord.read(folder)
    assert result is not None
    assert result.status == "finished"


def test_the_workers_error_is_the_trials(two_workers: SweepFile, tmp_path: Path) -> None:
    with pytest.raises(TrialError, match=r"^beta 0\.5 is refused by this stand-in$"):
        run(two_workers, tmp_path, "quick", 0.5, lambda _: None)


def test_a_trial_that_is_stopped_gives_back_its_workers(two_workers: SweepFile, tmp_path: Path) -> None:
    import ray  # noqa: PLC0415

    told: list[int] = []

    def stop_at_two(progress: Mapping[str, Any]) -> None:
        told.append(progress["step"])
        if progress["step"] == 2:
            raise SystemExit  # as Tune's report does for a scheduler that has had enough

    with pytest.raises(SystemExit):
        run(two_workers, tmp_path, "slowly_learning", 0.05, stop_at_two)
    assert told == [1, 1, 2]  # a log entry and an evaluation at step 1, and nothing after the stop
    assert ResultRecord.read(tmp_path / "trials" / "t000-s0") is None
    until = time.monotonic() + 30
    while ray.available_resources().get("CPU") != 2 and time.monotonic() < until:
        time.sleep(0.2)
    assert ray.available_resources()["CPU"] == 2
