"""How often a race's best is the best, and what it costs, on simulated sweeps whose truth is known.

    python -m benchmarks.racing [--sweeps 300] [--until 0.95]

Each line is one kind of noise (benchmarks/simulated_sweeps.py), K configurations that begin with S training
seeds, 64 vibes, and room for as many added trials as the sweep has itself, or twice that. True objectives are
normal, with a spread drawn anew for every sweep between 0.003 and 0.05 (`near`) or 0.02 and 0.2 (`far`).
Columns:

- `known`, `untold`, `budget`: share of races that ended so. `said`: mean P(best) of the known ones.
- `right`: share of the known ones whose best is the truly best; `close`: or less than 0.01 behind it.
- `lost`, `single`: how far what is picked lies behind the truly best on average, in all races; and the same
  of the highest mean of the sweep before the race.
- `added`, `full`: trials that races added on average; and that it takes to give every configuration as many
  seeds as the one that got most.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from analysis.racing import look
from benchmarks.simulated_sweeps import DRAWN, QUICKSTART, UNEVEN, simulate

if TYPE_CHECKING:
    from analysis.intervals import Scores
    from benchmarks.simulated_sweeps import Noise

KINDS = {"quickstart": QUICKSTART, "noisy seeds": DRAWN, "uneven seeds": UNEVEN}
SPREADS = {"near": (0.003, 0.05), "far": (0.02, 0.2)}


class Finish(NamedTuple):
    """How one race ended."""

    verdict: str
    best: int
    probability: float
    added: int
    full: int
    """What a design would have added in which all have as many seeds as the one that got most."""


def race(scores: Scores, *, num_seeds: int, budget: int, until: float) -> Finish:
    """Race one sweep; its further seeds are uncovered as they are asked for.

    Args:
        scores: [K, S, V]; enough seeds for any race with this budget.
        num_seeds: that every configuration begins with.
        budget: trials that may be added.
        until: as in `look`.
    """
    seeds = np.full(len(scores), num_seeds)
    while True:
        added = int(seeds.sum()) - num_seeds * len(scores)
        left = budget - added
        found = look([one[:n] for one, n in zip(scores, seeds, strict=True)], until=until, num_left=left)
        if found.verdict != "open" or left == 0:
            verdict = "budget" if found.verdict == "open" else found.verdict
            full = (int(seeds.max()) - num_seeds) * len(scores)
            return Finish(verdict, found.order[0], found.probability[0], added, full)
        seeds[list(found.contenders[:left])] += 1


def line(
    noise: Noise,
    spread: tuple[float, float],
    shape: tuple[int, int],
    *,
    num_seeds: int,
    room: float,
    until: float,
) -> tuple[str, int, int]:
    """One line of the table, the number of known ones, and of those that are right.

    Args:
        noise: of the scores.
        spread: of the true objectives, from and to.
        shape: sweeps, and configurations of each.
        num_seeds: that every configuration begins with.
        room: trials that may be added, as a multiple of the sweep's own.
        until: as in `look`.
    """
    num_sweeps, num_arms = shape
    rng = np.random.default_rng([num_arms, num_seeds])
    budget = int(room * num_arms * num_seeds)
    low, high = np.log(spread)
    spreads = np.exp(rng.uniform(low, high, (num_sweeps, 1)))
    truth = spreads * rng.standard_normal(shape)
    finishes, behind, single = [], [], []
    for one in truth:
        drawn = simulate(rng, noise, one[None], num_seeds=num_seeds + budget // 2 + 1, num_vibes=64)
        scores = drawn.scores[0]
        end = race(scores, num_seeds=num_seeds, budget=budget, until=until)
        finishes.append(end)
        behind.append(one.max() - one[end.best])
        single.append(one.max() - one[scores[:, :num_seeds].mean((1, 2)).argmax()])
    known = np.array([end.verdict == "known" for end in finishes])
    off = np.array(behind)[known]
    shares = [
        known.mean(),
        np.mean([end.verdict == "cannot be told" for end in finishes]),
        np.mean([end.verdict == "budget" for end in finishes]),
        np.mean([end.probability for end in finishes if end.verdict == "known"]) if known.any() else np.nan,
        (off == 0).mean() if known.any() else np.nan,
        (off < 0.01).mean() if known.any() else np.nan,
    ]
    costs = (np.mean([end.added for end in finishes]), np.mean([end.full for end in finishes]))
    text = "  ".join(f"{share:6.1%}" for share in shares)
    text += f"  {np.mean(behind):.4f}  {np.mean(single):.4f}  {costs[0]:5.1f}  {costs[1]:5.1f}"
    return text, int(known.sum()), int((off == 0).sum())


def main() -> None:
    """Print one line for each kind of noise, spread, number of configurations and of seeds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sweeps", type=int, default=300, help="simulated sweeps per line")
    parser.add_argument("--until", type=float, default=0.95, help="P(best) from which the best is known")
    options = parser.parse_args()
    names = "  known  untold  budget    said   right   close    lost  single  added   full"
    print(f"noise         truth  K  S  x {names}")
    num_known = num_right = 0
    for kind, noise in KINDS.items():
        for how, spread in SPREADS.items():
            for num_arms, num_seeds, room in ((4, 2, 1.0), (4, 2, 2.0), (12, 2, 1.0), (12, 1, 2.0)):
                shape = (options.sweeps, num_arms)
                until = options.until
                shares, known, right = line(noise, spread, shape, num_seeds=num_seeds, room=room, until=until)
                print(f"{kind:12s}  {how:5s} {num_arms:2d} {num_seeds:2d} {room:2.0f}  {shares}", flush=True)
                num_known, num_right = num_known + known, num_right + right
    print(f"known in all: {num_known}, of which right: {num_right / num_known:.1%}")


if __name__ == "__main__":
    main()
