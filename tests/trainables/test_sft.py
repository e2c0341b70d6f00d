"""SFT lowers the loss of its responses, and GRPO goes on from its adapter."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
import trl
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import metadata
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

from common.errors import TrialError, UserError
from common.records import SFTRecord
from tests.trainables.knobs.bench import trained_by
from trainables.chat import PromptFormat
from trainables.data import load_responses, load_rows, split_rows
from trainables.grpo import VibeGRPOTrainer
from trainables.policy import load_policy
from trainables.sft import VibeSFTTrainer, _splits, run_sft
from trainables.trial import run_trial

if TYPE_CHECKING:
    from collections.abc import Callable

    from common.training_config import TrainingConfig
    from rewards.scorer import Scorer
    from tests.trainables.conftest import ReadLedger
    from trainables.spec import Progress, TrialSpec


@pytest.fixture
def pairs(tmp_path: Path) -> str:
    """Vibes whose responses, half text and half object, are one payload."""
    payload = {"title": "rain"}
    rows = [
        {"vibe_noisy": f"rain {i}", "config_payload": payload if i % 2 else json.dumps(payload)}
        for i in range(8)
    ]
    path = tmp_path / "pairs.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def quiet(progress: Progress) -> None:
    pass


def validation_loss(name: str, pairs: str, config: TrainingConfig, share: float) -> float:
    """Mean over the rows held back of each one's loss, computed here."""
    rows, responses = load_rows(Path(pairs), config.data), load_responses(Path(pairs), config.data)
    _, held = split_rows(rows, share, config.seed)
    losses = [response_loss(name, responses[index], vibe=rows[index].prompt) for index in held]
    return sum(losses) / len(losses)


def response_loss(name: str, text: str = '{"title":"rain"}', *, vibe: str = "rain 1") -> float:
    """Mean negative log-likelihood (nats) of the response and its end token."""
    policy = load_policy(name)
    prompt = PromptFormat.of(policy.tokenizer, "").token_ids(vibe)
    answer = [*policy.tokenizer(text, add_special_tokens=False)["input_ids"], policy.tokenizer.eos_token_id]
    ids = torch.tensor([prompt + answer])
    labels = torch.tensor([[-100] * len(prompt) + answer])
    with torch.no_grad():
        return float(policy.model(ids, labels=labels).loss)


def test_grpo_goes_on_from_an_sft_adapter_of_another_rank(
    make_config: Callable[..., TrainingConfig],
    make_spec: Callable[..., TrialSpec],
    pairs: str,
    stub_scorer: Scorer,
    read_ledger: ReadLedger,
) -> None:
    seen: list[Progress] = []
    config = make_config(
        max_steps=30, lora__r=8, lora__alpha=32, optimizer__learning_rate=2e-2, logging__logging_steps=10
    )
    adapter = run_sft(config, pairs, f"{pairs}.sft", seen.append)
    before, after = response_loss(config.base_model), response_loss(str(adapter))
    assert after < 0.5 * before
    assert [(p.step, p.total_steps) for p in seen][:3] == [(10, 30), (20, 30), (30, 30)]

    spec = make_spec(base_model=str(adapter), lora__r=4, max_steps=1, grpo__beta=0.5)
    with trained_by(VibeGRPOTrainer.train) as trainers:
        run_trial(spec, stub_scorer, stub_scorer, quiet)
    # Before its first update the policy is its own reference: the SFT policy, and not the base under it.
    (first, *_) = trainers[0].state.log_history
    assert first["kl"] == pytest.approx(0, abs=1e-9)
    baseline = make_spec("untrained", kind="untrained_policy", base_model=str(adapter))
    run_trial(baseline, stub_scorer, stub_scorer, lambda progress: None)
    # The fresh LoRA starts at zero: step 0 is the SFT policy.
    start = {k: r["completion"] for k, r in read_ledger(spec.directory).items() if k[:2] == (0, "held_out")}
    assert start == {k: r["completion"] for k, r in read_ledger(baseline.directory).items()}
    assert response_loss(f"{spec.directory}/adapter") == pytest.approx(after, abs=0.1)


def test_rows_that_are_too_long_are_named(
    make_config: Callable[..., TrainingConfig], pairs: str, tmp_path: Path
) -> None:
    with pytest.raises(
        UserError, match=r"row 1: prompt and response must fit data.max_seq_length 16, got \d+ \+ \d+"
    ):
        run_sft(make_config(data__max_seq_length=16), pairs, str(tmp_path / "sft"), lambda progress: None)
    assert not (tmp_path / "sft").exists()


def first_batch(
    config: TrainingConfig, pairs: str, monkeypatch: pytest.MonkeyPatch, *, packing: bool
) -> tuple[torch.Size, dict[str, torch.Tensor]]:
    """The shape of the first batch, and what is learned from it: gradients before they are clipped."""
    shapes: list[torch.Size] = []
    seen: dict[str, torch.Tensor] = {}
    step, clip = VibeSFTTrainer.training_step, VibeSFTTrainer._clip_grad_norm

    def stepping(self: Any, model: Any, inputs: Any, num_items: Any) -> torch.Tensor:
        shapes.append(inputs["input_ids"].shape)
        return step(self, model, inputs, num_items)

    def clipping(self: Any, model: Any) -> torch.Tensor:
        seen.update({n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None})
        return clip(self, model)

    with monkeypatch.context() as patched:
        patched.setattr(VibeSFTTrainer, "training_step", stepping)
        patched.setattr(VibeSFTTrainer, "_clip_grad_norm", clipping)
        run_sft(config, pairs, f"{pairs}.{packing}", quiet, packing=packing)
    return shapes[0], seen


def test_packed_rows_are_learned_as_if_each_stood_alone(
    make_config: Callable[..., TrainingConfig], pairs: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"max_steps": 1, "batch__batch_size": 8, "noise__error_rate": 0.0}
    shape, padded = first_batch(make_config(**settings), pairs, monkeypatch, packing=False)
    assert shape[0] == 8
    shape, packed = first_batch(
        make_config(**settings, data__max_seq_length=60), pairs, monkeypatch, packing=True
    )
    # The batch has at most 8 sequences of 60 tokens, and they stand in one row without padding.
    assert shape[0] == 1
    assert packed.keys() == padded.keys()
    assert any(gradient.abs().max() > 1e-3 for gradient in padded.values())
    for name, gradient in padded.items():
        torch.testing.assert_close(packed[name], gradient, atol=1e-6, rtol=1e-4)


def test_packing_takes_fewer_steps_for_the_same_rows(
    make_config: Callable[..., TrainingConfig], pairs: str
) -> None:
    settings = {"max_steps": None, "epochs": 1, "batch__batch_size": 1, "data__max_seq_length": 60}
    steps = {}
    for packing in (False, True):
        adapter = run_sft(make_config(**settings), pairs, f"{pairs}.{packing}", quiet, packing=packing)
        record = SFTRecord.read(adapter)
        assert (record.packing, record.num_rows) == (packing, 8)
        steps[packing] = record.steps
    # 8 rows of 20 to 30 tokens, two or three in a sequence of 60.
    assert steps[False] == 8
    assert 3 <= steps[True] <= 4


def test_the_validation_loss_is_that_of_rows_which_are_not_learned(
    make_config: Callable[..., TrainingConfig], pairs: str, tmp_path: Path
) -> None:
    seen: list[Progress] = []
    config = make_config(
        max_steps=6, optimizer__learning_rate=2e-2, logging__eval_steps=4, noise__error_rate=0.0
    )
    adapter = run_sft(config, pairs, str(tmp_path / "sft"), seen.append, validation_share=0.25)
    record = SFTRecord.read(adapter)
    assert (record.num_rows, record.num_validation_rows, record.steps) == (6, 2, 6)
    assert list(record.validation_losses) == [0, 4, 6]
    assert [(p.step, p.validation_loss) for p in seen if p.validation_loss is not None] == [
        *record.validation_losses.items()
    ]
    train, held = split_rows(load_rows(Path(pairs), config.data), 0.25, config.seed)
    assert (len(train), len(held)) == (6, 2)
    for step, name in ((0, config.base_model), (6, str(adapter))):
        found = validation_loss(name, pairs, config, 0.25)
        assert record.validation_losses[step] == pytest.approx(found, abs=1e-4)


@pytest.mark.parametrize(
    ("stopped_at", "goes_on_from"),
    [
        (1, 0),  # before the first checkpoint
        (5, 4),
        (6, 6),  # after the last checkpoint, when nothing is left to train
    ],
)
def test_an_interrupted_run_ends_where_an_uninterrupted_one_does(
    make_config: Callable[..., TrainingConfig],
    pairs: str,
    monkeypatch: pytest.MonkeyPatch,
    stopped_at: int,
    goes_on_from: int,
) -> None:
    config = make_config(max_steps=6, lora__dropout=0.1, logging__eval_steps=3)

    def stop(progress: Progress) -> None:
        if progress.step == stopped_at < 6:
            raise KeyboardInterrupt

    def stop_writing(*_: Any) -> None:
        raise KeyboardInterrupt

    def train(folder: str, report: Callable[[Progress], None]) -> Path:
        return run_sft(config, pairs, f"{pairs}.{folder}", report, validation_share=0.25)

    with monkeypatch.context() as patched:
        patched.setattr(SFTRecord, "write", stop_writing)
        with pytest.raises(KeyboardInterrupt):
            train("stopped", stop)
    seen: list[Progress] = []
    stopped, whole = train("stopped", seen.append), train("whole", quiet)
    assert [p.step for p in seen if p.loss is not None] == [*range(goes_on_from + 1, 7)]
    ours, theirs = (load_file(folder / "adapter_model.safetensors") for folder in (stopped, whole))
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(weights, theirs[name]) for name, weights in ours.items())
    assert SFTRecord.read(stopped) == SFTRecord.read(whole)
    assert list(SFTRecord.read(stopped).validation_losses) == [0, 3, 6]
    # With the adapter there, they are of no use.
    assert not (stopped / "checkpoints").exists()


def test_the_curves_are_those_of_the_whole_run(
    make_config: Callable[..., TrainingConfig], pairs: str, tmp_path: Path
) -> None:
    config = make_config(max_steps=4, logging__save_steps=2, logging__eval_steps=2)
    output = tmp_path / "sft"

    def stop_at_three(progress: Progress) -> None:
        if progress.step == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_sft(config, pairs, str(output), stop_at_three, validation_share=0.25)
    run_sft(config, pairs, str(output), quiet, validation_share=0.25)

    events = EventAccumulator(str(output / "tensorboard"))
    events.Reload()
    assert [event.step for event in events.Scalars("train/loss")] == [1, 2, 3, 4]
    assert {"train/grad_norm", "train/learning_rate"} <= set(events.Tags()["scalars"])
    shown = {event.step: event.value for event in events.Scalars("validation/loss")}
    assert shown == pytest.approx(SFTRecord.read(output).validation_losses)
    hparams = events.PluginTagToContent("hparams")
    row = HParamsPluginData.FromString(hparams[metadata.SESSION_START_INFO_TAG]).session_start_info.hparams
    assert row["lora.r"].number_value == config.lora.r
    assert metadata.SESSION_END_INFO_TAG in hparams


def test_without_a_share_every_row_is_learned_and_nothing_validated(
    make_config: Callable[..., TrainingConfig], pairs: str, tmp_path: Path
) -> None:
    adapter = run_sft(make_config(max_steps=1), pairs, str(tmp_path / "sft"), quiet)
    record = SFTRecord.read(adapter)
    assert (record.num_rows, record.num_validation_rows, record.validation_losses) == (8, 0, {})


@pytest.mark.parametrize(
    ("share", "message"),
    [
        (0.9, r"must leave rows to train on, got 0.9 of 8 rows with 8 different references"),
        (1.0, r"validation share must be >= 0 and < 1, got 1"),
        (float("nan"), r"validation share must be >= 0 and < 1, got nan"),
    ],
)
def test_a_share_that_leaves_nothing_to_learn_is_refused(
    make_config: Callable[..., TrainingConfig], pairs: str, share: float, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        run_sft(make_config(), pairs, f"{pairs}.sft", quiet, validation_share=share)


def test_force_augmentation_corrupts_a_row_of_both_splits(
    make_config: Callable[..., TrainingConfig], pairs: str
) -> None:
    config = make_config(noise__error_rate=0.0, noise__force_augmentation=True)
    clean = {f"rain {i}" for i in range(8)}
    for split in _splits(config, Path(pairs), 0.25):
        assert sum(pair.prompt not in clean for pair in split) == 1


@pytest.mark.parametrize("survived", range(3))
def test_an_adapter_that_was_cut_off_does_not_load(
    make_config: Callable[..., TrainingConfig],
    pairs: str,
    monkeypatch: pytest.MonkeyPatch,
    survived: int,
) -> None:
    output, moved = Path(f"{pairs}.sft"), 0
    replace = Path.replace

    def killed(self: Path, target: Any) -> Path:
        nonlocal moved
        if self.parent.name == "unfinished":
            if moved == survived:
                raise KeyboardInterrupt
            moved += 1
        return replace(self, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", killed)
        config = make_config(max_steps=1, logging__save_strategy="no")
        if survived < 2:  # the weights, and the configuration, which comes last
            with pytest.raises(KeyboardInterrupt):
                run_sft(config, pairs, str(output), quiet)
        else:
            run_sft(config, pairs, str(output), quiet)
    if survived < 2:
        with pytest.raises(UserError, match=r"model must be a folder with config.json or adapter"):
            load_policy(str(output))
    else:
        assert isinstance(load_policy(str(output)).model, torch.nn.Module)
        assert not (output / "unfinished").exists()


@pytest.mark.parametrize(
    ("overrides", "reason"),
    [
        (
            {"optimizer__name": "sgd", "optimizer__learning_rate": 1e30, "optimizer__warmup_ratio": 0.0},
            r"step \d: the .* not finite; lower optimizer.learning_rate",
        ),
        ({"infra__timeout_hours": 1e-9}, "a trial must end within infra.timeout_hours = 1e-09"),
    ],
)
def test_the_guards_of_a_trial_hold_for_sft(
    make_config: Callable[..., TrainingConfig], pairs: str, overrides: dict[str, Any], reason: str
) -> None:
    with pytest.raises(TrialError, match=reason):
        run_sft(make_config(**overrides), pairs, f"{pairs}.sft", quiet)
    assert not (Path(f"{pairs}.sft") / "adapter_config.json").exists()


def test_memory_that_sft_does_not_get_is_explained(
    make_config: Callable[..., TrainingConfig], pairs: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_much(*_: Any, **__: Any) -> torch.Tensor:
        return torch.empty(2**60)

    monkeypatch.setattr(trl.SFTTrainer, "compute_loss", too_much)
    with pytest.raises(TrialError, match=r"step 0, learning: out of memory; lower batch.batch_size"):
        run_sft(make_config(), pairs, f"{pairs}.sft", quiet)


@pytest.mark.parametrize("bias", ["all", "lora_only"])
def test_trained_biases_are_part_of_the_adapter(
    make_config: Callable[..., TrainingConfig], other_policies: dict[str, str], pairs: str, bias: str
) -> None:
    config = make_config(
        base_model=other_policies["qwen2"], lora__bias=bias, max_steps=2, optimizer__learning_rate=2e-2,
        noise__error_rate=0.0, system_prompt="",
    )  # fmt: skip
    adapter = run_sft(config, pairs, f"{pairs}.sft", quiet, validation_share=0.25)
    before, after = load_policy(config.base_model).model, load_policy(str(adapter)).model
    moved = {
        name
        for name, parameter in after.named_parameters()
        if name.endswith(".bias") and not torch.equal(parameter, before.get_parameter(name))
    }
    assert moved
    found = validation_loss(str(adapter), pairs, config, 0.25)
    assert SFTRecord.read(adapter).validation_losses[2] == pytest.approx(found, abs=1e-4)
