"""Small stored sweeps, written with the functions that a real sweep uses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypedDict

import pytest

from common.ledger import LedgerRow, RowKind, write_part
from common.objective import ObjectiveConfig
from common.records import ResultRecord, TrialRecord
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

    def __init__(self, directory: Path, **objective: Any) -> None:
        self.directory = directory
        sweep = SweepFile(name="small", objective=ObjectiveConfig(**objective))
        SweepRecord(sweep=sweep, data_sha256={}, versions={}, git_revision=None, fingerprint="").write(
            directory
        )

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
    ) -> Path:
        """Store one trial and return its folder.

        Args:
            label: names the configuration; trials with equal labels are its seeds.
            steps: evaluated step to completions, one for each vibe or a list of samples.
            status: how it ended; None while it runs.
            heard: a vibe's index to what was heard of its completions, as columns of the ledger.
            text: a vibe's index to what was written for it.
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
        for step, vibes in steps.items():
            rows = [
                LedgerRow(
                    sweep="small",
                    kind=kind,
                    trial_id=trial_id,
                    config_hash=f"hash of {label}",
                    seed=seed,
                    step=step,
                    split="held_out",
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
            write_part(folder / "ledger" / f"held-out-{step:06d}.parquet", rows)
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
