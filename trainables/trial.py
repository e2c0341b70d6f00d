"""One trial from its first evaluation to its last; started again, it goes on where it was."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from transformers import PrinterCallback

from common.sentinels import gains_of
from trainables.best_adapter import Best, BestAdapter
from trainables.chat import PromptFormat
from trainables.checkpoints import CHECKPOINTS
from trainables.clips import keep_clips
from trainables.constrained import check_llguidance
from trainables.data import data_path, held_out_rows, load_rows
from trainables.evaluation import HeldOut
from trainables.grpo import (
    VibeGRPOTrainer,
    check_packages,
    check_reference,
    check_rows,
    grpo_arguments,
    prompt_dataset,
    total_steps,
)
from trainables.guards import memory_explained
from trainables.ledger_writer import LedgerWriter
from trainables.noise import add_noise
from trainables.outcome import recorded, trial_result
from trainables.policy import Policy, load_policy, lora_config, restore_adapter, save_adapter
from trainables.process import trial_process
from trainables.resumption import notice_of, take_up
from trainables.rewards_trl import RewardBatch, reward_functions
from trainables.spec import Progress, Report, TrialResult, TrialSpec
from trainables.stop_sign import StopSign
from trainables.tensorboard import TrialCurves
from trainables.time_limit import TimeLimit
from trainables.wandb_run import wandb_run
from trainables.watch import TrialWatch
from trainables.workers import first_does, is_first

if TYPE_CHECKING:
    from datasets import Dataset

    from rewards.scorer import Scorer
    from trainables.checkpoints import Start

__all__ = ["run_trial"]


def run_trial(
    spec: TrialSpec, training_scorer: Scorer, evaluation_scorer: Scorer, report: Report
) -> TrialResult:
    """Train one policy and evaluate it on the held-out vibes; or evaluate the untrained policy.

    A trial that has finished returns its stored result. One that was stopped goes on from its newest
    whole checkpoint, and on a CPU ends bit-equal to one that was not. So does one that took over another's
    checkpoint: it goes on as that one would with its own configuration. Several workers of one trial, in
    one process group of torch, each call this with the same arguments; the first one scores and writes.

    Args:
        spec: what to run and where to write.
        training_scorer: scores the rollouts, as `spec.config.grpo.reward` says.
        evaluation_scorer: the sweep's frozen scorer.
        report: told about every log entry and evaluation; an exception from it stops the trial.

    Raises:
        UserError: data, model or settings that cannot work.
        TrialError: the trial has no usable outcome. Both are stored in `result.json`.
        StoppedError: it was told to leave, and has a checkpoint to go on from, or has not begun to train.
    """

    def work() -> TrialResult:
        with trial_process(spec.config):
            return _run(spec, training_scorer, evaluation_scorer, report)

    return recorded(spec, work)


def _run(spec: TrialSpec, training_scorer: Scorer, evaluation_scorer: Scorer, report: Report) -> TrialResult:
    started = time.perf_counter()
    config = spec.config
    limit = TimeLimit(config.infra, Path(spec.directory) if is_first() else None)
    check_packages(config)
    if spec.objective.constrained:
        check_llguidance()
    path = data_path(spec.held_out_data, "held_out")
    vibes = held_out_rows(load_rows(path, config.data), spec.objective, path)
    train_path = data_path(spec.train_data, "train")
    rows = load_rows(train_path, config.data) if spec.kind == "trial" else []
    steps = total_steps(config, len(rows)) if spec.kind == "trial" else 0

    with memory_explained("loading the policy", "take a smaller base_model"):
        policy = load_policy(config.base_model)
    form = PromptFormat.of(policy.tokenizer, config.system_prompt)
    ledger = LedgerWriter(spec, form.prompt_hash)
    start = first_does(lambda: take_up(Path(spec.directory), ledger))
    if notice := notice_of(start):
        seconds = time.perf_counter() - started
        report(Progress(start.step, steps, None, None, seconds, notice=notice))
    held_out = HeldOut(vibes, spec.objective, evaluation_scorer, form, ledger)
    unscored_rollouts = 0
    with ExitStack() as stack:
        stack.enter_context(limit.of_passes(policy.model))
        curves, best = None, None
        if is_first():
            folder = Path(spec.directory)
            run = stack.enter_context(wandb_run(config, name=spec.trial_id, group=spec.sweep, folder=folder))
            curves = stack.enter_context(
                TrialCurves(
                    spec.tensorboard,
                    config,
                    resumed_at=start.step if start.checkpoint else None,
                    wandb_run=run,
                )
            )
            best = BestAdapter(folder, config.base_model)
        watch = TrialWatch(
            held_out,
            best,
            steps=steps,
            logging=config.logging,
            curves=curves,
            report=report,
            started=started,
            stop=StopSign(spec),
            off_policy_depth=config.off_policy_depth,
        )
        if spec.kind == "trial":
            check_reference(config)
            rows = add_noise(rows, config.noise, config.seed)
            check_rows(config, rows, form, train_path)
            batch = stack.enter_context(
                RewardBatch(
                    training_scorer,
                    ledger,
                    config.grpo.reward,
                    num_rollouts=steps * config.completions_per_step,
                    num_unscored=ledger.num_unscored_rollouts(start.step),
                )
            )
            trainer = _trainer(spec, policy, prompt_dataset(rows, form), batch=batch, watch=watch)
            policy = Policy(trainer.model, policy.tokenizer)
            _train(trainer, policy, start, steps, watch=watch)
            ledger.write_rollouts(steps)
            unscored_rollouts = batch.num_unscored
            if is_first():
                save_adapter(trainer.model, Path(spec.directory) / "adapter", config.base_model)
        evaluation = watch.evaluate(policy, steps)
        keep_clips(ledger.held_out(steps), spec.directory, spec.objective.scorer)
        gains, best_of_all = None, None
        if spec.kind == "trial":
            gains = first_does(lambda: gains_of(ledger.held_out(0), ledger.held_out(steps)))
        if spec.kind == "trial" and best and config.logging.eval_steps > 0:
            best_of_all = best.settle(Best(steps, evaluation.objective))
    return trial_result(
        evaluation,
        steps=steps,
        seconds=time.perf_counter() - started,
        unscored_rollouts=unscored_rollouts,
        gains=gains,
        best=best_of_all,
    )


def _trainer(
    spec: TrialSpec, policy: Policy, dataset: Dataset, *, batch: RewardBatch, watch: TrialWatch
) -> VibeGRPOTrainer:
    functions, weights = reward_functions(batch)
    trainer = VibeGRPOTrainer(
        before_checkpoint=batch.ledger.write_rollouts,
        on_generated=batch.expect,
        model=policy.model,
        reward_funcs=functions,
        args=grpo_arguments(spec.config, Path(spec.directory) / CHECKPOINTS, weights),
        train_dataset=dataset,
        processing_class=policy.tokenizer,
        peft_config=lora_config(policy.model, spec.config.lora),
        callbacks=[watch],
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def _train(trainer: VibeGRPOTrainer, policy: Policy, start: Start, steps: int, *, watch: TrialWatch) -> None:
    """Take the steps that are left."""
    checkpoint = start.checkpoint
    if not checkpoint:
        watch.evaluate(policy, 0)
        trainer.train()
    elif checkpoint.step < steps:
        if watch.is_due(checkpoint.step):
            restore_adapter(trainer.model, checkpoint.path)
            own = checkpoint.path.parent.name == CHECKPOINTS
            watch.catch_up(policy, checkpoint.step, evaluated_it=own)
        trainer.train(resume_from_checkpoint=str(checkpoint.path))
    else:
        # The trainer would take one more step before it saw that there is none left.
        restore_adapter(trainer.model, checkpoint.path)
