"""Whole sweeps of stand-in trials on a real Ray."""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING, Any

import optuna
import pytest
from rich.console import Console

from common.prompt_registry import get_prompt
from common.records import ResultRecord, TrialRecord
from common.training_config import BASE_MODELS, resolve_model

if TYPE_CHECKING:
    from pathlib import Path

    from cluster.sweep import SweepOutcome
    from search_spaces.sweep_file import SweepFile
    from tests.cluster.conftest import MakeSweep

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("local_ray")]


def run(sweep: SweepFile, directory: Path, trial: str = "quick", **options: Any) -> SweepOutcome:
    from cluster.sweep import run_sweep  # noqa: PLC0415 - imports ray
    from cluster.task import TrialCode  # noqa: PLC0415

    code = TrialCode(
        trial=f"trivial_trials:{trial}",
        random_configs="trivial_trials:random_configs",
        audio_backend="trivial_scorers:length_backend",
    )
    return run_sweep(sweep, directory, code=code, console=Console(file=io.StringIO()), **options)


def searched_betas(make_sweep: MakeSweep, directory: Path, **sentinels: Any) -> list[float]:
    """The points of a search whose best-looking ones are noise, in the order of their numbers."""
    sweep = make_sweep(
        space={"grpo.beta": {"range": [0.0, 0.5], "kind": "float"}},
        search={"mode": "optuna", "trials": 24, "mirror": f"sqlite:///{directory}.db"},
        objective={"sentinels": sentinels},
        resources={"scorers": 0, "max_concurrent_trials": 1},
    )
    assert run(sweep, directory, "misleading").failed == ()
    records = [TrialRecord.read(path.parent) for path in directory.glob("trials/t*/trial.json")]
    return [record.params["grpo.beta"] for record in sorted(records, key=lambda record: record.number)]


def test_a_sweep_turns_away_from_infeasible_points_and_its_mirror_shows_them(
    make_sweep: MakeSweep, tmp_path: Path
) -> None:
    judged = searched_betas(make_sweep, tmp_path / "judged")
    off = searched_betas(make_sweep, tmp_path / "off", max_bad_sound_share=None)
    # The first 10 are drawn at random.
    assert judged[:10] == off[:10]
    assert sum(beta > 0.27 for beta in judged[10:]) < sum(beta > 0.27 for beta in off[10:]) / 2
    (name,) = optuna.get_all_study_names(f"sqlite:///{tmp_path}/judged.db")
    study = optuna.load_study(study_name=name, storage=f"sqlite:///{tmp_path}/judged.db")
    for trial in study.trials:
        # 20 clips each, of which the first is noise from beta 0.25 on, the second from 0.2625 on.
        noise = max(0.0, math.ceil(20 * 4 * (trial.params["grpo.beta"] - 0.25)) / 20)
        assert trial.user_attrs["misses noise_share by"] == pytest.approx(noise - 0.05)
    assert study.best_trial.params["grpo.beta"] <= 0.2625


def test_workers_run_prompts_that_only_the_sweep_has_registered(
    make_sweep: MakeSweep, tmp_path: Path
) -> None:
    # The chat template of any other folder may render a system prompt, and what it says is not asked here.
    (tmp_path / "policy").symlink_to(resolve_model("tiny", BASE_MODELS))
    prompt = {"version": "1.0.0", "description": "", "template": "Only this driver knows."}
    sweep = make_sweep(
        base={"base_model": str(tmp_path / "policy"), "prompts.vibe_extraction": "known_here"},
        prompts={"known_here": prompt},
        space={"prompts.config_generation": ["system_v1", "known_here"]},
    )
    outcome = run(sweep, tmp_path / "sweep")
    assert (outcome.num_finished, outcome.failed) == (5, ())
    told = [
        TrialRecord.read(path).config.system_prompt for path in sorted((tmp_path / "sweep/trials").glob("t*"))
    ]
    assert told == [get_prompt("system_v1").template, "Only this driver knows."]


def starts(directory: Path) -> dict[str, int]:
    """How often each trial was started."""
    return {
        path.parent.name: len(path.read_text().splitlines())
        for path in sorted(directory.glob("trials/*/starts"))
    }


def test_a_grid_runs_every_point_with_every_seed_once(make_sweep: MakeSweep, tmp_path: Path) -> None:
    sweep = make_sweep(seeds=[0, 1], resources={"scorers": 0})
    outcome = run(sweep, tmp_path / "out")
    assert (outcome.num_finished, outcome.failed, outcome.was_done) == (6, (), False)
    assert starts(tmp_path / "out") == {
        "baseline-untrained": 1, "t000-s0": 1, "t000-s1": 1, "t001-s0": 1, "t001-s1": 1,
    }  # fmt: skip
    # beta 0.05 is the top of the parabola, and seed 1 adds 0.001.
    best = ResultRecord.read(tmp_path / "out" / "trials" / "t001-s1")
    assert best is not None
    assert best.objective == 0.001

    again = run(sweep, tmp_path / "out")
    assert (again.num_finished, again.was_done) == (6, True)
    assert set(starts(tmp_path / "out").values()) == {1}


def test_a_failing_trial_is_reported_and_the_sweep_goes_on(make_sweep: MakeSweep, tmp_path: Path) -> None:
    sweep = make_sweep(space={"grpo.beta": [0.5, 0.05]}, resources={"scorers": 0})
    outcome = run(sweep, tmp_path / "out")
    assert outcome.num_finished == 3
    assert outcome.failed == (("t000-s0", "grpo.beta=0.5", "beta 0.5 is refused by this stand-in"),)
    assert starts(tmp_path / "out")["t000-s0"] == 1

    # Failed trials run again where that is asked for.
    assert len(run(sweep, tmp_path / "out", retry_failed=True).failed) == 1
    assert starts(tmp_path / "out") == {"baseline-untrained": 1, "t000-s0": 2, "t001-s0": 1}


def test_a_crashed_trial_is_started_again_and_a_hopeless_one_is_given_up(
    make_sweep: MakeSweep, tmp_path: Path
) -> None:
    sweep = make_sweep(
        base={"base_model": "tiny", "infra.max_retries": 1, "infra.retry_backoff_s": 2},
        space={"grpo.beta": [0.5, 0.05]},
        resources={"scorers": 0},
    )
    outcome = run(sweep, tmp_path / "out", trial="crash_once")
    assert outcome.num_finished == 3
    ((trial_id, _, reason),) = outcome.failed
    assert trial_id == "t000-s0"
    assert reason.startswith("crashed: RuntimeError: a bug")
    # max_retries 1: two starts, whether the second one helps or not.
    assert starts(tmp_path / "out") == {"baseline-untrained": 2, "t000-s0": 2, "t001-s0": 2}
    for path in (tmp_path / "out").glob("trials/*/starts"):
        first, second = map(float, path.read_text().split())
        assert second - first >= 2


def test_an_optuna_sweep_runs_its_points_through_the_pool(make_sweep: MakeSweep, tmp_path: Path) -> None:
    sweep = make_sweep(
        space={"grpo.beta": {"range": [0.0, 0.2], "kind": "float"}},
        search={"mode": "optuna", "trials": 4},
        seeds=[0, 1],
    )
    outcome = run(sweep, tmp_path / "out")
    assert (outcome.num_finished, outcome.failed) == (10, ())
    records = [TrialRecord.read(path.parent) for path in (tmp_path / "out").glob("trials/t*/trial.json")]
    betas = {record.number: record.config.grpo.beta for record in records}
    assert len(records) == 8
    assert len(set(betas.values())) == 4
    assert all(record.params["grpo.beta"] == betas[record.number] for record in records)


def test_a_finished_search_goes_on_with_more_trials_and_so_does_its_mirror(
    make_sweep: MakeSweep, tmp_path: Path
) -> None:
    from cluster.sweep import resume_sweep  # noqa: PLC0415 - imports ray

    url = f"sqlite:///{tmp_path}/study.db"
    space = {"grpo.beta": {"range": [0.0, 0.2], "kind": "float"}, "lora.r": [8, 16]}
    for trials in (2, 4):
        sweep = make_sweep(
            space=space,
            search={"mode": "mixed", "trials": trials, "mirror": url},
            resources={"scorers": 0},
        )
        outcome = run(sweep, tmp_path / "out")
        assert (outcome.num_finished, outcome.was_done) == (2 + trials, False)
    assert set(starts(tmp_path / "out").values()) == {1}
    records = [TrialRecord.read(path.parent) for path in (tmp_path / "out").glob("trials/t*/trial.json")]
    ranks = {record.number: record.params["lora.r"] for record in records}
    assert [ranks[number] for number in range(4)] == [8, 16, 8, 16]
    (name,) = optuna.get_all_study_names(url)
    study = optuna.load_study(study_name=name, storage=url)
    assert [trial.state.name for trial in study.trials] == ["COMPLETE"] * 4

    # The directory's own record has the new number too.
    resumed = resume_sweep(tmp_path / "out", console=Console(file=io.StringIO()))
    assert (resumed.num_finished, resumed.was_done) == (6, True)


def test_a_budget_ends_a_sweep_which_keeps_what_it_has_and_goes_on_with_a_larger_one(
    make_sweep: MakeSweep, tmp_path: Path
) -> None:
    def budgeted(trials: int) -> SweepOutcome:
        return run(
            make_sweep(space={"grpo.beta": [0.0, 0.05, 0.1]}, budget={"trials": trials}), tmp_path / "out"
        )

    outcome = budgeted(2)
    assert (outcome.num_finished, outcome.was_done) == (4, False)
    assert outcome.stopped_by == "budget.trials 2: 2 trials were started"
    assert budgeted(2) == outcome
    outcome = budgeted(3)
    assert (outcome.num_finished, outcome.stopped_by) == (5, None)
    assert set(starts(tmp_path / "out").values()) == {1}


def test_a_sweep_that_cannot_start_leaves_nothing(make_sweep: MakeSweep, tmp_path: Path) -> None:
    from cluster.sweep import run_sweep  # noqa: PLC0415 - imports ray
    from cluster.task import TrialCode  # noqa: PLC0415
    from common.errors import UserError  # noqa: PLC0415

    code = TrialCode(audio_backend="trivial_trials:no_such_backend")
    with pytest.raises(UserError, match=r"no_such_backend"):
        run_sweep(make_sweep(), tmp_path / "out", code=code, console=Console(file=io.StringIO()))
    assert not (tmp_path / "out").exists()
