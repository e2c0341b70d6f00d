"""What the knobs are observed with: a trial that stops before it trains, and a trial of one or two steps."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.parquet as pq
import pytest
from accelerate import Accelerator

from common.objective import ObjectiveConfig
from common.training_config import TrainingConfig, apply_overrides
from rewards.components import Components
from rewards.scorer import Scorer
from trainables.grpo import VibeGRPOTrainer
from trainables.spec import Progress, TrialResult, TrialSpec
from trainables.trial import run_trial

Observe = Callable[["Bench", TrainingConfig], Any]


class Knob(NamedTuple):
    """One setting: where its effect is seen, and what is seen there at several of its values."""

    observe: Observe
    cases: Sequence[tuple[Any, Any]]
    """Value of the setting, and what is seen."""
    beside: Mapping[str, Any] = {}
    """Other settings that the effect needs."""


class Seen(NamedTuple):
    """What is there after a trial of few steps."""

    trainer: Any
    """TRL's trainer after its training; None where it had not begun."""
    result: TrialResult
    reports: list[Progress]
    rollouts: list[dict[str, Any]]
    """Rows of the ledger."""
    held_out: list[dict[str, Any]]
    folder: Path


class _BuiltError(Exception):
    """A trainer is built, and is not to train."""


class VariedScorer(Scorer):
    """Components that follow the text: format 0 or 1, schema in [0, 1]."""

    def score(self, vibes: Sequence[str], completions: Sequence[str]) -> list[Components]:
        numbers = [sum(map(ord, text)) for text in completions]
        return [Components(float(n % 2), n % 97 / 96, audio=None, renderable=None) for n in numbers]


class FixedScorer(Scorer):
    """The same components for every completion."""

    def __init__(self, audio: float | None) -> None:
        super().__init__(None)
        self.audio = audio

    def score(self, vibes: Sequence[str], completions: Sequence[str]) -> list[Components]:
        renderable = self.audio is not None
        return [Components(1.0, 0.5, audio=self.audio, renderable=renderable) for _ in completions]


@dataclass
class Bench:
    """Small models, small data, and trials on them; equal configurations are run once."""

    policy: str
    others: Mapping[str, str]
    """Architecture to policy."""
    rows: Path
    folder: Path
    built: dict[TrainingConfig, Any] = field(default_factory=dict)
    run: dict[tuple[TrainingConfig, str], Seen] = field(default_factory=dict)
    count: int = 0

    def config(self, changes: Mapping[str, Any]) -> TrainingConfig:
        """A small configuration with changes; `policies:NAME` is one of the other policies."""
        small = {
            "base_model": self.policy,
            "max_steps": 1,
            "batch.batch_size": 4,
            "grpo.num_generations": 2,
            "grpo.max_completion_length": 12,
            "grpo.reward.reward_type": "schema_only",
            "noise.error_rate": 0.0,
            "optimizer.warmup_ratio": 0.0,
        }
        named = {
            path: self.others[value.partition(":")[2]] if str(value).startswith("policies:") else value
            for path, value in changes.items()
        }
        return apply_overrides(TrainingConfig(), small | named)

    def spec(self, config: TrainingConfig) -> TrialSpec:
        """A trial in a folder of its own, whose evaluations cost next to nothing."""
        self.count += 1
        folder = self.folder / str(self.count)
        return TrialSpec(
            sweep="knobs", trial_id="t", kind="trial", config=config, config_hash="0" * 16, params={},
            train_data=str(self.rows), held_out_data=str(self.rows),
            objective=ObjectiveConfig(num_vibes=2, max_completion_length=1),
            directory=str(folder), tensorboard=str(folder / "tensorboard"),
        )  # fmt: skip

    def trainer(self, config: TrainingConfig) -> Any:
        """TRL's trainer as the trial makes it, with its optimizer and a schedule of 100 steps."""
        if config not in self.built:
            with trained_by(_refuse_to_train) as found, suppress(_BuiltError):
                run_trial(self.spec(config), VariedScorer(None), VariedScorer(None), lambda _: None)
            (trainer,) = found
            Accelerator(cpu=True)
            trainer.create_optimizer_and_scheduler(num_training_steps=100)
            _keep_few(self.built)
            self.built[config] = trainer
        Accelerator(cpu=True)  # its singletons, which a trial takes with it
        return self.built[config]

    def steps(self, config: TrainingConfig, training: Scorer | None = None, key: str = "varied") -> Seen:
        """What a trial leaves; its scorer is named by a key, under which it is kept."""
        if (config, key) not in self.run:
            spec, reports = self.spec(config), list[Progress]()
            with trained_by(VibeGRPOTrainer.train) as found:
                result = run_trial(spec, training or VariedScorer(None), VariedScorer(None), reports.append)
            folder = Path(spec.directory)
            rows = [
                row
                for part in sorted(folder.glob("ledger/*.parquet"))
                for row in pq.read_table(part).to_pylist()
            ]
            _keep_few(self.run)
            self.run[config, key] = Seen(
                trainer=found[0] if found else None,
                result=result,
                reports=reports,
                rollouts=[row for row in rows if row["split"] == "train"],
                held_out=[row for row in rows if row["split"] == "held_out"],
                folder=folder,
            )
        return self.run[config, key]


def _keep_few(kept: dict[Any, Any]) -> None:
    """Forget the oldest but the first few: each trial collects garbage, and looks through all of them."""
    if len(kept) > 4:
        del kept[list(kept)[-1]]


def _refuse_to_train(trainer: Any, *_: Any, **__: Any) -> None:
    raise _BuiltError


@contextmanager
def trained_by(train: Callable[..., Any]) -> Iterator[list[Any]]:
    """Let this function train, and collect the trainers that it is called with."""
    found: list[Any] = []

    def collecting(trainer: Any, *args: Any, **kwargs: Any) -> Any:
        found.append(trainer)
        return train(trainer, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(VibeGRPOTrainer, "train", collecting)
        yield found


def write_rows(path: Path, vibes: Sequence[str]) -> Path:
    """Rows with two spellings of every field, so that a field's name decides what is read."""
    rows = [
        {
            "vibe_noisy": vibe, "vibe_original": f"{vibe} clean", "config_payload": '{"a": 1}',
            "prompt": f"{vibe} prompt", "reference": f"{vibe} reference", "response": '{"b": 2}',
        }
        for vibe in vibes
    ]  # fmt: skip
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path
