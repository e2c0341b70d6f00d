"""What a sweep will run, and whether everything it needs is there, before anything starts."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cluster.samplers import check_sampler
from cluster.schedulers import check_scheduler
from cluster.scoring.keys import ScorerKey
from common.clap_checkpoints import resolve_clap
from common.errors import UserError
from common.records import SFTRecord, TrialRecord
from common.training_config import BASE_MODELS, resolve_model
from search_spaces.axes import GridAxis
from search_spaces.designs import enumerate_points
from search_spaces.points import untrained_points
from trainables.data import data_path, has_responses, held_out_rows, load_rows
from trainables.steps import total_steps

if TYPE_CHECKING:
    from collections.abc import Iterable

    from common.ledger import RowKind
    from search_spaces.points import Point
    from search_spaces.sweep_file import SweepFile

__all__ = [
    "baselines",
    "check_parts",
    "check_sweep",
    "num_planned",
    "num_trials",
    "scorer_keys",
    "steps_of_a_trial",
]


def check_sweep(sweep: SweepFile) -> None:
    """See that every point is valid and that its models and data are there.

    Raises:
        UserError: one line about the first that is not.
    """
    if sweep.search.mode in ("grid", "random"):
        enumerate_points(sweep)
    check_parts(sweep)


def check_parts(sweep: SweepFile) -> None:
    """See that a sweep's models and data are there, whatever its points.

    Raises:
        UserError: one line about the first that is not.
    """
    base = sweep.base_config()
    if not base.infra.cpus_per_trial + base.infra.gpus_per_trial > 0:
        raise UserError(
            "base.infra.cpus_per_trial or gpus_per_trial must be > 0, got 0 for both; all trials would start "
            "at once"
        )
    check_sampler(sweep)
    check_scheduler(sweep)
    for model in _values(sweep, "base_model", base.base_model):
        resolve_model(model, BASE_MODELS)
    clap, objective = base.grpo.reward.clap, sweep.objective
    backends = _values(sweep, "grpo.reward.clap.backend", clap.backend)
    for backend, model in product(backends, _values(sweep, "grpo.reward.clap.model", clap.model)):
        resolve_clap(backend, model)
    for judge in filter(None, (objective.scorer, objective.eval_clap)):
        resolve_clap(judge.backend, judge.model)
    load_rows(data_path(sweep.data.train, "train"), base.data)
    held_out = data_path(sweep.data.held_out, "held_out")
    held_out_rows(load_rows(held_out, base.data), sweep.objective, held_out)


def _values(sweep: SweepFile, path: str, base: str) -> Iterable[Any]:
    """What a setting may be in this sweep."""
    axis = sweep.space.get(path)
    return axis.grid if isinstance(axis, GridAxis) else (base,)


def baselines(sweep: SweepFile) -> list[TrialRecord]:
    """What is evaluated beside the trials, once for the sweep.

    What its trials start from, once for each base model and prompt: the SFT policy where SFT left the base
    model, else the untrained one. Random valid configs. And the corpus's config of the nearest vibe, where
    the training rows have any.

    Raises:
        UserError: the training data or a base model is not there.
    """
    seed = sweep.seeds[0]
    starts = untrained_points(sweep)
    records: list[tuple[str, RowKind, str, Point]] = []
    for point in starts:
        suffix, of = (f"-{point.number}", f" ({point.label})") if len(starts) > 1 else ("", "")
        kind: RowKind = "sft_policy" if _is_left_by_sft(point.config.base_model) else "untrained_policy"
        name = "SFT policy" if kind == "sft_policy" else "untrained policy"
        records.append((f"baseline-untrained{suffix}", kind, f"{name}{of}", point))
    records.append(("baseline-random", "random_configs", "random valid configs", starts[0]))
    if has_responses(data_path(sweep.data.train, "sft"), starts[0].config.data):
        records.append(("baseline-retrieval", "retrieval", "nearest vibe's config", starts[0]))
    return [
        TrialRecord(
            trial_id=trial_id,
            kind=kind,
            number=-1 - place,
            label=label,
            params=dict(point.params),
            seed=seed,
            config_hash=point.config_hash,
            config=point.config.model_copy(update={"seed": seed}),
        )
        for place, (trial_id, kind, label, point) in enumerate(records)
    ]


def _is_left_by_sft(base_model: str) -> bool:
    """Whether a model's folder says that supervised fine-tuning wrote it; a hub id says nothing."""
    folder = Path(resolve_model(base_model, BASE_MODELS))
    return folder.is_absolute() and (folder / SFTRecord.FILE).is_file()


def num_planned(sweep: SweepFile) -> int:
    """Trials of the whole sweep, each seed counted, without baselines."""
    if sweep.search.mode in ("grid", "random"):
        points = len(enumerate_points(sweep).points)
    else:
        points = sweep.search.trials or 0
    return points * len(sweep.seeds)


def num_trials(sweep: SweepFile) -> int:
    """Trials and baselines of the whole sweep.

    Raises:
        UserError: as `baselines`.
    """
    return num_planned(sweep) + len(baselines(sweep))


def steps_of_a_trial(sweep: SweepFile) -> int:
    """Optimizer steps of a trial with the base configuration."""
    base = sweep.base_config()
    return total_steps(base, len(load_rows(data_path(sweep.data.train, "train"), base.data)))


def scorer_keys(sweep: SweepFile) -> list[ScorerKey]:
    """The scorers known before the first trial: of the evaluation, and of the base configuration."""
    keys = [*ScorerKey.of_evaluation(sweep.objective)]
    training = ScorerKey.of_reward(sweep.base_config().grpo.reward)
    if training is not None and training not in keys:
        keys.append(training)
    return keys
