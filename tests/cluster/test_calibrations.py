"""Measured seconds: what they are looked up by, and the file that keeps them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from cluster.calibrations import (
    Calibration,
    CalibrationKey,
    calibration_for,
    calibration_key,
    calibrations_file,
    read_calibrations,
    store_calibrations,
)
from cluster.machine import Machine, this_machine
from common.errors import UserError
from common.objective import ObjectiveConfig
from common.training_config import TrainingConfig, apply_overrides
from search_spaces.resources import Resources

if TYPE_CHECKING:
    from pathlib import Path

MACHINE = Machine(cpus=8, gpus=1, cpu_kind="a cpu", gpu_kind="a gpu")


def key(**changes: Any) -> CalibrationKey:
    return calibration_key(
        apply_overrides(TrainingConfig(), {"base_model": "tiny"} | changes),
        ObjectiveConfig(),
        Resources(cpus_per_scorer=0),
        MACHINE,
    )


def calibration(seconds: float, **changes: Any) -> Calibration:
    return Calibration(
        key=key(**changes),
        start_s=1,
        generate_s=seconds,
        learn_s=2 * seconds,
        score_s=3,
        evaluation_generate_s=4,
        evaluation_score_s=5,
        scorer_start_s=6,
    )


def test_a_key_says_what_runs_where() -> None:
    assert key(**{"infra.gpus_per_trial": 0.5, "infra.cpus_per_trial": 1.5}).model_dump() == {
        "base_model": "tiny",
        "max_completion_length": 1024,
        "training_scorer": "transformers tiny rewards.render:render 10 s",
        "evaluation_scorer": "transformers tiny rewards.render:render 10 s",
        "trial_device": "a gpu",
        "trial_threads": 2,
        "scorer_device": "a cpu",
        "scorer_threads": 1,
    }
    assert key(**{"grpo.reward.reward_type": "schema_only"}).training_scorer == "none"
    custom = {"grpo.reward.reward_type": "custom", "grpo.reward.custom_scorer_path": "own:score"}
    assert key(**custom).training_scorer == "custom:own:score"
    # What is learned at which rate costs the same.
    assert key(**{"optimizer.learning_rate": 1e-3, "batch.batch_size": 32}) == key()


def test_a_second_checkpoint_has_its_cost() -> None:
    second = ObjectiveConfig.model_validate({"eval_clap": {"model": "larger-clap-music"}})
    found = calibration_key(TrainingConfig(), second, Resources(), MACHINE)
    assert found.evaluation_scorer == (
        "transformers tiny rewards.render:render 10 s and "
        "transformers larger-clap-music rewards.render:render 10 s"
    )


def test_without_scorers_the_trials_processor_scores() -> None:
    config = apply_overrides(TrainingConfig(), {"infra.gpus_per_trial": 1, "infra.cpus_per_trial": 4})
    alone = calibration_key(config, ObjectiveConfig(), Resources(scorers=0), MACHINE)
    assert (alone.scorer_device, alone.scorer_threads) == ("a gpu", 4)


def test_another_model_or_processor_has_no_calibration() -> None:
    known = [calibration(1.0)]
    assert calibration_for(key(), known) == known[0]
    assert calibration_for(key(base_model="own/er"), known) is None
    assert calibration_for(key(**{"infra.gpus_per_trial": 1}), known) is None


def test_another_completion_length_is_scaled_from_the_nearest() -> None:
    path = "grpo.max_completion_length"
    known = [calibration(1.0, **{path: 128}), calibration(7.0, **{path: 1024})]
    found = calibration_for(key(**{path: 256}), known)
    assert found is not None
    # 256 / 128 = 2 times the seconds of a rollout; scoring and evaluating stay.
    assert (found.generate_s, found.learn_s, found.score_s, found.evaluation_generate_s) == (2, 4, 3, 4)
    assert found.key == key(**{path: 128})


def test_the_file_keeps_the_newest_of_each_key(tmp_path: Path) -> None:
    path = tmp_path / "new" / "calibrations.json"
    assert read_calibrations(path) == ()
    store_calibrations(path, [calibration(1.0), calibration(2.0, base_model="own/er")])
    store_calibrations(path, [calibration(9.0)])
    assert {c.key.base_model: c.generate_s for c in read_calibrations(path)} == {"tiny": 9, "own/er": 2}
    assert [entry.name for entry in path.parent.iterdir()] == ["calibrations.json"]


def test_the_file_lies_in_the_users_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert calibrations_file() == tmp_path / "vibesweep" / "calibrations.json"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert calibrations_file() == tmp_path / ".cache" / "vibesweep" / "calibrations.json"


@pytest.mark.parametrize("content", ["{", '{"version": 1, "calibrations": [{"key": 1}]}'])
def test_a_broken_file_is_refused_with_its_cure(content: str, tmp_path: Path) -> None:
    path = tmp_path / "calibrations.json"
    path.write_text(content)
    with pytest.raises(UserError, match=f"{re.escape(str(path))} must hold .* delete it and add --calibrate"):
        read_calibrations(path)


def test_a_cluster_has_the_sizes_it_is_given() -> None:
    found = this_machine(cpus=64, gpus=8)
    assert (found.cpus, found.gpus) == (64, 8)
    assert this_machine().cpus >= 1
