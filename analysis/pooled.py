"""Several stored sweeps as one: their configurations ranked together, each under its sweep's name."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from analysis.protocol import protocol_differences
from analysis.sweep import Sweep, load_sweep
from common.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from analysis.sweep import StoredTrial

__all__ = ["load_sweeps", "named_trials", "pool_sweeps", "sweep_names"]


def load_sweeps(places: Sequence[Path | str]) -> Sweep:
    """Load one or several sweep directories as one sweep.

    Args:
        places: folders or URLs, as `load_sweep` takes them; at least one.

    Raises:
        UserError: one of them is no sweep directory, or two were not evaluated alike.
    """
    return pool_sweeps([load_sweep(place) for place in places])


def pool_sweeps(sweeps: Sequence[Sweep]) -> Sweep:
    """Several loaded sweeps as one.

    Trials' ids and labels begin with their sweep's name. A configuration that ran in two sweeps stays two:
    `analysis.compare` sets them side by side. Of baselines that are the same policy the first sweep's stands.
    The record is the first sweep's.

    Args:
        sweeps: at least one; of one, nothing changes.

    Raises:
        UserError: two of them were not evaluated alike.
    """
    first, *others = sweeps
    if not others:
        return first
    names = sweep_names(sweeps)
    for name, other in zip(names[1:], others, strict=True):
        if differences := protocol_differences(first, other, names=(names[0], name)):
            raise UserError(
                f"{names[0]} and {name} must be evaluated alike to be one sweep, got another "
                f"{differences[0]}; look at them one by one, or ask `vibesweep compare` what differs"
            )
    trials: list[StoredTrial] = []
    seen: set[tuple[str, str, str]] = set()
    for name, sweep in zip(names, sweeps, strict=True):
        for trial in named_trials(sweep, name):
            policy = (trial.record.kind, trial.record.config.base_model, trial.record.config.system_prompt)
            if trial.record.kind != "trial":
                if policy in seen:
                    continue
                if trial.result is not None and trial.result.status == "finished":
                    seen.add(policy)
            trials.append(trial)
    record = first.record.model_copy(
        update={"sweep": first.record.sweep.model_copy(update={"name": " + ".join(names)})}
    )
    torn = tuple(path for sweep in sweeps for path in sweep.torn_files)
    return replace(first, record=record, trials=tuple(trials), torn_files=torn)


def sweep_names(sweeps: Sequence[Sweep]) -> list[str]:
    """A name for each sweep: its own, or its folder where two have the same."""
    counts = Counter(sweep.name for sweep in sweeps)
    names = [sweep.name if counts[sweep.name] == 1 else sweep.folder.path for sweep in sweeps]
    if len(set(names)) < len(names):
        raise UserError(
            f"several sweeps must be different folders, got {names[0]} twice; name each folder once"
        )
    return names


def named_trials(sweep: Sweep, name: str) -> list[StoredTrial]:
    """A sweep's trials, whose ids, and the labels of configurations, begin with a name."""
    return [_named(trial, name) for trial in sweep.trials]


def _named(trial: StoredTrial, name: str) -> StoredTrial:
    record, prefix = trial.record, f"{name}/"
    is_trial = record.kind == "trial"
    return replace(
        trial,
        sweep=name,
        record=record.model_copy(
            update={
                "trial_id": prefix + record.trial_id,
                "label": f"{name}: {record.label}" if is_trial else record.label,
            }
        ),
        parts=tuple(replace(part, prefix=prefix) for part in trial.parts),
    )
