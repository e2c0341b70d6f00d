"""TensorBoard: the curves and the HParams row of one trial."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import metadata
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

from trainables.tensorboard import TrialCurves
from trainables.trial import run_trial

if TYPE_CHECKING:
    from collections.abc import Callable

    from common.training_config import TrainingConfig
    from rewards.scorer import Scorer
    from trainables.spec import Progress, TrialSpec


def events_of(folder: str) -> EventAccumulator:
    events = EventAccumulator(folder)
    events.Reload()
    return events


def hparams_of(events: EventAccumulator) -> dict[str, HParamsPluginData]:
    found = {}
    for tag, content in events.PluginTagToContent("hparams").items():
        found[tag] = HParamsPluginData.FromString(content)
    return found


def test_a_trial_has_curves_of_training_and_of_the_held_out_objective(
    make_spec: Callable[..., TrialSpec], stub_scorer: Scorer
) -> None:
    spec = make_spec(max_steps=2, grpo__beta=0.1)
    result = run_trial(spec, stub_scorer, stub_scorer, lambda progress: None)
    events = events_of(spec.tensorboard)

    assert [(e.step, e.value) for e in events.Scalars("held_out/objective")][-1] == (
        2,
        pytest.approx(result.objective, abs=1e-6),
    )
    assert [e.step for e in events.Scalars("held_out/objective")] == [0, 2]
    assert [e.step for e in events.Scalars("train/reward")] == [1, 2]
    # batch 4 with 2 generations: every step learns from rollouts of its own
    assert [e.value for e in events.Scalars("train/off_policy_depth")] == [1, 1]
    tags = set(events.Tags()["scalars"])
    assert {
        "train/format",
        "train/schema",
        "train/kl_k3",
        "train/entropy",
        "train/completion_length",
        "train/learning_rate",
        "held_out/validity",
        "held_out/schema",
    } <= tags


def test_the_hparams_row_has_every_constant_from_the_start(
    make_config: Callable[..., TrainingConfig], tmp_path: Path
) -> None:
    curves = TrialCurves(str(tmp_path), make_config(lora__r=4, grpo__num_generations=6), resumed_at=None)
    started = hparams_of(events_of(str(tmp_path)))
    row = started[metadata.SESSION_START_INFO_TAG].session_start_info.hparams
    assert row["lora.r"].number_value == 4
    # batch 4 with 6 generations: 6 / gcd(4, 6) = 3 steps on one batch of rollouts
    assert row["off_policy_depth"].number_value == 3
    assert row["optimizer.name"].string_value == "adamw_torch"
    assert "system_prompt" not in row
    assert metadata.SESSION_END_INFO_TAG not in started
    with curves:
        pass
    assert metadata.SESSION_END_INFO_TAG in hparams_of(events_of(str(tmp_path)))


def test_an_attempt_that_left_no_checkpoint_leaves_no_events_either(
    make_spec: Callable[..., TrialSpec], stub_scorer: Scorer
) -> None:
    spec = make_spec(max_steps=2, logging__save_steps=2)

    def stop(progress: Progress) -> None:
        if progress.step == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_trial(spec, stub_scorer, stub_scorer, stop)
    assert [e.step for e in events_of(spec.tensorboard).Scalars("held_out/objective")] == [0]
    run_trial(spec, stub_scorer, stub_scorer, lambda progress: None)
    # TensorBoard would show the first evaluation, and the first step, of both.
    assert [e.step for e in events_of(spec.tensorboard).Scalars("held_out/objective")] == [0, 2]
    assert [e.step for e in events_of(spec.tensorboard).Scalars("train/reward")] == [1, 2]
    assert len(list(Path(spec.tensorboard).glob("events.*"))) == 1
