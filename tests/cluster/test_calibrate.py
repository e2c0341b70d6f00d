"""Measuring: which configurations, and what is read from a trial's clock and ledger."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from cluster import calibrate as module
from cluster.calibrate import calibrate, configs_to_calibrate
from cluster.calibrations import calibration_key, read_calibrations
from cluster.machine import Machine, this_machine
from common.errors import UserError
from common.ledger import write_part
from trainables.ledger_writer import Completion, LedgerWriter
from trainables.spec import Progress

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rewards import Scorer
    from trainables.spec import TrialSpec

MACHINE = Machine(cpus=2, gpus=0, cpu_kind="a cpu", gpu_kind=None)


def test_points_that_cost_alike_are_measured_once(make_sweep: Any) -> None:
    sweep = make_sweep(space={"lora.r": [4, 8], "optimizer.learning_rate": [1e-4, 1e-3]})
    [(key, config)] = configs_to_calibrate(sweep, MACHINE).items()
    assert key == calibration_key(sweep.base_config(), sweep.objective, sweep.resources, MACHINE)
    assert config.lora.r == sweep.base_config().lora.r


def test_listed_lengths_are_measured_each_and_drawn_ones_at_the_base(make_sweep: Any) -> None:
    listed = make_sweep(space={"grpo.max_completion_length": [64, 128]})
    assert [key.max_completion_length for key in configs_to_calibrate(listed, MACHINE)] == [1024, 64, 128]
    drawn = make_sweep(
        space={"grpo.max_completion_length": {"range": [64, 128], "kind": "int"}},
        search={"mode": "optuna", "trials": 4},
    )
    assert [key.max_completion_length for key in configs_to_calibrate(drawn, MACHINE)] == [1024]


def test_a_base_model_that_an_axis_replaces_is_not_measured(make_sweep: Any) -> None:
    sweep = make_sweep(base={}, space={"base_model": ["tiny", "own/er"]})
    assert [key.base_model for key in configs_to_calibrate(sweep, MACHINE)] == ["tiny", "own/er"]


def test_trials_on_gpus_are_not_measured_without_one(make_sweep: Any) -> None:
    sweep = make_sweep(base={"base_model": "tiny", "infra.gpus_per_trial": 1})
    with pytest.raises(UserError, match=r"--calibrate must run where the trials will, got no GPU"):
        calibrate(sweep, MACHINE, lambda line: None)


def test_a_measured_trial_has_two_cycles_and_its_scores_are_free(make_sweep: Any) -> None:
    sweep = make_sweep(base={"base_model": "tiny", "batch.batch_size": 4, "grpo.num_generations": 6})
    spec = module._spec(sweep, sweep.base_config(), "/tmp/unused")
    assert (spec.config.off_policy_depth, spec.config.max_steps) == (3, 6)
    assert spec.config.grpo.reward.reward_type == "schema_only"
    assert (spec.objective.num_vibes, spec.objective.samples) == (2, 1)


def test_seconds_are_read_from_the_second_cycle(
    make_sweep: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = make_sweep(base={"base_model": "tiny", "batch.batch_size": 4, "grpo.num_generations": 8})
    spec = module._spec(sweep, sweep.base_config(), str(tmp_path))

    def pretend(
        spec: TrialSpec, training: Scorer, evaluation: Scorer, report: Callable[[Progress], None]
    ) -> None:
        writer = LedgerWriter(spec)
        scored = training.score(["a"], ["{}"])

        def rows(split: Any, step: int, generate_s: float) -> None:
            completion = Completion("p", 0, -1, "a", "{}", 1, generate_s)
            part = writer.rows(split, step, [completion], scored, score_s=0, scorer=training)
            write_part(tmp_path / "trial" / "ledger" / f"{split}-{step}.parquet", part)

        rows("held_out", 0, 1.5)
        rows("train", 0, 9.0)
        rows("train", 2, 0.5)
        rows("held_out", 4, 1.0)
        for step, seconds in [(0, 10.0), (0, 11.0), (1, 30.0), (2, 40.0), (3, 50.0), (4, 52.0), (4, 60.0)]:
            report(Progress(step, 4, None, None, seconds))

    monkeypatch.setattr("trainables.trial.run_trial", pretend)
    # start: 10 - 2 vibes x 1.5 = 7 s; a cycle of 8 completions took 52 - 40 = 12 s, of which 0.5 s each were
    # generation: 12 / 8 - 0.5 = 1 s
    assert module._time_trial(spec) == (7.0, 0.5, 1.0, 1.0)


@pytest.mark.slow
def test_a_calibration_makes_the_cost_known(
    make_sweep: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from vibesweep.cli import run  # noqa: PLC0415

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    file = tmp_path / "sweep.yaml"
    base = {
        "base_model": "tiny",
        "max_steps": 4,
        "batch.batch_size": 4,
        "grpo.num_generations": 2,
        "grpo.max_completion_length": 112,
    }
    data = str(tmp_path / "vibes.jsonl")
    make_sweep()
    content = {"name": "measured", "base": base, "data": {"train": data, "held_out": data}}
    file.write_text(json.dumps(content | {"resources": {"cpus_per_scorer": 0}}))
    assert run(["sweep", "plan", str(file), "--json", "--calibrate"]) == 0
    cost = json.loads(capsys.readouterr().out)["cost"]
    assert cost["known"] is True
    parts = cost["parts"]
    for part in ("start_s", "generation_s_per_step", "scoring_s_per_step", "learning_s_per_step"):
        assert 0 < parts[part] < 120, part
    [stored] = read_calibrations(tmp_path / "cache" / "vibesweep" / "calibrations.json")
    assert stored.key.trial_device == this_machine().cpu_kind
