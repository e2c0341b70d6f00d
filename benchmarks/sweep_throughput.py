"""What a sweep costs besides its trials' own work: against a plain Ray Tune script around `GRPOTrainer`.

    python -m benchmarks.sweep_throughput [--trials 24] [--steps 2] [--rounds 2] [--at-once 1]

One local Ray runs both in turn, after a short sweep that warms it up. Work is what a trial is for: its
optimizer steps, its rollouts and scores among them, and in ours the held-out evaluations, which the plain
script does not have. Everything else is overhead: processes, imports, models, checkpoints of the driver,
scorers, records, waiting. The floor is no overhead at all. A part of it comes once a sweep, however many
trials that has: the start, until the first trial has been taken up by a process.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmarks.trial_turnaround import Phases

if TYPE_CHECKING:
    from collections.abc import Callable

    from rewards import Scorer
    from search_spaces import SweepFile
    from trainables.spec import Progress, TrialResult, TrialSpec

DATA = Path(__file__).parent.parent / "tiny" / "data"
WORK_FILE = "work.json"
SETTINGS: dict[str, Any] = {
    "base_model": "tiny",
    "grpo.num_generations": 8,
    "grpo.max_completion_length": 112,
    "grpo.reward.reward_type": "schema_only",
}


class Turn(NamedTuple):
    """One run of all trials."""

    wall_s: float
    start_s: float
    """Until the first trial or baseline began to work."""
    steps_s: float
    """Sum over the trials, in seconds, as the next."""
    evaluations_s: float
    trials: int
    """Without baselines, whose evaluations are in `evaluations_s`."""

    def overhead_s(self, at_once: int) -> float:
        """Per trial: what its place on the machine was not at work."""
        return (self.wall_s * at_once - self.steps_s - self.evaluations_s) / self.trials

    def trials_per_hour(self) -> float:
        """With everything that the run did."""
        return 3600 * self.trials / self.wall_s

    def trials_per_hour_without_evaluations(self, at_once: int) -> float:
        """As if evaluations took no time: what compares with a script that has none."""
        return 3600 * self.trials / (self.wall_s - self.evaluations_s / at_once)


def learning_rates(trials: int) -> list[float]:
    """As many different settings as there are trials."""
    return [1e-4 * (1 + number) for number in range(trials)]


def timed_trial(
    spec: TrialSpec, training: Scorer, evaluation: Scorer, report: Callable[[Progress], None]
) -> TrialResult:
    """A trial that leaves its own seconds of work in its folder. Called in a worker process."""
    from trainables import trial  # noqa: PLC0415 - torch, in the worker alone
    from trainables.evaluation import HeldOut  # noqa: PLC0415
    from trainables.grpo import VibeGRPOTrainer  # noqa: PLC0415

    phases = begun_phases()
    with (
        phases.watch(HeldOut, "evaluate", "evaluations"),
        phases.watch(VibeGRPOTrainer, "_run_epoch", "steps"),
    ):
        result = trial.run_trial(spec, training, evaluation, report)
    write_work(Path(spec.directory), phases)
    return result


def timed_random_configs(spec: TrialSpec, scorer: Scorer) -> TrialResult:
    """The baseline of random configs."""
    from trainables.baselines import evaluate_random_configs  # noqa: PLC0415 - in the worker alone

    return timed_baseline(evaluate_random_configs, spec, scorer)


def timed_retrieval(spec: TrialSpec, scorer: Scorer) -> TrialResult:
    """The baseline of the nearest vibe's config."""
    from trainables.baselines import evaluate_retrieval  # noqa: PLC0415 - in the worker alone

    return timed_baseline(evaluate_retrieval, spec, scorer)


def timed_baseline(
    baseline: Callable[[TrialSpec, Scorer], TrialResult], spec: TrialSpec, scorer: Scorer
) -> TrialResult:
    """A baseline for which no policy writes: all of its work is an evaluation."""
    phases = begun_phases()
    with phases.timed("evaluations"):
        result = baseline(spec, scorer)
    write_work(Path(spec.directory), phases)
    return result


def begun_phases() -> Phases:
    """No phase yet, and when that was, in seconds since 1970."""
    phases = Phases()
    phases.seconds["began"] = time.time()
    return phases


def write_work(folder: Path, phases: Phases) -> None:
    """Seconds of each phase, for the driver."""
    (folder / WORK_FILE).write_text(json.dumps(phases.seconds), encoding="utf-8")


def turn_of(folder: Path, began: float, trials: int) -> Turn:
    """Add up what the workers wrote under a folder, now that the run is over.

    Args:
        folder: of the run.
        began: when it did, in seconds since 1970.
        trials: how many it had, without baselines.
    """
    wall = time.time() - began
    work = [json.loads(path.read_text(encoding="utf-8")) for path in folder.rglob(WORK_FILE)]
    assert len(work) >= trials, f"{len(work)} of {trials} trials have ended"
    seconds = {phase: sum(one.get(phase, 0.0) for one in work) for phase in ("steps", "evaluations")}
    start = min(one["began"] for one in work) - began
    return Turn(wall, start, seconds["steps"], seconds["evaluations"], trials)


def our_sweep(steps: int, trials: int, at_once: int) -> SweepFile:
    """A grid over the learning rate with the settings of the plain script."""
    from search_spaces import SweepFile  # noqa: PLC0415 - in the driver alone

    return SweepFile.model_validate(
        {
            "name": "throughput",
            "base": SETTINGS | {"max_steps": steps, "batch.batch_size": 16},
            "space": {"optimizer.learning_rate": learning_rates(trials)},
            "objective": {"num_vibes": 8, "max_completion_length": 112},
            "resources": {"scorers": 1, "cpus_per_scorer": 0, "max_concurrent_trials": at_once},
        }
    )


def ours(folder: Path, steps: int, trials: int, at_once: int) -> Turn:
    """A whole sweep, from its file to its last record."""
    from rich.console import Console  # noqa: PLC0415 - in the driver alone

    from cluster.sweep import run_sweep  # noqa: PLC0415
    from cluster.task import TrialCode  # noqa: PLC0415

    module = "benchmarks.sweep_throughput"
    code = TrialCode(
        trial=f"{module}:timed_trial",
        random_configs=f"{module}:timed_random_configs",
        retrieval=f"{module}:timed_retrieval",
    )
    sweep = our_sweep(steps, trials, at_once)
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        began = time.time()
        outcome = run_sweep(sweep, folder, code=code, console=Console(file=nowhere))
        turn = turn_of(folder, began, trials)
    assert not outcome.failed, outcome.failed
    return turn


def plain_trial(config: dict[str, Any]) -> None:
    """What a user of Ray Tune and TRL writes: a trainer from nothing for every trial."""
    import torch  # noqa: PLC0415 - in the worker alone
    import trl  # noqa: PLC0415
    from ray import tune  # noqa: PLC0415

    from benchmarks.trial_overhead import plain_trainer  # noqa: PLC0415
    from common.training_config import TrainingConfig, apply_overrides  # noqa: PLC0415

    torch.set_num_threads(1)
    changes = SETTINGS | {
        "max_steps": config["steps"],
        "batch.batch_size": 16,
        "optimizer.learning_rate": config["learning_rate"],
    }
    folder = Path(config["folder"]) / f"{config['learning_rate']:g}"
    trainer = plain_trainer(apply_overrides(TrainingConfig(), changes), "schema_only", folder)
    phases = begun_phases()
    with phases.watch(trl.GRPOTrainer, "_run_epoch", "steps"):
        trainer.train()
    trainer.save_model(str(folder / "adapter"))
    write_work(folder, phases)
    rewards = [entry["reward"] for entry in trainer.state.log_history if "reward" in entry]
    tune.report({"reward": rewards[-1]})


def plain(folder: Path, steps: int, trials: int, at_once: int) -> Turn:
    """The plain script's whole run."""
    from ray import tune  # noqa: PLC0415 - in the driver alone

    space = {
        "learning_rate": tune.grid_search(learning_rates(trials)),
        "steps": steps,
        "folder": str(folder),
    }
    tuner = tune.Tuner(
        tune.with_resources(plain_trial, {"CPU": 1}),
        param_space=space,
        tune_config=tune.TuneConfig(max_concurrent_trials=at_once),
        run_config=tune.RunConfig(storage_path=str(folder / "tune"), verbose=0),
    )
    began = time.time()
    results = tuner.fit()
    turn = turn_of(folder, began, trials)
    assert not results.errors, results.errors
    return turn


def main() -> None:
    """Parses the arguments and measures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sweep_throughput")
    parser.add_argument("--trials", type=int, default=24)
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--at-once", type=int, default=1, help="trials that run at the same time")
    args = parser.parse_args()
    import ray  # noqa: PLC0415 - in the driver alone

    os.environ["RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"] = "1"
    ray.init(num_cpus=max(2, args.at_once), include_dashboard=False, log_to_driver=False)
    measured: dict[Callable[..., Turn], list[Turn]] = {ours: [], plain: []}
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        ours(root / "warm-up", 1, 1, 1)
        for number in range(args.rounds):
            for run in (ours, plain) if number % 2 == 0 else (plain, ours):
                turn = run(root / f"{run.__name__}-{number}", args.steps, args.trials, args.at_once)
                measured[run].append(turn)
                print(
                    f"{run.__name__:5} {turn.wall_s:6.1f} s: steps {turn.steps_s:.1f}, evaluations "
                    f"{turn.evaluations_s:.1f}, start {turn.start_s:.1f}, overhead "
                    f"{turn.overhead_s(args.at_once):.2f} s a trial",
                    flush=True,
                )
    ray.shutdown()
    print_summary(measured[ours], measured[plain], args.at_once)


def print_summary(our_turns: list[Turn], plain_turns: list[Turn], at_once: int) -> None:
    """Medians over the rounds, and the ratio of trials in an hour."""
    overheads = [
        statistics.median(t.overhead_s(at_once) for t in turns) for turns in (our_turns, plain_turns)
    ]
    start = statistics.median(t.start_s for t in our_turns)
    share = start * at_once / our_turns[0].trials
    print(
        f"overhead {overheads[0]:.2f} s a trial (goal 2, floor 0), of which {share:.2f} s are the "
        f"{start:.1f} s of the start; the plain script {overheads[1]:.2f} s"
    )
    theirs = statistics.median(t.trials_per_hour() for t in plain_turns)
    whole = statistics.median(t.trials_per_hour() for t in our_turns)
    bare = statistics.median(t.trials_per_hour_without_evaluations(at_once) for t in our_turns)
    print(
        f"trials in an hour: plain {theirs:.0f}, ours {bare:.0f} without evaluations ({bare / theirs:.2f} "
        f"times), {whole:.0f} with two evaluations each and the baselines ({whole / theirs:.2f} times)"
    )


if __name__ == "__main__":
    main()
