"""Measured seconds of one trial's parts, and the user's file that keeps them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pydantic import Field, ValidationError

from cluster.scoring.keys import ScorerKey
from common.errors import UserError
from common.model import FrozenModel
from common.user_cache import user_cache_file, write_user_cache

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from cluster.machine import Machine
    from common.objective import ObjectiveConfig
    from common.training_config import TrainingConfig
    from search_spaces.resources import Resources

__all__ = [
    "Calibration",
    "CalibrationKey",
    "calibration_for",
    "calibration_key",
    "calibrations_file",
    "read_calibrations",
    "store_calibrations",
    "threads",
]

NO_SCORER = "none"


class CalibrationKey(FrozenModel):
    """What a measurement holds for."""

    base_model: str
    max_completion_length: int
    """Tokens after which a rollout is cut off."""
    training_scorer: str
    """What scores the rollouts; `none` where they have no audio."""
    evaluation_scorer: str
    """What scores the held-out completions."""
    trial_device: str
    """Kind of the processor that trains."""
    trial_threads: int
    scorer_device: str
    """Kind of the processor that renders and embeds."""
    scorer_threads: int


class Calibration(FrozenModel):
    """Seconds, measured on one cycle of the trainer and one batch of the scorers."""

    key: CalibrationKey
    start_s: float = Field(ge=0)
    """Of a trial, before its first evaluation: loading the policy."""
    generate_s: float = Field(ge=0)
    """Of one rollout."""
    learn_s: float = Field(ge=0)
    """Of one rollout: reference and policy log-probabilities, backward pass, optimizer."""
    score_s: float = Field(ge=0)
    """Of one rollout, in one scorer."""
    evaluation_generate_s: float = Field(ge=0)
    """Of one held-out completion."""
    evaluation_score_s: float = Field(ge=0)
    """Of one held-out completion, in one scorer."""
    scorer_start_s: float = Field(ge=0)
    """Of a scorer: loading its models."""


class _Store(FrozenModel):
    version: int = 1
    calibrations: tuple[Calibration, ...] = ()


def threads(cpus: float) -> int:
    """Threads of a process with so many CPUs; the rule of trials and of scoring actors."""
    return max(1, math.ceil(cpus))


def calibration_key(
    config: TrainingConfig, objective: ObjectiveConfig, resources: Resources, machine: Machine
) -> CalibrationKey:
    """What a trial's cost is looked up by."""
    infra = config.infra
    alone = resources.scorers == 0  # then a trial scores in its own process
    return CalibrationKey(
        base_model=config.base_model,
        max_completion_length=config.grpo.max_completion_length,
        training_scorer=_scorer_name(ScorerKey.of_reward(config.grpo.reward)),
        evaluation_scorer=" and ".join(map(_scorer_name, ScorerKey.of_evaluation(objective))),
        trial_device=machine.device(infra.gpus_per_trial),
        trial_threads=threads(infra.cpus_per_worker),
        scorer_device=machine.device(infra.gpus_per_trial if alone else resources.gpus_per_scorer),
        scorer_threads=threads(infra.cpus_per_worker if alone else resources.cpus_per_scorer),
    )


def _scorer_name(key: ScorerKey | None) -> str:
    if key is None:
        return NO_SCORER
    if key.custom_scorer_path is not None:
        return f"custom:{key.custom_scorer_path}"
    clap = key.clap
    return f"{clap.backend} {clap.model} {clap.renderer} {clap.seconds:g} s"


def calibration_for(key: CalibrationKey, known: Iterable[Calibration]) -> Calibration | None:
    """The measurement for a key; None where there is none.

    Where only other completion lengths were measured, the nearest one's seconds are scaled with the length
    (too much for a policy that ends before the limit); the answer's key still says what was measured.
    """
    alike = [
        c
        for c in known
        if c.key.model_copy(update={"max_completion_length": key.max_completion_length}) == key
    ]
    if not alike:
        return None
    wanted = key.max_completion_length
    nearest = min(alike, key=lambda c: abs(math.log(c.key.max_completion_length / wanted)))
    scale = wanted / nearest.key.max_completion_length
    if scale == 1:
        return nearest
    return nearest.model_copy(
        update={
            "generate_s": nearest.generate_s * scale,
            "learn_s": nearest.learn_s * scale,
        }
    )


def calibrations_file() -> Path:
    """`vibesweep/calibrations.json` in the user's cache folder."""
    return user_cache_file("calibrations.json")


def read_calibrations(path: Path) -> tuple[Calibration, ...]:
    """The stored measurements; none where there is no file.

    Raises:
        UserError: the file holds something else.
    """
    try:
        return _Store.model_validate_json(path.read_text(encoding="utf-8")).calibrations
    except FileNotFoundError:
        return ()
    except (OSError, UnicodeDecodeError, ValidationError) as error:
        raise UserError(
            f"{path} must hold this version's calibrations, got something else; delete it and add --calibrate"
        ) from error


def store_calibrations(path: Path, new: Sequence[Calibration]) -> None:
    """Add measurements to the file, each in place of an older one with its key.

    Raises:
        UserError: the file holds something else, or cannot be written.
    """
    merged = {c.key.model_dump_json(): c for c in (*read_calibrations(path), *new)}
    store = _Store(calibrations=tuple(merged.values()))
    write_user_cache(path, store.model_dump_json(indent=2) + "\n", what="calibrations")
