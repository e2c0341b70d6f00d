"""One trial from its first evaluation to its last; started again, it goes on where it was."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transformers import PrinterCallback, TrainerCallback

from common.errors import TrialError
from common.sentinels import gains_of
from trainables.best_adapter import Best, BestAdapter
from trainables.chat import PromptFormat
from trainables.checkpoints import CHECKPOINTS, starting_checkpoint
from trainables.constrained import check_llguidance
from trainables.data import data_path, held_out_rows, load_rows
from trainables.evaluation import HeldOut, summarize
from trainables.grpo import (
    VibeGRPOTrainer,
    check_finite,
    check_packages,
    check_rows,
    grpo_arguments,
    prompt_dataset,
    total_steps,
)
from trainables.ledger_writer import LedgerWriter
from trainables.noise import add_noise
from trainables.outcome import recorded, trial_result
from trainables.policy import Policy, load_policy, lora_config, restore_adapter, save_adapter
from trainables.process import trial_process
from trainables.rewards_trl import RewardBatch, reward_functions
from trainables.shown import shown_completions
from trainables.spec import Progress, Report, TrialResult, TrialSpec
from trainables.tensorboard import TrialCurves
from trainables.wandb_run import wandb_run

if TYPE_CHECKING:
    from datasets import Dataset

    from common.training_config import LoggingConfig
    from rewards.scorer import Scorer
    from trainables.evaluation import Evaluation

__all__ = ["run_trial"]


def run_trial(
    spec: TrialSpec, training_scorer: Scorer, evaluation_scorer: Scorer, report: Report
) -> TrialResult:
    """Train one policy and evaluate it on the held-out vibes; or evaluate the untrained policy.

    A trial that has finished returns its stored result. One that was stopped goes on from its newest
    checkpoint, and on a CPU ends bit-equal to one that was not. So does one that took over another's
    checkpoint: it goes on as that one would with its own configuration.

    Args:
        spec: what to run and where to write.
        training_scorer: scores the rollouts, as `spec.config.grpo.reward` says.
        evaluation_scorer: the sweep's frozen scorer.
        report: told about every log entry and evaluation; an exception from it stops the trial.

    Raises:
        UserError: data, model or settings that cannot work.
        TrialError: the trial has no usable outcome. Both are stored in `result.json`.
    """

    def work() -> TrialResult:
        with trial_process(spec.config):
            return _run(spec, training_scorer, evaluation_scorer, report)

    return recorded(spec, work)


def _run(spec: TrialSpec, training_scorer: Scorer, evaluation_scorer: Scorer, report: Report) -> TrialResult:
    started = time.perf_counter()
    config = spec.config
    check_packages(config)
    if spec.objective.constrained:
        check_llguidance()
    path = data_path(spec.held_out_data, "held_out")
    vibes = held_out_rows(load_rows(path, config.data), spec.objective, path)
    train_path = data_path(spec.train_data, "train")
    rows = load_rows(train_path, config.data) if spec.kind == "trial" else []
    steps = total_steps(config, len(rows)) if spec.kind == "trial" else 0
    checkpoint = starting_checkpoint(Path(spec.directory))

    policy = load_policy(config.base_model)
    form = PromptFormat.of(policy.tokenizer, config.system_prompt)
    ledger = LedgerWriter(spec)
    held_out = HeldOut(vibes, spec.objective, evaluation_scorer, form, ledger)
    unscored_rollouts = 0
    with ExitStack() as stack:
        run = stack.enter_context(
            wandb_run(config, name=spec.trial_id, group=spec.sweep, folder=Path(spec.directory))
        )
        curves = stack.enter_context(
            TrialCurves(spec.tensorboard, config, resumed_at=checkpoint and checkpoint.step, wandb_run=run)
        )
        best = BestAdapter(Path(spec.directory), config.base_model)
        watch = _Watch(
            held_out,
            best,
            steps=steps,
            logging=config.logging,
            curves=curves,
            report=report,
            started=started,
        )
        if spec.kind == "trial":
            rows = add_noise(rows, config.noise, config.seed)
            check_rows(config, rows, form, train_path)
            batch = stack.enter_context(
                RewardBatch(
                    training_scorer,
                    ledger,
                    config.grpo.reward,
                    num_rollouts=steps * config.batch.batch_size * config.batch.gradient_accumulation_steps,
                    num_unscored=ledger.num_unscored_rollouts(checkpoint.step) if checkpoint else 0,
                )
            )
            trainer = _trainer(spec, policy, prompt_dataset(rows, form), batch=batch, watch=watch)
            policy = Policy(trainer.model, policy.tokenizer)
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
            ledger.write_rollouts(steps)
            unscored_rollouts = batch.num_unscored
            save_adapter(trainer.model, Path(spec.directory) / "adapter", config.base_model)
        evaluation = watch.evaluate(policy, steps)
        gains = gains_of(ledger.held_out(0), ledger.held_out(steps)) if spec.kind == "trial" else None
        among_several = spec.kind == "trial" and config.logging.eval_steps > 0
        best_of_all = best.settle(Best(steps, evaluation.objective)) if among_several else None
    return trial_result(
        evaluation,
        steps=steps,
        seconds=time.perf_counter() - started,
        unscored_rollouts=unscored_rollouts,
        gains=gains,
        best=best_of_all,
    )


def _trainer(
    spec: TrialSpec, policy: Policy, dataset: Dataset, *, batch: RewardBatch, watch: _Watch
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


class _Watch(TrainerCallback):  # type: ignore[misc]  # transformers has no types
    """Evaluates while the trial trains, and tells TensorBoard and the caller."""

    def __init__(
        self,
        held_out: HeldOut,
        best: BestAdapter,
        *,
        steps: int,
        logging: LoggingConfig,
        curves: TrialCurves,
        report: Report,
        started: float,
    ) -> None:
        self._steps = steps
        self._logging = logging
        self._held_out = held_out
        self._best = best
        self._curves = curves
        self._report = report
        self._started = started
        self._reward: float | None = None
        self._objective: float | None = None
        self._objective_step: int | None = None

    def evaluate(self, policy: Policy, step: int) -> Evaluation:
        """Evaluate the policy as it is at a step."""
        evaluation = self._held_out.evaluate(policy, step)
        self._objective = evaluation.objective
        self._objective_step = step
        self._curves.add_evaluation(step, evaluation)
        self._show(step)
        if self.is_due(step):
            self._best.take(policy.model, step, evaluation.objective)
        self._tell(step)
        if step > 0 and evaluation.infeasible and self._held_out.objective.sentinels.stop:
            raise TrialError(
                f"step {step}: stopped by objective.sentinels, because {'; '.join(evaluation.infeasible)}"
            )
        return evaluation

    def catch_up(self, policy: Policy, step: int, *, evaluated_it: bool) -> None:
        """Do what a process left undone that was killed after the checkpoint of a step.

        Args:
            policy: as the checkpoint has it.
            step: when it is due.
            evaluated_it: whether an evaluation of that step in the ledger is one of this policy, and not of
                the weights that the trial had before it took over another's.
        """
        rows = self._held_out.ledger.held_out(step)
        try:
            stored = summarize(rows, self._held_out.objective) if rows else None
        except TrialError:  # what the trial failed by, such as a scorer that did not answer, is done again
            stored = None
        if stored is None:
            self.evaluate(policy, step)
        elif evaluated_it:
            self._best.take(policy.model, step, stored.objective)

    def _show(self, step: int) -> None:
        held_out = self._held_out
        rows = held_out.ledger.held_out(step)
        self._curves.add_completions(step, shown_completions(rows, self._logging, held_out.objective.scorer))

    def on_step_end(
        self, args: Any, state: Any, control: Any, *, model: Any, processing_class: Any, **_: Any
    ) -> None:
        step = state.global_step
        assert state.max_steps == self._steps
        check_finite(model, step)
        # A trial may be stopped, or sent to wait, by the report of an evaluation: its checkpoint comes first.
        if self.is_due(step) and not control.should_save:
            self.evaluate(Policy(model, processing_class), step)

    def on_save(
        self, args: Any, state: Any, control: Any, *, model: Any, processing_class: Any, **_: Any
    ) -> None:
        if self.is_due(state.global_step):
            self.evaluate(Policy(model, processing_class), state.global_step)

    def is_due(self, step: int) -> bool:
        """Whether the policy is evaluated at this step while it trains."""
        every = self._logging.eval_steps
        return bool(every) and 0 < step < self._steps and step % every == 0

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any], **_: Any) -> None:
        # Without a rollout in the logged steps there is no new reward.
        self._reward = logs.get("reward", self._reward)
        self._curves.add_training(state.global_step, logs)
        self._tell(state.global_step)

    def _tell(self, step: int) -> None:
        seconds = time.perf_counter() - self._started
        self._report(
            Progress(step, self._steps, self._reward, self._objective, seconds, self._objective_step)
        )
