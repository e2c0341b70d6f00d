"""How many trials a search needs: Optuna mode against random points and against plain Optuna.

    python -m benchmarks.search_regret [--seeds 20] [--trials 60]

The space is the guide's seven high-priority rows, as the tables have them. The objective is synthetic,
so that its optimum is known: 1 minus a weighted squared distance to it in the rows' own scales (learning
rate and beta by their logarithm, rank by its power of two, weights by their share of the sum), learning
rate and beta coupled, as they are in training. Regret is the optimum less the best value so far.

Printed are medians over the seeds with their quartiles: of `--trials` trials of Optuna mode, of plain
`optuna.create_study` with the same sampler, and of uniform random points at one, two and four times as
many; then the number of random points whose median regret is first as low as Optuna mode's.
"""

from __future__ import annotations

import argparse
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import optuna

from cluster.point_outcome import PointOutcome
from cluster.proposals import proposals_for
from search_spaces import TABLE, SweepFile
from search_spaces.designs import enumerate_points

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROWS = [row for row in TABLE if row.priority == "high"]
RANDOM_FACTOR = 4
"""Random searches get so many times the trials."""


def unit(path: str, value: float) -> float:
    """A value of a row in [0, 1] on the row's own scale."""
    row = next(row for row in ROWS if row.path == path)
    assert row.low is not None
    assert row.high is not None
    low, high = float(row.low), float(row.high)
    if row.scale in ("log", "power_of_two"):
        low, high, value = math.log(low), math.log(high), math.log(value)
    share: float = (value - low) / (high - low)
    return share


def objective(params: Mapping[str, Any]) -> float:
    """1 at the optimum, less elsewhere.

    Args:
        params: a value for each high-priority row.
    """
    at = {path: unit(path, value) for path, value in params.items()}
    weights = [params[f"grpo.reward.weights.{name}_weight"] for name in ("format", "schema", "audio")]
    format_share, schema_share, audio_share = (weight / sum(weights) for weight in weights)
    rate, beta = at["optimizer.learning_rate"], at["grpo.beta"]
    loss: float = (
        4.0 * (rate - 0.7 - 0.3 * (beta - 0.4)) ** 2
        + 1.0 * (beta - 0.4) ** 2
        + 1.0 * ((format_share - 0.1) ** 2 + (schema_share - 0.3) ** 2 + (audio_share - 0.6) ** 2)
        + 0.5 * (at["noise.error_rate"] - 0.2) ** 2
        + 0.3 * (at["lora.r"] - 0.75) ** 2
    )
    return 1.0 - loss


def sweep_file(search: Mapping[str, Any]) -> SweepFile:
    """A sweep over the seven rows."""
    return SweepFile.model_validate(
        {"name": "regret", "space": {row.path: "guide" for row in ROWS}, "search": search}
    )


def regrets(values: Sequence[float]) -> np.ndarray:
    """[T] optimum less the best of the first t values."""
    return 1.0 - np.maximum.accumulate(np.asarray(values))


def of_optuna_mode(trials: int, seed: int) -> np.ndarray:
    """[T] regrets of a sweep in Optuna mode, one trial after the other."""
    proposals = proposals_for(sweep_file({"mode": "optuna", "trials": trials, "seed": seed}))
    values: list[float] = []
    while point := proposals.propose():
        values.append(objective(point.params))
        proposals.tell(point.number, PointOutcome("finished", {"held_out_objective": values[-1]}, {}))
    return regrets(values)


def of_random_mode(trials: int, seed: int) -> np.ndarray:
    """[T] regrets of a sweep with uniform random points."""
    search = {"mode": "random", "sampler": "uniform", "trials": trials, "seed": seed}
    return regrets([objective(point.params) for point in enumerate_points(sweep_file(search)).points])


def of_plain_optuna(trials: int, seed: int) -> np.ndarray:
    """[T] regrets of `optuna.create_study` with its TPE, the same space written by hand."""

    def evaluate(trial: optuna.Trial) -> float:
        params: dict[str, Any] = {}
        for row in ROWS:
            assert row.low is not None
            assert row.high is not None
            if row.scale == "power_of_two":
                exponent = trial.suggest_int(row.path, int(math.log2(row.low)), int(math.log2(row.high)))
                params[row.path] = 2**exponent
            else:
                params[row.path] = trial.suggest_float(row.path, row.low, row.high, log=row.scale == "log")
        return objective(params)

    sampler = optuna.samplers.TPESampler(seed=seed)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.optimize(evaluate, n_trials=trials)
    return regrets([trial.values[0] for trial in study.trials])


def line(name: str, final: np.ndarray) -> str:
    """Median and quartiles over seeds."""
    low, median, high = np.quantile(final, [0.25, 0.5, 0.75])
    return f"{name:34s} {median:.4f}   ({low:.4f} to {high:.4f})"


def main(argv: list[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--trials", type=int, default=60)
    args = parser.parse_args(argv)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    seeds, trials = range(args.seeds), args.trials
    ours = np.array([of_optuna_mode(trials, seed) for seed in seeds])
    plain = np.array([of_plain_optuna(trials, seed) for seed in seeds])
    random = np.array([of_random_mode(RANDOM_FACTOR * trials, seed) for seed in seeds])
    print(f"{'search':34s} regret   (quartiles over {args.seeds} seeds)")
    print(line(f"Optuna mode, {trials} trials", ours[:, -1]))
    print(line(f"plain Optuna, {trials} trials", plain[:, -1]))
    for factor in (1, 2, 4):
        print(line(f"random points, {factor * trials} trials", random[:, factor * trials - 1]))
    as_low = np.flatnonzero(np.median(random, axis=0) <= np.median(ours[:, -1]))
    needed = str(as_low[0] + 1) if len(as_low) else f"more than {random.shape[1]}"
    print(f"random points for the median regret of {trials} trials of Optuna mode: {needed}")


if __name__ == "__main__":
    main()
