"""Supervised fine-tuning with TRL: teaches a policy payloads, so that GRPO starts where it can score."""

from __future__ import annotations

import math
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import trl
from datasets import Dataset
from transformers import PrinterCallback, TrainerCallback

from common.errors import TrialError, UserError
from trainables.chat import PromptFormat
from trainables.data import data_path, load_responses, load_rows
from trainables.grpo import check_packages, shared_arguments
from trainables.noise import add_noise
from trainables.policy import load_policy, lora_config, save_adapter
from trainables.process import trial_process
from trainables.spec import Progress, Report
from trainables.wandb_run import wandb_run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from common.training_config import TrainingConfig
    from trainables.data import VibeRow
    from trainables.wandb_run import WandbRun

__all__ = ["run_sft"]


def run_sft(config: TrainingConfig, train_data: str, output: str, report: Report) -> Path:
    """Train a LoRA on the responses of a JSONL file; the loss is over the response alone.

    Args:
        config: `data.response_field` names the payload; noise applies to the prompts as in GRPO.
        train_data: a JSONL file.
        output: the adapter's folder; `base_model` takes it.
        report: told about every log entry.

    Returns:
        The adapter's folder.

    Raises:
        UserError: data, model or settings that cannot work.
        TrialError: the loss is not finite.
    """
    folder = Path(output)
    with trial_process(config), ExitStack() as stack:
        check_packages(config)
        path = data_path(train_data, "train")
        rows = add_noise(load_rows(path, config.data), config.noise, config.seed)
        responses = load_responses(path, config.data)
        policy = load_policy(config.base_model)
        form = PromptFormat.of(policy.tokenizer, config.system_prompt)
        run = stack.enter_context(wandb_run(config, name=folder.name, group=None, folder=folder))
        trainer = trl.SFTTrainer(
            model=policy.model,
            args=trl.SFTConfig(
                **shared_arguments(config, folder),
                max_length=None,
                packing=False,
                save_strategy="no",
                dataset_kwargs={"skip_prepare_dataset": True},
            ),
            train_dataset=_dataset(rows, responses, form, config.data.max_seq_length, path),
            processing_class=policy.tokenizer,
            peft_config=lora_config(policy.model, config.lora),
            callbacks=[_Watch(report, run)],
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()
        save_adapter(trainer.model, folder, config.base_model)
    return folder


def _dataset(
    rows: Sequence[VibeRow], responses: Sequence[str], form: PromptFormat, max_seq_length: int, path: Path
) -> Dataset:
    """Token ids and labels; the prompt's labels are -100, which the loss leaves out.

    Tokenized here and not by TRL, so that the prompt is token for token what GRPO and the evaluation ask.
    """
    tokenizer = form.tokenizer
    examples = []
    for number, (row, response) in enumerate(zip(rows, responses, strict=True), start=1):
        prompt = form.token_ids(row.prompt)
        answer = [*tokenizer(response, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
        if not len(prompt) + len(answer) <= max_seq_length:
            raise UserError(
                f"{path} row {number}: prompt and response must fit data.max_seq_length {max_seq_length}, "
                f"got {len(prompt)} + {len(answer)} tokens; raise it or shorten the row"
            )
        examples.append({"input_ids": prompt + answer, "labels": [-100] * len(prompt) + answer})
    return Dataset.from_list(examples)


class _Watch(TrainerCallback):  # type: ignore[misc]  # transformers has no types
    """Reports progress, and ends a run whose loss is lost."""

    def __init__(self, report: Report, run: WandbRun | None) -> None:
        self._report = report
        self._run = run
        self._started = time.perf_counter()

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any], **_: Any) -> None:
        if not math.isfinite(logs.get("loss", 0.0)):
            raise TrialError(f"step {state.global_step}: the loss is {logs['loss']}; lower the learning rate")
        if self._run:
            numbers = {name: value for name, value in logs.items() if isinstance(value, int | float)}
            self._run.add_scalars(state.global_step, {f"train/{name}": x for name, x in numbers.items()})
        seconds = time.perf_counter() - self._started
        self._report(Progress(state.global_step, state.max_steps, None, None, seconds))
