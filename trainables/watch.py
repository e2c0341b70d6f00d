"""What happens to a trial beside its steps: evaluations, what they show, and whom they are told."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from transformers import TrainerCallback

from common.errors import TrialError
from trainables.digest import summarize
from trainables.guards import check_finite
from trainables.policy import Policy
from trainables.shown import shown_completions
from trainables.spec import Progress, Report
from trainables.stop_sign import StoppedError
from trainables.workers import first_does

if TYPE_CHECKING:
    from common.training_config import LoggingConfig
    from trainables.best_adapter import BestAdapter
    from trainables.digest import Evaluation
    from trainables.evaluation import HeldOut
    from trainables.stop_sign import StopSign
    from trainables.tensorboard import TrialCurves

__all__ = ["TrialWatch"]


class TrialWatch(TrainerCallback):  # type: ignore[misc]  # transformers has no types
    """Evaluates while the trial trains, and tells TensorBoard and the caller."""

    def __init__(
        self,
        held_out: HeldOut,
        best: BestAdapter | None,
        *,
        steps: int,
        logging: LoggingConfig,
        curves: TrialCurves | None,
        report: Report,
        started: float,
        stop: StopSign,
        off_policy_depth: int,
    ) -> None:
        self._steps = steps
        self._logging = logging
        self._held_out = held_out
        self._best = best
        self._curves = curves
        self._report = report
        self._started = started
        self._stop = stop
        self._depth = off_policy_depth
        self._is_leaving = False
        self._reward: float | None = None
        self._reward_step: int | None = None
        self._objective: float | None = None
        self._objective_step: int | None = None

    def evaluate(self, policy: Policy, step: int) -> Evaluation:
        """Evaluate the policy as it is at a step.

        Raises:
            StoppedError: before training, where the sweep stops: nothing is lost by leaving.
        """
        if step == 0 and self._stop.is_up():
            raise StoppedError
        evaluation = self._held_out.evaluate(policy, step)
        self._objective = evaluation.objective
        self._objective_step = step
        if self._curves:
            self._curves.add_evaluation(step, evaluation)
            scorer, rows = self._held_out.objective.scorer, self._held_out.ledger.held_out(step)
            self._curves.add_completions(step, shown_completions(rows, self._logging, scorer))
        if self._best and self.is_due(step):
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
        stored = first_does(lambda: self._stored(step))
        if stored is None:
            self.evaluate(policy, step)
        elif evaluated_it and self._best:
            self._best.take(policy.model, step, stored.objective)

    def _stored(self, step: int) -> Evaluation | None:
        """The evaluation that the ledger has of a step."""
        rows = self._held_out.ledger.held_out(step)
        try:
            return summarize(rows, self._held_out.objective) if rows else None
        except TrialError:  # what the trial failed by, such as a scorer that did not answer, is done again
            return None

    def on_step_end(
        self, args: Any, state: Any, control: Any, *, model: Any, processing_class: Any, **_: Any
    ) -> None:
        step = state.global_step
        assert state.max_steps == self._steps
        check_finite(model, step)
        # Only from a cycle's end can it go on, and behind the last step it has nothing left but to finish.
        if step < self._steps and step % self._depth == 0 and self._stop.is_up():
            self._is_leaving = control.should_save = True
            return
        # A trial may be stopped, or sent to wait, by the report of an evaluation: its checkpoint comes first.
        if self.is_due(step) and not control.should_save:
            self.evaluate(Policy(model, processing_class), step)

    def on_save(
        self, args: Any, state: Any, control: Any, *, model: Any, processing_class: Any, **_: Any
    ) -> None:
        if self._is_leaving:
            raise StoppedError  # an evaluation that is due is caught up with when it goes on
        if self.is_due(state.global_step):
            self.evaluate(Policy(model, processing_class), state.global_step)

    def is_due(self, step: int) -> bool:
        """Whether the policy is evaluated at this step while it trains."""
        every = self._logging.eval_steps
        return bool(every) and 0 < step < self._steps and step % every == 0

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any], **_: Any) -> None:
        # Without a rollout in the logged steps there is no new reward.
        if "reward" in logs:
            self._reward, self._reward_step = logs["reward"], state.global_step
        if self._curves:
            self._curves.add_training(state.global_step, logs)
        # The summary at the end has no learning rate, and a reward only where no entry came before it.
        if "learning_rate" in logs or "reward" in logs:
            self._tell(state.global_step)

    def _tell(self, step: int) -> None:
        seconds = time.perf_counter() - self._started
        self._report(
            Progress(
                step,
                self._steps,
                self._reward,
                self._objective,
                seconds,
                self._objective_step,
                reward_step=self._reward_step,
            )
        )
