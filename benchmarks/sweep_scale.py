"""What the driver of a large sweep costs: 1,000 trials that do nothing, and 200 trials that write at once.

    python -m benchmarks.sweep_scale [--trials 1000] [--at-once 64] [--results 8] [--writers 200]
        [--search grid]

The driver's time is its process's CPU time, all threads of it, while the sweep runs; per result, which is a
report of a trial. The trials run on logical CPUs and only report, so on a small machine they wait for the
driver and not the driver for them. Floor: what Tune itself takes for as many trials of a function that
reports as often, with nothing of ours, in the same run.

`--search optuna` draws the points with TPE from the guide's seven high-priority settings, one point a trial,
each from all points before it.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import statistics
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from common.objective import ObjectiveConfig
from common.records import ResultRecord
from common.training_config import TrainingConfig
from trainables.ledger_writer import LedgerWriter
from trainables.spec import Progress, TrialResult, TrialSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from common.ledger import LedgerRow
    from common.music_schema import MusicConfig
    from rewards import AudioResult, Scorer

RESULTS_ENV = "SWEEP_SCALE_RESULTS"
ROWS = 118
"""Of one evaluation: every embedded held-out vibe once."""


class Cost(NamedTuple):
    """Of one run of the driver."""

    wall_s: float
    cpu_s: float
    results: int

    @property
    def ms_per_result(self) -> float:
        """Driver's CPU time."""
        return 1000 * self.cpu_s / self.results


class NoAudio:
    """A scorer that answers its health check, and is asked no more."""

    scorer_id = "none"
    renderer_id = "none"
    cache_counts = None

    def audio(self, vibes: Sequence[str], configs: Sequence[MusicConfig]) -> list[AudioResult]:
        from rewards import AudioResult  # noqa: PLC0415 - in the scorer's process

        return [AudioResult(0.0, None)] * len(configs)


def no_audio(reward_type: str, clap: object, custom_scorer_path: str | None) -> NoAudio:
    """In place of `rewards.audio_backend`."""
    return NoAudio()


def trivial_trial(
    spec: TrialSpec, training: Scorer, evaluation: Scorer, report: Callable[[Progress], None]
) -> TrialResult:
    """Reports as often as it is told to, and has an objective."""
    steps = int(os.environ[RESULTS_ENV])
    objective = spec.config.optimizer.learning_rate
    for step in range(1, steps + 1):
        report(Progress(step, steps, 0.5, objective, float(step), step))
    return finished(spec, objective, steps)


def trivial_baseline(spec: TrialSpec, scorer: Scorer) -> TrialResult:
    """The baseline of random configs."""
    return finished(spec, 0.0, 0)


def finished(spec: TrialSpec, objective: float, steps: int) -> TrialResult:
    """Record an end, as a trial does."""
    result = TrialResult(objective, 1.0, None, steps, 0.0, 0.0)
    ResultRecord(status="finished", **result._asdict()).write(Path(spec.directory))
    return result


def searched(mode: str, trials: int) -> dict[str, Any]:
    """A space with as many points, and how it is searched: a part of a sweep file."""
    if mode == "grid":
        return {"space": {"optimizer.learning_rate": [1e-6 * (1 + number) for number in range(trials)]}}
    from search_spaces import TABLE  # noqa: PLC0415 - in the driver alone

    space = {row.path: "guide" for row in TABLE if row.priority == "high"}
    return {"space": space, "search": {"mode": mode, "trials": trials}}


def our_driver(folder: Path, *, mode: str, trials: int, at_once: int, results: int) -> Cost:
    """A whole sweep of trials that do nothing."""
    from rich.console import Console  # noqa: PLC0415 - in the driver alone

    from cluster.sweep import run_sweep  # noqa: PLC0415
    from cluster.task import TrialCode  # noqa: PLC0415
    from search_spaces import SweepFile  # noqa: PLC0415

    sweep = SweepFile.model_validate(
        {
            "name": "scale",
            "base": {"base_model": "tiny", "max_steps": results},
            "resources": {"scorers": 1, "cpus_per_scorer": 0, "max_concurrent_trials": at_once},
            **searched(mode, trials),
        }
    )
    names = ("trivial_trial", "trivial_baseline", "no_audio")
    code = TrialCode(*(f"benchmarks.sweep_scale:{name}" for name in names))
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        start, cpu = time.perf_counter(), time.process_time()
        outcome = run_sweep(sweep, folder, code=code, console=Console(file=nowhere))
    assert not outcome.failed, outcome.failed
    assert outcome.num_finished >= trials, outcome
    return Cost(time.perf_counter() - start, time.process_time() - cpu, trials * results)


def plain_trial(config: dict[str, Any]) -> None:
    """The same for Tune alone."""
    from ray import tune  # noqa: PLC0415 - in the worker alone

    for step in range(1, int(os.environ[RESULTS_ENV]) + 1):
        tune.report({"step": step, "objective": config["learning_rate"]})


def plain_driver(folder: Path, *, trials: int, at_once: int, results: int) -> Cost:
    """Tune's own time for as many trials and results."""
    from ray import tune  # noqa: PLC0415 - in the driver alone

    rates = [1e-6 * (1 + number) for number in range(trials)]
    tuner = tune.Tuner(
        tune.with_resources(plain_trial, {"CPU": 1}),
        param_space={"learning_rate": tune.grid_search(rates)},
        tune_config=tune.TuneConfig(max_concurrent_trials=at_once, reuse_actors=True),
        run_config=tune.RunConfig(storage_path=str(folder), verbose=0),
    )
    start, cpu = time.perf_counter(), time.process_time()
    ended = tuner.fit()
    assert not ended.errors, ended.errors
    return Cost(time.perf_counter() - start, time.process_time() - cpu, trials * results)


def write_ledgers(folder: Path, writers: int, parts: int) -> None:
    """As many trials as writers, each with an evaluation in every part; prints how long one takes."""
    config = TrainingConfig()
    barrier = threading.Barrier(writers)

    def write(number: int) -> list[float]:
        spec = TrialSpec(
            sweep="scale", trial_id=f"{number:04d}-s0", kind="trial", config=config,
            config_hash=f"{number:012d}", params={}, train_data="tiny", held_out_data="tiny",
            objective=ObjectiveConfig(), directory=str(folder / "trials" / f"{number:04d}-s0"),
            tensorboard=str(folder / "tensorboard"),
        )  # fmt: skip
        writer, first = LedgerWriter(spec), row(spec)
        barrier.wait()
        taken = []
        for step in range(parts):
            rows = [replace(first, step=step, prompt_id=f"vibe {vibe}") for vibe in range(ROWS)]
            start = time.perf_counter()
            writer.write_held_out(step, rows)
            taken.append(time.perf_counter() - start)
        return taken

    start = time.perf_counter()
    with ThreadPoolExecutor(writers) as pool:
        seconds = sorted(one for taken in pool.map(write, range(writers)) for one in taken)
    wall = time.perf_counter() - start
    size = sum(path.stat().st_size for path in folder.rglob("*.parquet"))
    print(
        f"{writers} writers: {len(seconds) / wall:.0f} parts of {ROWS} rows a second, one waits "
        f"{1000 * statistics.median(seconds):.0f} ms in the median and {1000 * seconds[-1]:.0f} ms at most; "
        f"{size / len(seconds) / 1024:.0f} KB a part; at most {most_memory_mib():.0f} MiB (goal 1024)"
    )


def row(spec: TrialSpec) -> LedgerRow:
    """A held-out completion with a text as long as a config's."""
    from common.ledger import LedgerRow  # noqa: PLC0415 - not in a driver's import

    return LedgerRow(
        sweep=spec.sweep, kind=spec.kind, trial_id=spec.trial_id, config_hash=spec.config_hash, seed=0,
        step=0, split="held_out", prompt_id="", sample=0, decoding_seed=0, vibe="late night neon glow",
        completion="x" * 1500, format=1.0, schema=1.0, audio=-0.2, renderable=True, unscored_reason=None,
        num_tokens=110, generate_s=0.1, score_s=0.1, scorer_id="none", renderer_id="none",
        prompt_hash="none", off_policy_depth=1, music_config="x" * 1100,
    )  # fmt: skip


def most_memory_mib() -> float:
    """Of this process since it began."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Parses the arguments and measures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sweep_scale")
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--at-once", type=int, default=64)
    parser.add_argument("--results", type=int, default=8, help="reports of a trial")
    parser.add_argument("--writers", type=int, default=200)
    parser.add_argument("--search", choices=("grid", "optuna"), default="grid")
    args = parser.parse_args()
    os.environ |= {RESULTS_ENV: str(args.results), "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "1"}
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        import ray  # noqa: PLC0415 - in the driver alone

        ray.init(num_cpus=args.at_once, include_dashboard=False, log_to_driver=False)
        costs: dict[str, Cost] = {}
        # Ours first: the peak of memory is the process's, of all that it has done so far.
        drivers: dict[str, Callable[..., Cost]] = {
            "ours": partial(our_driver, mode=args.search),
            "Tune alone": plain_driver,
        }
        for who, driver in drivers.items():
            cost = costs[who] = driver(
                root / who, trials=args.trials, at_once=args.at_once, results=args.results
            )
            print(
                f"{who}: {args.trials} trials, {args.at_once} at once, {cost.wall_s:.0f} s; driver "
                f"{cost.ms_per_result:.1f} ms of CPU per result (goal 50), at most "
                f"{most_memory_mib():.0f} MiB so far (goal 1024)",
                flush=True,
            )
        ray.shutdown()
        # They have a process of their own, as trials have; one without torch.
        alone = multiprocessing.get_context("spawn").Process(
            target=write_ledgers, args=(root / "ledgers", args.writers, 5)
        )
        alone.start()
        alone.join()
        assert alone.exitcode == 0
    ratio = costs["ours"].ms_per_result / costs["Tune alone"].ms_per_result
    print(f"our driver takes {ratio:.2f} times Tune's own time (floor 1)")


if __name__ == "__main__":
    main()
