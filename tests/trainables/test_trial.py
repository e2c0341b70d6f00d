"""A whole trial on a small random policy: ledger, checkpoints, resumption, failure."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
import trl
from safetensors.torch import load_file

from common.errors import TrialError, UserError
from common.objective import ObjectiveConfig
from common.records import ResultRecord, TrialRecord
from rewards.components import Components
from rewards.scorer import Scorer
from trainables.trial import run_trial

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from common.training_config import TrainingConfig
    from tests.trainables.conftest import ReadLedger
    from trainables.spec import Progress, TrialSpec


class StoppedError(Exception):
    """What a killed trial is to its code: nothing it knows."""


def adapter(directory: str) -> dict[str, torch.Tensor]:
    weights: dict[str, torch.Tensor] = load_file(Path(directory) / "adapter" / "adapter_model.safetensors")
    return weights


def quiet(progress: Progress) -> None:
    pass


def test_a_trial_writes_every_completion_once_and_its_records(
    make_spec: Callable[..., TrialSpec], stub_scorer: Scorer, read_ledger: ReadLedger
) -> None:
    spec = make_spec(grpo__beta=0.1)
    seen: list[Progress] = []
    result = run_trial(spec, stub_scorer, stub_scorer, seen.append)

    rows = read_ledger(spec.directory)
    # Held out: 3 vibes x 2 samples at steps 0 and 4. Rollouts: 4 completions before each of 4 steps.
    assert sorted({step for step, split, *_ in rows if split == "held_out"}) == [0, 4]
    assert sum(split == "held_out" for _, split, *_ in rows) == 2 * 3 * 2
    assert sorted(step for step, split, *_ in rows if split == "train") == sorted([0, 1, 2, 3] * 4)
    last = [row for (step, split, *_), row in rows.items() if split == "held_out" and step == 4]
    # 0.2 x format 0 + 0.3 x schema + 0.5 x the floor -1
    expected = sum(0.3 * row["schema"] - 0.5 for row in last) / len(last)
    assert result.objective == pytest.approx(expected, abs=1e-12)
    assert (result.validity, result.audio_over_valid, result.unscored_share, result.steps) == (0, None, 0, 4)
    assert {row["decoding_seed"] for (_, split, *_), row in rows.items() if split == "train"} == {-1}

    directory = Path(spec.directory)
    assert TrialRecord.read(directory).config == spec.config
    stored = ResultRecord.read(directory)
    assert stored is not None
    assert (stored.status, stored.objective) == ("finished", result.objective)
    assert (directory / "adapter" / "adapter_config.json").is_file()
    assert sorted(path.name for path in (directory / "checkpoints").iterdir()) == [
        "checkpoint-2",
        "checkpoint-4",
    ]
    assert next((p.step, p.total_steps) for p in seen if p.objective is not None) == (0, 4)
    assert seen[-1].objective == result.objective
    assert any(p.reward is not None for p in seen)


def test_a_finished_trial_is_not_run_again(make_spec: Callable[..., TrialSpec], stub_scorer: Scorer) -> None:
    spec = make_spec(max_steps=1)
    result = run_trial(spec, stub_scorer, stub_scorer, quiet)
    seen: list[Progress] = []
    assert run_trial(spec, stub_scorer, stub_scorer, seen.append) == result
    assert seen == []


@pytest.mark.parametrize("num_generations", [2, 3], ids=["on-policy", "three steps per rollout"])
def test_a_resumed_trial_ends_where_an_uninterrupted_one_does(
    make_spec: Callable[..., TrialSpec], stub_scorer: Scorer, read_ledger: ReadLedger, num_generations: int
) -> None:
    # Batch 4 with 3 generations shares one batch of rollouts among 3 steps: checkpoints at 3 and 6.
    settings = {"max_steps": 7, "grpo__num_generations": num_generations, "logging__eval_steps": 2}
    whole = make_spec("whole", **settings)
    run_trial(whole, stub_scorer, stub_scorer, quiet)

    stopped = make_spec("stopped", **settings)

    def stop_at_five(progress: Progress) -> None:
        if progress.step == 5:
            raise StoppedError

    with pytest.raises(StoppedError):
        run_trial(stopped, stub_scorer, stub_scorer, stop_at_five)
    assert ResultRecord.read(Path(stopped.directory)) is None
    first_steps: list[int] = []
    run_trial(stopped, stub_scorer, stub_scorer, lambda progress: first_steps.append(progress.step))

    depth = stopped.config.off_policy_depth
    assert first_steps[0] == {1: 5, 3: 4}[depth]  # goes on after the checkpoint at 4, or at 3
    for name, weights in adapter(whole.directory).items():
        assert torch.equal(weights, adapter(stopped.directory)[name]), name
    assert read_ledger(stopped.directory) == read_ledger(whole.directory)


@pytest.mark.parametrize("evaluation_lost", [False, True])
def test_a_trial_stopped_by_an_evaluation_goes_on_from_that_step(
    make_spec: Callable[..., TrialSpec],
    stub_scorer: Scorer,
    read_ledger: ReadLedger,
    evaluation_lost: bool,
) -> None:
    settings = {"max_steps": 6, "logging__eval_steps": 2, "logging__save_steps": 2}
    whole = make_spec("whole", **settings)
    run_trial(whole, stub_scorer, stub_scorer, quiet)

    stopped = make_spec("stopped", **settings)

    def stop_at_four(progress: Progress) -> None:
        if progress.objective_step == 4:
            raise StoppedError

    with pytest.raises(StoppedError):
        run_trial(stopped, stub_scorer, stub_scorer, stop_at_four)
    if evaluation_lost:  # killed between the checkpoint and the end of its evaluation
        (Path(stopped.directory) / "ledger" / "held-out-000004.parquet").unlink()
    again: list[tuple[int, int | None]] = []
    run_trial(stopped, stub_scorer, stub_scorer, lambda p: again.append((p.step, p.objective_step)))
    # Step 4 is not taken again; what was lost is evaluated again.
    assert list(dict.fromkeys(again)) == (
        [(4, 4), (5, 4), (6, 4), (6, 6)] if evaluation_lost else [(5, None), (6, None), (6, 6)]
    )
    for name, weights in adapter(whole.directory).items():
        assert torch.equal(weights, adapter(stopped.directory)[name]), name
    assert read_ledger(stopped.directory) == read_ledger(whole.directory)


def test_a_trial_stopped_after_its_last_step_only_evaluates(
    make_spec: Callable[..., TrialSpec], stub_scorer: Scorer, read_ledger: ReadLedger
) -> None:
    whole = make_spec("whole")
    run_trial(whole, stub_scorer, stub_scorer, quiet)
    stopped = make_spec("stopped")
    final = Path(stopped.directory) / "ledger" / "held-out-000004.parquet"

    def stop_at_the_end(progress: Progress) -> None:
        if final.exists():
            raise StoppedError

    with pytest.raises(StoppedError):
        run_trial(stopped, stub_scorer, stub_scorer, stop_at_the_end)
    run_trial(stopped, stub_scorer, stub_scorer, quiet)

    assert read_ledger(stopped.directory) == read_ledger(whole.directory)
    for name, weights in adapter(whole.directory).items():
        assert torch.equal(weights, adapter(stopped.directory)[name]), name


def test_the_untrained_policy_is_the_trained_one_at_step_0(
    make_spec: Callable[..., TrialSpec], stub_scorer: Scorer, read_ledger: ReadLedger
) -> None:
    baseline = make_spec("untrained", kind="untrained_policy")
    result = run_trial(baseline, stub_scorer, stub_scorer, quiet)
    trial = make_spec("trial", max_steps=1)
    run_trial(trial, stub_scorer, stub_scorer, quiet)

    texts = {key: row["completion"] for key, row in read_ledger(baseline.directory).items()}
    assert result.steps == 0
    assert len(texts) == 6
    assert texts == {
        k: r["completion"] for k, r in read_ledger(trial.directory).items() if k[:2] == (0, "held_out")
    }


@pytest.mark.parametrize("architecture", ["qwen3", "llama"])
def test_any_architecture_trains(
    make_spec: Callable[..., TrialSpec],
    other_policies: dict[str, str],
    stub_scorer: Scorer,
    read_ledger: ReadLedger,
    architecture: str,
) -> None:
    spec = make_spec(base_model=other_policies[architecture], system_prompt="Compose.", max_steps=1)
    run_trial(spec, stub_scorer, stub_scorer, quiet)
    rows = read_ledger(spec.directory).values()
    assert len(rows) == 6 + 4 + 6
    assert not any(token in row["completion"] for row in rows for token in ("<pad>", "<eos>", "<bos>"))


def test_the_guides_json_trains_as_it_is(
    make_spec: Callable[..., TrialSpec],
    make_config: Callable[..., TrainingConfig],
    read_ledger: ReadLedger,
    stub_scorer: Scorer,
) -> None:
    # Batch 16 with 6 generations, from the ablation guide; only the model and lengths are the test's.
    guide = {
        "epochs": 3,
        "seed": 42,
        "lora": {"r": 32, "alpha": 32, "dropout": 0.05},
        "optimizer": {"learning_rate": 1e-4, "warmup_ratio": 0.1},
        "grpo__beta": 0.02,
        "grpo__num_generations": 6,
        "grpo__reward__weights": {"format_weight": 0.15, "schema_weight": 0.35, "audio_weight": 0.5},
        "batch__batch_size": 16,
    }
    spec = make_spec(max_steps=2, **guide)
    assert spec.config.off_policy_depth == 3
    run_trial(spec, stub_scorer, stub_scorer, quiet)
    rows = read_ledger(spec.directory)
    # One batch of 16 x 3 = 48 rollouts, 8 prompts x 6, feeds both steps.
    assert [step for step, split, *_ in rows if split == "train"] == [0] * 48
    assert len({prompt for _, split, prompt, _ in rows if split == "train"}) == 8


def test_rollouts_are_sampled_without_dropout_and_learned_with_it(
    make_spec: Callable[..., TrialSpec], stub_scorer: Scorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    modes: list[tuple[str, bool]] = []

    def watch(name: str) -> None:
        call = getattr(trl.GRPOTrainer, name)

        def watched(self: Any, *args: Any) -> Any:
            modes.append((name, self.model.training))
            return call(self, *args)

        monkeypatch.setattr(trl.GRPOTrainer, name, watched)

    watch("_generate_single_turn")
    watch("_compute_loss")
    run_trial(make_spec(max_steps=1, lora__dropout=0.5), stub_scorer, stub_scorer, quiet)
    assert modes == [("_generate_single_turn", False), ("_compute_loss", True)]


def test_the_real_scorer_finds_that_a_random_policy_writes_no_json(
    make_spec: Callable[..., TrialSpec], read_ledger: ReadLedger
) -> None:
    spec = make_spec(max_steps=1)
    result = run_trial(spec, Scorer(None), Scorer(None), quiet)
    assert result.validity == 0
    assert {row["format"] for row in read_ledger(spec.directory).values()} == {0}


class Unscored(Scorer):
    """Leaves every n-th completion unscored."""

    def __init__(self, n: int) -> None:
        super().__init__(None)
        self.n = n

    def score(self, vibes: Sequence[str], completions: Sequence[str]) -> list[Components]:
        scores = super().score(vibes, completions)
        return [
            Components.missing("the pool is gone") if i % self.n == 0 else s for i, s in enumerate(scores)
        ]


def test_too_many_unscored_rollouts_fail_the_trial(
    make_spec: Callable[..., TrialSpec], stub_scorer: Scorer
) -> None:
    spec = make_spec()
    # 1 of 4 in the first batch is more than 0.02 of the trial's 16.
    with pytest.raises(TrialError, match=r"step 0: 1 rollouts are unscored.*the pool is gone"):
        run_trial(spec, Unscored(4), stub_scorer, quiet)
    stored = ResultRecord.read(Path(spec.directory))
    assert stored is not None
    assert stored.status == "failed"
    assert stored.unscored_share is None
    assert stored.reason is not None
    assert "the pool is gone" in stored.reason


def test_a_trial_reports_how_many_rollouts_were_not_scored(
    make_spec: Callable[..., TrialSpec], stub_scorer: Scorer
) -> None:
    spec = make_spec(grpo__reward__max_unscored_share=0.25)
    # 4 batches of 4 rollouts, the first of each without a score: 4 of 16 are just not too many.
    result = run_trial(spec, Unscored(4), stub_scorer, quiet)
    assert (result.unscored_rollouts, result.unscored_share) == (4, 0)
    stored = ResultRecord.read(Path(spec.directory))
    assert stored is not None
    assert stored.unscored_rollouts == 4
    assert run_trial(spec, stub_scorer, stub_scorer, quiet) == result


def test_too_many_unscored_evaluations_fail_the_trial(
    make_spec: Callable[..., TrialSpec], stub_scorer: Scorer
) -> None:
    with pytest.raises(TrialError, match=r"step 0: 2 of 6 held-out completions are unscored"):
        run_trial(make_spec(), stub_scorer, Unscored(3), quiet)


def test_a_few_unscored_completions_are_left_out_of_the_mean(
    make_spec: Callable[..., TrialSpec], stub_scorer: Scorer, read_ledger: ReadLedger
) -> None:
    spec = make_spec(max_steps=1)
    spec = replace(spec, objective=spec.objective.model_copy(update={"max_unscored_share": 0.5}))
    result = run_trial(spec, stub_scorer, Unscored(3), quiet)
    last = [
        row
        for (step, split, *_), row in read_ledger(spec.directory).items()
        if (step, split) == (1, "held_out")
    ]
    scored = [row for row in last if row["unscored_reason"] is None]
    assert (len(last), len(scored)) == (6, 4)
    assert result.unscored_share == pytest.approx(2 / 6)
    expected = sum(0.2 * row["format"] + 0.3 * row["schema"] - 0.5 for row in scored) / 4
    assert result.objective == pytest.approx(expected, abs=1e-12)


def test_a_lost_loss_fails_the_trial_with_its_step(
    make_spec: Callable[..., TrialSpec], stub_scorer: Scorer
) -> None:
    spec = make_spec(optimizer__learning_rate=1e30, optimizer__warmup_ratio=0.0, optimizer__name="sgd")
    with pytest.raises(TrialError, match=r"step \d: the .* not finite; lower optimizer.learning_rate"):
        run_trial(spec, stub_scorer, stub_scorer, quiet)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            {"data__max_seq_length": 16},
            r"row \d+: prompt and completion must fit data.max_seq_length 16, got \d+",
        ),
        ({"optimizer__name": "adamw_8bit"}, "optimizer.name must be 'adamw_torch'"),
        ({"base_model": "/no/such/model"}, "model must be one of"),
        ({"lora__target_modules": ("q_proj", "w1")}, "lora.target_modules must name modules of .*got w1"),
        ({"batch__batch_size": 64}, "must have >= 32 rows"),
    ],
)
def test_settings_that_cannot_work_are_named(
    make_spec: Callable[..., TrialSpec], stub_scorer: Scorer, overrides: dict[str, object], message: str
) -> None:
    spec = make_spec(**overrides)
    with pytest.raises(UserError, match=message):
        run_trial(spec, stub_scorer, stub_scorer, quiet)
    stored = ResultRecord.read(Path(spec.directory))
    assert stored is not None
    assert stored.status == "failed"


def test_fewer_held_out_rows_than_asked_for_are_refused(
    make_spec: Callable[..., TrialSpec], stub_scorer: Scorer
) -> None:
    spec = replace(make_spec(), objective=ObjectiveConfig(num_vibes=25))
    with pytest.raises(UserError, match=r"objective.num_vibes must be <= the rows of .*got 25 > 24"):
        run_trial(spec, stub_scorer, stub_scorer, quiet)
