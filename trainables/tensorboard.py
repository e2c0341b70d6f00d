"""TensorBoard: curves, completions as text and sound, and a row of the HParams table; W&B gets them too."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import hparams

from common.reward_config import COMPONENTS
from common.training_config import flatten
from trainables.shown import CLIP_RATE
from trainables.step_metrics import FLAT_GROUPS, PHASES, TOKENS_PER_S, seconds_of, variance_share_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

    from common.training_config import TrainingConfig
    from trainables.digest import Evaluation
    from trainables.shown import Shown
    from trainables.wandb_run import WandbRun

__all__ = ["RunCurves", "TrialCurves"]

_OBJECTIVE: Final = "held_out/objective"
_TAGS: Final = {
    "reward": "train/reward",
    "rewards/format/mean": "train/format",
    "rewards/schema/mean": "train/schema",
    "rewards/audio/mean": "train/audio",
    "loss": "train/loss",
    "grad_norm": "train/grad_norm",
    # Mean over tokens of ratio (exp(d) - d - 1): d is the log-probability under the reference less that under
    # the policy, ratio the policy's probability to that of the policy that wrote the token.
    "kl": "train/kl_k3",
    "entropy": "train/entropy",
    "clip_ratio/region_mean": "train/clipped_share",
    "completions/mean_length": "train/completion_length",
    "completions/clipped_ratio": "train/cut_off_share",
    "learning_rate": "train/learning_rate",
    FLAT_GROUPS: "train/flat_groups",
    TOKENS_PER_S: "train/tokens_per_s",
    **{variance_share_of(component): f"variance_share/{component}" for component in COMPONENTS},
    **{seconds_of(phase): f"seconds/{phase}" for phase in PHASES},
}
"""The trainer's name of a metric and ours. Entropy and KL are in nats per token; the clipped share is that of
the tokens whose ratio the loss clips, the cut-off share that of the completions without an end."""


class RunCurves:
    """Writes one run's events. The HParams row is there from the start, with every constant."""

    def __init__(
        self,
        folder: str,
        config: TrainingConfig,
        *,
        outcome: str,
        resumed_at: int | None,
        wandb_run: WandbRun | None = None,
    ) -> None:
        """
        Args:
            folder: of the run's events.
            config: the run's configuration.
            outcome: the tag whose last value the HParams table shows.
            resumed_at: the step that it goes on from; None from the start, where the events of an attempt
                that left no checkpoint are removed.
            wandb_run: gets the same numbers, texts and clips under the same names.
        """
        if resumed_at is None:
            for events in Path(folder).glob("events.out.tfevents.*"):
                events.unlink()
        # Steps after the checkpoint are done again: TensorBoard forgets their first time.
        purge = None if resumed_at is None else resumed_at + 1
        self._writer = SummaryWriter(folder, purge_step=purge)
        start, constants, self._end = hparams(_constants(config), {outcome: None})
        for summary in (start, constants):
            self._writer.file_writer.add_summary(summary)
        self._wandb_run = wandb_run
        self._writer.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._writer.file_writer.add_summary(self._end)
        self._writer.close()

    def add(self, step: int, curves: Mapping[str, float]) -> None:
        """Numbers by their tags, after so many optimizer steps."""
        for tag, value in curves.items():
            self._writer.add_scalar(tag, value, step)
        if self._wandb_run:
            self._wandb_run.add_scalars(step, curves)


class TrialCurves(RunCurves):
    """The events of one GRPO trial."""

    def __init__(
        self,
        folder: str,
        config: TrainingConfig,
        *,
        resumed_at: int | None,
        wandb_run: WandbRun | None = None,
    ) -> None:
        """Arguments as of RunCurves."""
        super().__init__(folder, config, outcome=_OBJECTIVE, resumed_at=resumed_at, wandb_run=wandb_run)
        self._depth = config.off_policy_depth

    def add_training(self, step: int, logs: Mapping[str, Any]) -> None:
        """One log entry of the trainer."""
        curves = {tag: logs[name] for name, tag in _TAGS.items() if logs.get(name) is not None}
        if "learning_rate" in logs:  # not the summary at the end
            # A flat line, so that curves of trials with different depths are not compared unawares.
            curves["train/off_policy_depth"] = self._depth
        self.add(step, curves)

    def add_evaluation(self, step: int, evaluation: Evaluation) -> None:
        """One held-out evaluation: the objective and its parts, and the sentinels."""
        sentinels = evaluation.sentinels
        curves = {
            f"held_out/{name}": value
            for name, value in evaluation._asdict().items()
            if name not in ("sentinels", "infeasible")
        }
        curves |= {
            f"sentinels/{name}": value
            for name, value in sentinels._asdict().items()
            if name != "field_entropy"
        }
        curves |= {f"entropy/{name}": value for name, value in sentinels.field_entropy.items()}
        curves["sentinels/mean_entropy"] = sentinels.mean_entropy
        curves["sentinels/infeasible"] = float(bool(evaluation.infeasible))
        self.add(step, {tag: value for tag, value in curves.items() if value is not None})
        self._writer.flush()

    def add_completions(self, step: int, shown: Sequence[Shown]) -> None:
        """Completions of one evaluation, as text and, where they have a clip, as sound."""
        for one in shown:
            # Indented, Markdown shows a text as it is, whatever is in it.
            text = "".join(f"    {line}\n" for line in one.row.completion.split("\n"))
            self._writer.add_text(f"completion/{one.place}", f"{one.summary}\n\n{text}", step)
            if one.clip is not None:
                self._writer.add_audio(f"clip/{one.place}", one.clip, step, sample_rate=CLIP_RATE)
        if self._wandb_run:
            self._wandb_run.add_completions(step, shown)
        self._writer.flush()


def _constants(config: TrainingConfig) -> dict[str, bool | int | float | str]:
    """Every setting as HParams takes it, and the off-policy depth that follows from them.

    The system prompt is thousands of characters and has a name.
    """
    settings = flatten(config.model_dump(mode="json", exclude={"system_prompt"}))
    settings["off_policy_depth"] = config.off_policy_depth
    return {
        name: value if isinstance(value, bool | int | float | str) else str(value)
        for name, value in settings.items()
    }
