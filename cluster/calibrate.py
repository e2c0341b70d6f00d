"""Measure what one completion costs: a cycle of the trainer and a batch of each scorer, on this machine.

Each measurement runs in a process of its own that sees what a trial or a scoring actor would see: as many
threads, and a GPU only where it is given one.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from cluster.calibrations import Calibration, calibration_key
from cluster.scoring.actor import ScoringActor
from cluster.scoring.keys import ScorerKey
from cluster.sweep_plan import representatives
from common.errors import ClusterError, UserError
from common.music_schema import canonical_json
from common.random_configs import random_config
from common.training_config import apply_overrides
from search_spaces.axes import GridAxis
from search_spaces.designs import enumerate_points
from trainables.data import data_path, load_rows
from trainables.spec import Progress, TrialSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cluster.calibrations import CalibrationKey
    from cluster.machine import Machine
    from common.training_config import TrainingConfig
    from search_spaces.sweep_file import SweepFile

__all__ = ["calibrate", "configs_to_calibrate"]

T = TypeVar("T")


class _Trial(NamedTuple):
    """Seconds of a measured trial."""

    start_s: float
    generate_s: float
    learn_s: float
    evaluation_generate_s: float


class _Scorer(NamedTuple):
    """Seconds of a measured scorer."""

    start_s: float
    score_s: float


def configs_to_calibrate(sweep: SweepFile, machine: Machine) -> dict[CalibrationKey, TrainingConfig]:
    """One configuration for each measurement that the sweep's cost needs.

    A completion length from a range is measured at the base's; others are scaled from it.

    Raises:
        UserError: no point of the sweep is accepted.
    """
    if sweep.search.mode in ("grid", "random"):
        points = enumerate_points(sweep, keep_invalid=True).points
    else:
        points = representatives(sweep)
    configs = [sweep.base_config(), *(point.config for point in points)]
    path = "grpo.max_completion_length"
    if not isinstance(sweep.space.get(path), GridAxis):
        length = configs[0].grpo.max_completion_length
        configs = [apply_overrides(config, {path: length}) for config in configs]
    keyed = [(calibration_key(c, sweep.objective, sweep.resources, machine), c) for c in configs]
    if "base_model" in sweep.space:
        keyed = keyed[1:]  # an axis goes before the base, whose model then may never run
    found: dict[CalibrationKey, TrainingConfig] = {}
    for key, config in keyed:
        found.setdefault(key, config)
    return found


def calibrate(sweep: SweepFile, machine: Machine, progress: Callable[[str], None]) -> tuple[Calibration, ...]:
    """Measure everything that the sweep's cost needs.

    Args:
        sweep: what would run.
        machine: where this runs.
        progress: told what is measured.

    Raises:
        UserError: a model or its data cannot be loaded, or there is no GPU for what runs on one.
        TrialError: the policy cannot be trained or evaluated.
        ClusterError: a measuring process died.
    """
    wanted = max(sweep.base_config().infra.gpus_per_trial, sweep.resources.gpus_per_scorer)
    if wanted > 0 and machine.gpu_kind is None:
        raise UserError(
            f"--calibrate must run where the trials will, got no GPU for gpus_per_trial or gpus_per_scorer "
            f"{wanted:g}; run it on a machine that has one"
        )
    found = configs_to_calibrate(sweep, machine)
    return tuple(_measured(sweep, key, config, progress) for key, config in found.items())


def _measured(
    sweep: SweepFile, key: CalibrationKey, config: TrainingConfig, progress: Callable[[str], None]
) -> Calibration:
    resources = sweep.resources
    alone = resources.scorers == 0
    gpus = config.infra.gpus_per_trial if alone else resources.gpus_per_scorer
    evaluation = ScorerKey.of_evaluation(sweep.objective)
    training = ScorerKey.of_reward(config.grpo.reward)
    scorers: dict[str, _Scorer] = {}
    for scorer in dict.fromkeys((*evaluation, training)):
        if scorer is not None:
            progress(f"one batch of the scorer {scorer.custom_scorer_path or scorer.clap.model}")
            text = scorer.model_dump_json()
            scorers[text] = _in_process(gpus, key.scorer_threads, _time_scorer, text, key.scorer_threads)
    progress(f"one cycle of the trainer with {config.base_model}")
    with tempfile.TemporaryDirectory(prefix="vibesweep-calibrate-") as folder:
        spec = _spec(sweep, config, folder)
        trial = _in_process(config.infra.gpus_per_trial, key.trial_threads, _time_trial, spec)
    return Calibration(
        key=key,
        start_s=trial.start_s,
        generate_s=trial.generate_s,
        learn_s=trial.learn_s,
        score_s=scorers[training.model_dump_json()].score_s if training else 0.0,
        evaluation_generate_s=trial.evaluation_generate_s,
        evaluation_score_s=sum(scorers[scorer.model_dump_json()].score_s for scorer in evaluation),
        scorer_start_s=max(scorer.start_s for scorer in scorers.values()),
    )


def _spec(sweep: SweepFile, config: TrainingConfig, folder: str) -> TrialSpec:
    """A trial of two generation cycles: the first warms up, the second is measured."""
    changes = {
        "logging.logging_steps": 1,
        "logging.save_strategy": "no",
        "logging.eval_steps": 0,
        "logging.wandb_project": None,
        # One worker stands for all of them.
        "infra.num_workers": 1,
        "infra.gpus_per_trial": min(config.infra.gpus_per_trial, 1.0),
        "infra.cpus_per_trial": config.infra.cpus_per_worker,
        # Scored apart, with its own threads and device.
        "grpo.reward.reward_type": "schema_only",
        "grpo.reward.custom_scorer_path": None,
        "grpo.reward.weights": {"format_weight": 0.5, "schema_weight": 0.5, "audio_weight": 0.0},
    }
    measured = apply_overrides(config, changes)
    objective = sweep.objective
    num_rows = len(load_rows(data_path(sweep.data.held_out, "held_out"), config.data))
    # One full batch of the evaluation, where there are rows for it.
    evaluated = objective.model_copy(
        update={"num_vibes": min(objective.batch_size, objective.num_vibes or num_rows), "samples": 1}
    )
    return TrialSpec(
        sweep=sweep.name,
        trial_id="calibration",
        kind="trial",
        config=apply_overrides(measured, {"max_steps": 2 * measured.off_policy_depth}),
        config_hash="calibration",
        params={},
        train_data=sweep.data.train,
        held_out_data=sweep.data.held_out,
        objective=evaluated,
        directory=str(Path(folder) / "trial"),
        tensorboard=str(Path(folder) / "tensorboard"),
    )


def _time_trial(spec: TrialSpec) -> _Trial:
    """Run the trial and read from its clock and its ledger what each part took."""
    import pyarrow.parquet as pq  # noqa: PLC0415 - with torch, in the measuring process alone

    from rewards import Scorer  # noqa: PLC0415
    from trainables.trial import run_trial  # noqa: PLC0415

    seen: list[Progress] = []
    run_trial(spec, Scorer(None), Scorer(None), seen.append)
    config = spec.config
    depth = config.off_policy_depth
    completions = config.completions_per_step * depth

    def seconds(split: str, step: int) -> float:
        """Seconds that one completion of this split and step took to write."""
        rows = [
            row
            for part in sorted(Path(spec.directory).glob("ledger/*.parquet"))
            for row in pq.read_table(part, columns=["split", "step", "generate_s"]).to_pylist()
        ]
        each = [row["generate_s"] for row in rows if (row["split"], row["step"]) == (split, step)]
        return float(sum(each) / len(each))

    # The trainer tells of its last step twice: in a log entry, and in a summary.
    ends = {step: next(p.seconds for p in seen if p.step == step) for step in (0, depth, 2 * depth)}
    generate_s = seconds("train", depth)
    cycle_s = ends[2 * depth] - ends[depth]
    return _Trial(
        start_s=max(0.0, ends[0] - (spec.objective.num_vibes or 0) * seconds("held_out", 0)),
        generate_s=generate_s,
        learn_s=max(0.0, cycle_s / completions - generate_s),
        evaluation_generate_s=seconds("held_out", 2 * depth),
    )


def _time_scorer(key: str, threads: int) -> _Scorer:
    """Load a scorer as an actor does, and time one full batch after one that warms up."""
    started = time.perf_counter()
    actor = ScoringActor("rewards.backends:audio_backend", threads)
    actor.load(key)
    start_s = time.perf_counter() - started
    rng = random.Random(0)
    size = ScorerKey.model_validate_json(key).clap.microbatch
    took = 0.0
    for _ in range(2):
        batch = [canonical_json(random_config(rng)) for _ in range(size)]  # new ones: no cache helps
        started = time.perf_counter()
        actor.audio(key, ["rainy window in a small cafe"] * size, batch)
        took = time.perf_counter() - started
    return _Scorer(start_s, took / size)


def _in_process(gpus: float, threads: int, function: Callable[..., T], *arguments: Any) -> T:
    """Call a function in a new process with so many threads, and without a GPU unless it gets a share."""
    hidden = {} if gpus > 0 else {"CUDA_VISIBLE_DEVICES": ""}
    with _environment({"OMP_NUM_THREADS": str(threads), **hidden}):
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(max_workers=1, mp_context=context) as pool:
            try:
                return pool.submit(function, *arguments).result()
            except BrokenProcessPool as error:
                raise ClusterError("a calibration process died; is there memory for the model?") from error


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
