"""Supervised fine-tuning with TRL: teaches a policy payloads, so that GRPO starts where it can score."""

from __future__ import annotations

import math
import shutil
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import trl
from datasets import Dataset
from transformers import PrinterCallback, TrainerCallback, TrainerState
from transformers.trainer import TRAINER_STATE_NAME

from common.errors import TrialError, UserError
from common.records import SFTRecord
from trainables.chat import PromptFormat, end_of_turn_id
from trainables.checkpointed import CheckpointedTrainer
from trainables.checkpoints import CHECKPOINTS
from trainables.data import data_path, load_responses, load_rows, split_rows
from trainables.grpo import check_packages, shared_arguments
from trainables.guards import check_finite, memory_explained
from trainables.noise import add_noise
from trainables.policy import load_policy, lora_config, restore_adapter, save_adapter
from trainables.process import trial_process
from trainables.resumption import notice_of, take_up
from trainables.spec import Progress, Report
from trainables.tensorboard import RunCurves
from trainables.time_limit import TimeLimit
from trainables.wandb_run import wandb_run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from common.training_config import TrainingConfig
    from trainables.checkpoints import Start

__all__ = ["VibeSFTTrainer", "run_sft"]

_VALIDATION: Final = "validation/loss"
_TAGS: Final = {
    "loss": "train/loss",
    "grad_norm": "train/grad_norm",
    "learning_rate": "train/learning_rate",
    "entropy": "train/entropy",
    "mean_token_accuracy": "train/token_accuracy",
    "eval_loss": _VALIDATION,
}
"""The trainer's name of a metric and ours: losses and entropy in nats per token of the responses."""


def run_sft(
    config: TrainingConfig,
    train_data: str,
    output: str,
    report: Report,
    *,
    validation_share: float = 0.0,
    packing: bool = False,
) -> Path:
    """Train a LoRA on the responses of a JSONL file; the loss is over the response alone.

    The adapter appears in its folder when it is whole. A run that was cut off leaves none; called again it
    goes on from its newest whole checkpoint, and on a CPU ends bit-equal to one that was not. The checkpoints
    go when the adapter is there; TensorBoard's files stay beside it.

    Args:
        config: `data.response_field` names the payload; noise applies to the prompts as in GRPO, in both
            splits. `logging.eval_steps` says how often the validation loss is measured beside the start and
            the end.
        train_data: a JSONL file.
        output: the adapter's folder; `base_model` takes it.
        report: told about every log entry and every validation loss, and where a run goes on.
        validation_share: of the rows to hold back, in [0, 1). By default a file is trained on as it is.
        packing: fill sequences of `data.max_seq_length` with several rows. Rows do not attend to each
            other, so the loss of a row stays what it was; a step takes more of them. Off by default,
            because the number of rows in a step then depends on their lengths.

    Returns:
        The adapter's folder, which also has an SFTRecord.

    Raises:
        UserError: data, model or settings that cannot work.
        TrialError: a loss, a gradient or the weights are not finite, memory or time is out.
    """
    folder = Path(output)
    limit = TimeLimit(config.infra, folder)
    with trial_process(config), ExitStack() as stack:
        check_packages(config)
        path = data_path(train_data, "train")
        splits = _splits(config, path, validation_share)
        with memory_explained("loading the policy", "take a smaller base_model"):
            policy = load_policy(config.base_model)
        form = PromptFormat.of(policy.tokenizer, config.system_prompt)
        longest = config.data.max_seq_length
        train, validation = (_dataset(pairs, form, longest, path) for pairs in splits)
        if packing:
            train = trl.pack_dataset(train, longest, "bfd")
        run = stack.enter_context(wandb_run(config, name=folder.name, group=None, folder=folder))
        start = take_up(folder)
        curves = stack.enter_context(
            RunCurves(
                str(folder / "tensorboard"),
                config,
                outcome=_VALIDATION if splits.validation else _TAGS["loss"],
                resumed_at=start.step if start.checkpoint else None,
                wandb_run=run,
            )
        )
        trainer = VibeSFTTrainer(
            model=policy.model,
            args=_arguments(
                config,
                folder,
                validates=bool(splits.validation),
                packing=packing,
                is_new=not start.checkpoint,
            ),
            train_dataset=train,
            eval_dataset=validation if splits.validation else None,
            processing_class=policy.tokenizer,
            peft_config=lora_config(policy.model, config.lora),
            callbacks=[_Watch(report, curves, notice_of(start))],
        )
        trainer.remove_callback(PrinterCallback)
        with limit.of_passes(policy.model):
            _train(trainer, start)
            steps = trainer.state.global_step
            if splits.validation and steps not in _validation_losses(trainer.state):
                trainer.evaluate()
        SFTRecord(
            config=config,
            num_rows=len(splits.train),
            num_validation_rows=len(splits.validation),
            packing=packing,
            steps=steps,
            validation_losses=_validation_losses(trainer.state),
        ).write(folder)
        save_adapter(trainer.model, folder, config.base_model)
        shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)
    return folder


class _Pair(NamedTuple):
    """A prompt and the response to it."""

    number: int
    """Of the row in its file, from 1."""
    prompt: str
    response: str


class _Splits(NamedTuple):
    train: list[_Pair]
    validation: list[_Pair]


def _splits(config: TrainingConfig, path: Path, validation_share: float) -> _Splits:
    """The rows of a file with their noise, which each split has its share of."""
    rows, responses = load_rows(path, config.data), load_responses(path, config.data)
    if not 0 <= validation_share < 1:
        raise UserError(f"the validation share must be >= 0 and < 1, got {validation_share:g}")
    splits = []
    for indices in split_rows(rows, validation_share, config.seed):
        noisy = add_noise([rows[index] for index in indices], config.noise, config.seed)
        splits.append(
            [
                _Pair(index + 1, row.prompt, responses[index])
                for index, row in zip(indices, noisy, strict=True)
            ]
        )
    return _Splits(*splits)


def _arguments(
    config: TrainingConfig, folder: Path, *, validates: bool, packing: bool, is_new: bool
) -> trl.SFTConfig:
    every = config.logging.eval_steps
    return trl.SFTConfig(
        **shared_arguments(config, folder / CHECKPOINTS),
        save_steps=config.logging.save_steps,
        max_length=config.data.max_seq_length if packing else None,
        packing=packing,
        eval_on_start=validates and is_new,
        eval_strategy="steps" if validates and every else "no",
        eval_steps=every or None,
        # A row by itself: the loss of a batch weighs its rows by their lengths.
        per_device_eval_batch_size=1,
        prediction_loss_only=True,
        dataset_kwargs={"skip_prepare_dataset": True},
    )


def _train(trainer: VibeSFTTrainer, start: Start) -> None:
    """Take the steps that are left."""
    if not start.checkpoint:
        trainer.train()
        return
    path = start.checkpoint.path
    state = TrainerState.load_from_json(str(path / TRAINER_STATE_NAME))
    if state.global_step < state.max_steps:
        trainer.train(resume_from_checkpoint=str(path))
    else:
        # The trainer would take one more step before it saw that there is none left.
        restore_adapter(trainer.model, path)
        trainer.state = state


def _validation_losses(state: TrainerState) -> dict[int, float]:
    """Step to validation loss, also of the processes before this one."""
    return {entry["step"]: entry["eval_loss"] for entry in state.log_history if "eval_loss" in entry}


def _dataset(pairs: Sequence[_Pair], form: PromptFormat, max_seq_length: int, path: Path) -> Dataset:
    """Token ids and labels; the prompt's labels are -100, which the loss leaves out.

    Tokenized here and not by TRL, so that the prompt is token for token what GRPO and the evaluation ask.
    """
    tokenizer, end = form.tokenizer, end_of_turn_id(form.tokenizer)
    examples = []
    for number, vibe, response in pairs:
        prompt = form.token_ids(vibe)
        answer = [*tokenizer(response, add_special_tokens=False)["input_ids"], end]
        if not len(prompt) + len(answer) <= max_seq_length:
            raise UserError(
                f"{path} row {number}: prompt and response must fit data.max_seq_length {max_seq_length}, "
                f"got {len(prompt)} + {len(answer)} tokens; raise it or shorten the row"
            )
        examples.append({"input_ids": prompt + answer, "labels": [-100] * len(prompt) + answer})
    return Dataset.from_list(examples)


class VibeSFTTrainer(CheckpointedTrainer, trl.SFTTrainer):  # type: ignore[misc]  # TRL has no types
    """TRL's trainer with whole checkpoints and the guards of a trial."""


class _Watch(TrainerCallback):  # type: ignore[misc]  # transformers has no types
    """Reports progress, writes curves, and ends a run whose validation loss is not finite."""

    def __init__(self, report: Report, curves: RunCurves, notice: str | None) -> None:
        self._report = report
        self._curves = curves
        self._notice = notice
        self._started = time.perf_counter()

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if self._notice is not None:
            self._tell(state, notice=self._notice)

    def on_step_end(self, args: Any, state: Any, control: Any, *, model: Any, **_: Any) -> None:
        check_finite(model, state.global_step)

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any], **_: Any) -> None:
        if "loss" in logs:  # neither a validation, which on_evaluate tells, nor the summary at the end
            self._tell(state, loss=logs["loss"])
        self._curves.add(state.global_step, {tag: logs[name] for name, tag in _TAGS.items() if name in logs})

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: dict[str, Any], **_: Any) -> None:
        loss = metrics["eval_loss"]
        if not math.isfinite(loss):
            raise TrialError(f"step {state.global_step}: the validation loss is {loss}; see to the rows")
        self._tell(state, validation_loss=loss)

    def _tell(self, state: Any, **found: Any) -> None:
        seconds = time.perf_counter() - self._started
        self._report(Progress(state.global_step, state.max_steps, None, None, seconds, **found))
