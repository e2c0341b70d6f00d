"""Small stored sweeps, written with the functions that a real sweep uses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypedDict

import numpy as np
import pytest

from common.ledger import LedgerRow, RowKind, Split, write_part
from common.objective import ObjectiveConfig
from common.records import ResultRecord, TimeRecord, TrialRecord
from common.training_config import TrainingConfig, apply_overrides
from search_spaces.sweep_file import SweepFile
from search_spaces.sweep_record import SweepRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    NewSweep = Callable[..., "SweepWriter"]

Completion = float | tuple[float, float, float | None] | Literal["unscored"] | None
"""A number is the audio of a whole valid payload; None is one with format 1 and schema 0.5 that cannot be
rendered; a tuple gives all components; "unscored" has none."""


class SweepWriter:
    """Writes a sweep directory, a trial at a time."""

    def __init__(self, directory: Path, *, record: Mapping[str, Any] | None = None, **objective: Any) -> None:
        """
        Args:
            directory: names the sweep.
            record: fields of its SweepRecord.
            **objective: fields of its ObjectiveConfig.
        """
        self.directory = directory
        fields: dict[str, Any] = {
            "sweep": SweepFile(name=directory.name, objective=ObjectiveConfig(**objective)),
            "data_sha256": {}, "versions": {}, "git_revision": None, "fingerprint": "",
        }  # fmt: skip
        SweepRecord.model_validate(fields | dict(record or {})).write(directory)

    def trial(
        self,
        label: str,
        steps: Mapping[int, Sequence[Completion | Sequence[Completion]]],
        *,
        seed: int = 0,
        kind: RowKind = "trial",
        status: Literal["finished", "stopped", "failed"] | None = "finished",
        params: Mapping[str, Any] | None = None,
        base_model: str = "tiny",
        scorer_id: str = "clap",
        heard: Callable[[int], Mapping[str, Any]] = lambda vibe: {},
        text: Callable[[int], str] = lambda vibe: "{}",
        rollouts: Mapping[int, Sequence[Sequence[Completion]]] | None = None,
        seconds: float = 0.0,
    ) -> Path:
        """Store one trial and return its folder.

        Args:
            label: names the configuration; trials with equal labels are its seeds.
            steps: evaluated step to completions, one for each vibe or a list of samples.
            status: how it ended; None while it runs.
            heard: a vibe's index to what was heard of its completions, as columns of the ledger.
            text: a vibe's index to what was written for it.
            rollouts: optimizer step to groups of completions, one for each prompt.
            seconds: how long it took.
        """
        trial_id = f"{label}-s{seed}".replace(" ", "_")
        folder = self.directory / "trials" / trial_id
        config = TrainingConfig(base_model=base_model, seed=seed)
        TrialRecord(
            trial_id=trial_id,
            kind=kind,
            number=0,
            label=label,
            params=dict(params or {}),
            seed=seed,
            config_hash=f"hash of {label}",
            config=apply_overrides(config, params or {}),
        ).write(folder)
        written: list[tuple[Split, int, Sequence[Completion | Sequence[Completion]]]] = [
            *(("held_out", step, vibes) for step, vibes in steps.items()),
            *(("train", step, groups) for step, groups in (rollouts or {}).items()),
        ]
        for split, step, vibes in written:
            rows = [
                LedgerRow(
                    sweep=self.directory.name,
                    kind=kind,
                    trial_id=trial_id,
                    config_hash=f"hash of {label}",
                    seed=seed,
                    step=step,
                    split=split,
                    prompt_id=f"vibe-{vibe}",
                    sample=sample,
                    decoding_seed=0,
                    vibe="neon glow",
                    completion=text(vibe),
                    **_components(completion),
                    num_tokens=2,
                    generate_s=0.1,
                    score_s=0.1,
                    scorer_id=scorer_id,
                    renderer_id="torch",
                    prompt_hash="prompt",
                    off_policy_depth=1,
                    **heard(vibe),
                )
                for vibe, samples in enumerate(vibes)
                for sample, completion in enumerate(samples if isinstance(samples, list) else [samples])
            ]
            write_part(folder / "ledger" / f"{split.replace('_', '-')}-{step:06d}.parquet", rows)
        if seconds:
            TimeRecord(seconds=seconds).write(folder)
        if status == "failed":
            ResultRecord(status="failed", reason="out of memory").write(folder)
        elif status in ("finished", "stopped"):
            ResultRecord(status=status, steps=max(steps)).write(folder)
        return folder

    def untrained(
        self,
        vibes: Sequence[Completion | Sequence[Completion]],
        label: str = "untrained policy",
        **options: Any,
    ) -> Path:
        """Store an untrained policy's evaluation."""
        return self.trial(label, {0: vibes}, kind="untrained_policy", **options)


class _Components(TypedDict):
    """What a ledger row says about a completion's score."""

    format: float | None
    schema: float | None
    audio: float | None
    renderable: bool | None
    unscored_reason: str | None


def _components(completion: Completion) -> _Components:
    if isinstance(completion, str):
        return _Components(format=None, schema=None, audio=None, renderable=None, unscored_reason="timeout")
    if completion is None:
        completion = (1.0, 0.5, None)
    elif not isinstance(completion, tuple):
        completion = (1.0, 1.0, completion)
    form, schema, audio = completion
    return _Components(
        format=form, schema=schema, audio=audio, renderable=audio is not None, unscored_reason=None
    )


@pytest.fixture
def new_sweep(tmp_path: Path) -> NewSweep:
    """Starts a sweep directory; keywords go to its objective."""
    return lambda **objective: SweepWriter(tmp_path / "runs" / "small", **objective)


@pytest.fixture
def small_sweep(new_sweep: NewSweep) -> SweepWriter:
    """Two configurations with two seeds and all baselines; what they come to is in test_ranking.py."""
    sweep = new_sweep()
    sweep.untrained([0.0, None, 0.2])
    sweep.trial("random valid configs", {0: [0.0, 0.1, -0.1]}, kind="random_configs")
    better, worse = {"lora.r": 8, "grpo.beta": 0.02}, {"lora.r": 4, "grpo.beta": 0.02}
    sweep.trial("lora.r=8, grpo.beta=0.02", {0: [0.0, None, 0.2], 4: [0.2, 0.4, 0.6]}, seed=0, params=better)
    sweep.trial("lora.r=8, grpo.beta=0.02", {0: [0.0, None, 0.2], 4: [0.4, 0.2, 0.6]}, seed=1, params=better)
    sweep.trial("lora.r=4, grpo.beta=0.02", {0: [0.0, None, 0.2], 4: [0.0, None, 0.0]}, seed=0, params=worse)
    sweep.trial("lora.r=4, grpo.beta=0.02", {0: [0.0, None, 0.2], 4: [0.0, 0.0, None]}, seed=1, params=worse)
    return sweep


@pytest.fixture
def searched_sweep(new_sweep: NewSweep) -> SweepWriter:
    """Twenty configurations at random with rollouts, two seeds each; the scheduler stopped three trials.

    The learning rate decides: the objective gains 0.1 from 1e-4 to 1e-2; `lora.r` does nothing.
    """
    sweep, rng = new_sweep(), np.random.default_rng(0)

    def heard(audio: float) -> list[Completion]:
        return [(1.0, 1.0, float(value)) for value in audio + 0.05 * rng.standard_normal(12)]

    sweep.untrained(heard(0.1))
    sweep.trial("random valid configs", {0: heard(0.0)}, kind="random_configs")
    for number in range(20):
        rate, rank = 10 ** float(rng.uniform(-4, -2)), int(rng.choice([4, 8, 16]))
        label = f"optimizer.learning_rate={rate:g}, lora.r={rank}"
        for seed in (0, 1):
            audio = 0.1 + 0.1 * (np.log10(rate) + 4) + 0.01 * rng.standard_normal()
            stopped = number in (3, 7, 11) and seed == 0
            steps = {0: heard(0.1), 2: heard((0.1 + audio) / 2)} | ({} if stopped else {4: heard(audio)})
            sweep.trial(
                label,
                steps,
                seed=seed,
                status="stopped" if stopped else "finished",
                params={"optimizer.learning_rate": rate, "lora.r": rank},
                rollouts={2: [[(1.0, 1.0, 0.1), (1.0, 0.8, 0.3), (0.0, 0.5, None)]] * 2},
                seconds=10.0 + number,
            )
    return sweep
