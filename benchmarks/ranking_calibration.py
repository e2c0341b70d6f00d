"""How true a ranking's claims are, on simulated sweeps whose truth is known.

    python -m benchmarks.ranking_calibration [--sweeps 1000] [--plot docs/reliability.png]

Each line is one kind of noise (benchmarks/simulated_sweeps.py), K configurations, S training seeds and V
vibes. True objectives are normal, with a spread drawn anew for every sweep between 0.003 and 0.05. Columns:

- `mean`, `difference`, `pair`: share of 95 % intervals that hold the truth; of a configuration's objective,
  of its difference to the untrained policy, and of the difference of two configurations.
- `bootstrap`: the same of a configuration's objective with a plain bootstrap over seeds and vibes.
- `ties`: share of sweeps whose tie set holds the truly best configuration; `equal`: the same where all
  configurations are equally good, the hardest case.
- `found`: share of differences as large as the smallest detectable one that are found; `left out`: share of
  configurations worse by twice that which the tie set leaves out.
- `said`, `right`: mean P(best) of the most probable configuration, and how often it was the best one;
  `best mean`: how often the configuration with the highest mean was, which a plain ranking takes as given.
- `lead`: how much higher than the truth the highest mean is, on average, and the expectation of the same.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from analysis.best import contest
from analysis.comparisons import is_ahead
from analysis.detectable import policy_spread, smallest_detectable, spreads_of
from analysis.intervals import CONFIDENCE, mean_interval, mean_intervals, seed_noise
from benchmarks.simulated_sweeps import DRAWN, QUICKSTART, UNEVEN, simulate

if TYPE_CHECKING:
    from analysis.intervals import Interval, Scores
    from benchmarks.simulated_sweeps import Noise, SimulatedSweeps

KINDS = {"quickstart": QUICKSTART, "noisy seeds": DRAWN, "uneven seeds": UNEVEN}
RESAMPLES = 200


class Claim(NamedTuple):
    """What was said of the configurations, with what is true; arrays are [R, K]."""

    said: Scores
    true: Scores


def holds(interval: Interval, truth: float) -> bool:
    """Whether an interval holds the truth."""
    return interval.low <= truth <= interval.high


def coverage(sweeps: SimulatedSweeps) -> tuple[float, float, float]:
    """Share of the intervals of means, differences to the untrained policy, and pairs that hold the truth."""
    means: list[bool] = []
    differences: list[bool] = []
    pairs: list[bool] = []
    for scores, untrained, truth in zip(sweeps.scores, sweeps.untrained, sweeps.truth, strict=True):
        arms, against = list(scores), list(scores - untrained)
        means += map(holds, mean_intervals(arms, confidence=CONFIDENCE), truth)
        differences += map(holds, mean_intervals(against, confidence=CONFIDENCE), truth)
        noise, ahead = seed_noise(arms), scores.mean(1)
        for one, two in zip(range(0, len(arms), 2), range(1, len(arms), 2), strict=True):
            both = noise[one].plus(noise[two])
            interval = mean_interval(ahead[one] - ahead[two], confidence=CONFIDENCE, noise=both)
            pairs.append(holds(interval, truth[one] - truth[two]))
    return float(np.mean(means)), float(np.mean(differences)), float(np.mean(pairs))


def resampled_means(rng: np.random.Generator, scores: Scores) -> Scores:
    """[N, K] means of one sweep, [K, S, V], with vibes and each configuration's seeds drawn again."""
    num_arms, num_seeds, num_vibes = scores.shape
    seeds = rng.multinomial(num_seeds, np.full(num_seeds, 1 / num_seeds), (RESAMPLES, num_arms))
    vibes = rng.multinomial(num_vibes, np.full(num_vibes, 1 / num_vibes), RESAMPLES)
    return np.asarray(np.einsum("nks,ksv,nv->nk", seeds, scores, vibes, optimize=True) / scores[0].size)


def bootstrap(rng: np.random.Generator, sweeps: SimulatedSweeps) -> tuple[float, Claim]:
    """Coverage of the plain bootstrap's intervals, and its share of wins for each configuration."""
    drawn = np.stack([resampled_means(rng, scores) for scores in sweeps.scores])
    low, high = np.quantile(drawn, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2], axis=1)
    wins = (drawn == drawn.max(2, keepdims=True)).mean(1)
    return float(((low <= sweeps.truth) & (sweeps.truth <= high)).mean()), Claim(wins, is_best(sweeps.truth))


def is_best(truth: Scores) -> Scores:
    """[R, K] 1 for the best configuration of each sweep."""
    return np.asarray(truth == truth.max(1, keepdims=True), dtype=float)


def tie_sets(sweeps: SimulatedSweeps) -> Scores:
    """[R, K] 1 where a configuration cannot be told from the best."""
    tied = np.ones(sweeps.truth.shape)
    for scores, row in zip(sweeps.scores, tied, strict=True):
        noise, by_vibe = seed_noise(list(scores)), scores.mean(1)
        best = int(by_vibe.mean(1).argmax())
        for arm in set(range(len(scores))) - {best}:
            both = noise[best].plus(noise[arm])
            row[arm] = not is_ahead(by_vibe[best] - by_vibe[arm], both, num_compared=len(scores) - 1)
    return tied


def detection(
    rng: np.random.Generator, noise: Noise, shape: tuple[int, int], *, num_seeds: int, num_vibes: int
) -> tuple[float, float, float]:
    """Shares: equal best ones kept; smallest detectable differences found; twice as large ones left out."""

    def sweeps(truth: Scores) -> SimulatedSweeps:
        return simulate(rng, noise, truth, num_seeds=num_seeds, num_vibes=num_vibes)

    num_sweeps, num_arms = shape
    equal = sweeps(np.zeros(shape))
    kept = float(tie_sets(equal)[:, 0].mean())
    spreads = spreads_of([scores for sweep in equal.scores for scores in sweep])
    assert spreads is not None
    policies = float(np.mean([policy_spread(list(sweep)) ** 2 for sweep in equal.scores])) ** 0.5
    smallest = smallest_detectable(
        spreads, seeds=num_seeds, vibes=num_vibes, num_compared=num_arms, policies=policies
    )
    behind = np.tile(-smallest * (np.arange(num_arms) % 2), (num_sweeps, 1))
    found = []
    for scores in sweeps(behind).scores:
        both, lead = seed_noise(list(scores)), scores.mean(1)
        found.append(is_ahead(lead[0] - lead[1], both[0].plus(both[1]), num_compared=num_arms))
    worse = np.tile(-2 * smallest * (np.arange(num_arms) > 0), (num_sweeps, 1))
    left_out = 1 - tie_sets(sweeps(worse))[:, 1:].mean()
    return kept, float(np.mean(found)), float(left_out)


def calibrate(
    kind: str, shape: tuple[int, int], *, num_seeds: int, num_vibes: int
) -> tuple[list[float], Claim, Claim]:
    """One line of the table, and what ours and the bootstrap say of who is best."""
    num_sweeps, num_arms = shape
    rng = np.random.default_rng([num_arms, num_seeds, num_vibes])
    spread = np.exp(rng.uniform(np.log(0.003), np.log(0.05), (num_sweeps, 1)))
    truth = spread * rng.standard_normal(shape)
    sweeps = simulate(rng, KINDS[kind], truth, num_seeds=num_seeds, num_vibes=num_vibes)
    by_bootstrap, wins = bootstrap(rng, sweeps)
    best, rows = is_best(truth), np.arange(num_sweeps)
    contests = [contest(list(scores)) for scores in sweeps.scores]
    ours = Claim(np.stack([one.probability for one in contests]), best)
    picked, likeliest = sweeps.scores.mean((2, 3)).argmax(1), ours.said.argmax(1)
    highest = sweeps.scores.mean((2, 3))[rows, picked] - truth[rows, picked]
    expected = np.stack([one.expected for one in contests])[rows, picked] - truth[rows, picked]
    line = [
        *coverage(sweeps),
        by_bootstrap,
        float((tie_sets(sweeps) * best).sum(1).mean()),
        *detection(rng, KINDS[kind], shape, num_seeds=num_seeds, num_vibes=num_vibes),
        float(ours.said.max(1).mean()),
        float(best[rows, likeliest].mean()),
        float(best[rows, picked].mean()),
        float(highest.mean()),
        float(expected.mean()),
    ]
    return line, ours, wins


def reliability(claims: list[Claim]) -> Scores:
    """[B, 3] mean probability said, share that came true, and number, of ten equal bins of probability."""
    said = np.concatenate([claim.said.ravel() for claim in claims])
    true = np.concatenate([claim.true.ravel() for claim in claims])
    bins = np.minimum((10 * said).astype(int), 9)
    kept = [b for b in range(10) if (bins == b).any()]
    return np.array([[said[bins == b].mean(), true[bins == b].mean(), (bins == b).sum()] for b in kept])


def plot(path: Path, ours: Scores, wins: Scores, best_mean: float) -> None:
    """Draw what was said against what came true."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - the docs extra

    figure = Figure(figsize=(5.2, 4.6), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="#8b949e", linewidth=1)
    axes.plot(ours[:, 0], ours[:, 1], "o-", color="#1f6feb", label="P(best) of the ranking")
    axes.plot(wins[:, 0], wins[:, 1], "s--", color="#d29922", label="share of wins of a plain bootstrap")
    axes.plot([1], [best_mean], "x", color="#cf222e", markersize=10, label="highest mean, taken as the best")
    axes.set(xlabel="probability said", ylabel="share that was the best", xlim=(0, 1.02), ylim=(0, 1.02))
    axes.legend(frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def main() -> None:
    """Print one line for each kind of noise, number of configurations and number of seeds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sweeps", type=int, default=1000, help="simulated sweeps per line")
    parser.add_argument("--vibes", type=int, default=64, help="held-out vibes")
    parser.add_argument("--plot", type=Path, help="where to draw the reliability of P(best)")
    options = parser.parse_args()
    names = ("mean", "difference", "pair", "bootstrap", "ties", "equal", "found", "left out", "said", "right")
    print("noise         K  S  " + "  ".join((*names, "best mean", "lead")))
    claims, wins, picked = [], [], []
    for kind in KINDS:
        for num_arms in (4, 12):
            for num_seeds in (2, 3, 5):
                shape = (options.sweeps, num_arms)
                line, claim, by_bootstrap = calibrate(
                    kind, shape, num_seeds=num_seeds, num_vibes=options.vibes
                )
                *shares, highest, expected = line
                columns = (*names, "best mean")
                text = "  ".join(f"{x:{len(name)}.1%}" for x, name in zip(shares, columns, strict=True))
                print(
                    f"{kind:12s}{num_arms:3d}{num_seeds:3d}  {text}  {highest:+.4f} {expected:+.4f}",
                    flush=True,
                )
                claims.append(claim)
                wins.append(by_bootstrap)
                picked.append(shares[-1])
    ours, theirs = reliability(claims), reliability(wins)
    print("\nP(best): said, came true, number; then the same of the plain bootstrap")
    for table in (ours, theirs):
        print("\n".join(f"{said:6.1%} {true:6.1%} {int(count):8d}" for said, true, count in table) + "\n")
    if options.plot:
        plot(options.plot, ours, theirs, float(np.mean(picked)))


if __name__ == "__main__":
    main()
