"""Coverage of the ranking's intervals on simulated sweeps with known truth.

    python -m benchmarks.interval_coverage [--sweeps 1000]

Each simulated sweep has an untrained policy (75 % of its configs can be rendered) and K configurations
(90 %), S seeds each, V vibes. Audio is mean + vibe + seed + rest with standard deviations 0.12, `seed sd`
and 0.1; `seed sd` 0 to 0.04 gives each configuration its own. Printed are the shares of sweeps in which
an interval holds the truth: `single` one configuration's, uncorrected; `noisiest` the same of the
configuration with the largest seed sd; the others those of all configurations at once, corrected, for
the paired difference and its parts. All should be about 95 % or above.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import numpy as np

from analysis.differences import paired_difference
from analysis.evaluations import CellMeans
from analysis.intervals import CONFIDENCE, mean_intervals
from common.objective import ObjectiveConfig

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analysis.intervals import Interval, Scores

VIBE_SD, REST_SD = 0.12, 0.1
UNTRAINED_RENDERED, RENDERED, GAIN = 0.75, 0.9, 0.05
PARTS = ("difference", "validity part", "audio part", "audio over valid")


def cells(rng: np.random.Generator, audio: Scores, rendered_share: float) -> CellMeans:
    """One completion per seed and vibe; its format is whole, its schema is when it can be rendered."""
    rendered = (rng.random(audio.shape) < rendered_share).astype(float)
    return CellMeans(np.ones_like(audio), rendered, rendered, rendered, rendered * audio)


def true_parts(objective: ObjectiveConfig) -> tuple[float, ...]:
    """The difference and its parts in the population; the mean audio of the untrained policy is 0."""
    weights = objective.weights
    r_mid, more_rendered = (UNTRAINED_RENDERED + RENDERED) / 2, RENDERED - UNTRAINED_RENDERED
    validity = weights.schema_weight * more_rendered
    validity += weights.audio_weight * (GAIN / 2 - objective.audio_floor) * more_rendered
    audio = weights.audio_weight * r_mid * GAIN
    return validity + audio, validity, audio, GAIN


def holds(intervals: Sequence[Interval], truth: float) -> list[bool]:
    """Whether each interval holds the truth."""
    return [interval.low <= truth <= interval.high for interval in intervals]


def coverage(
    seed_sds: Sequence[float], num_seeds: int, num_vibes: int, num_sweeps: int
) -> tuple[float, float, dict[str, float], float]:
    """Coverage of single intervals, of the noisiest configuration's, of all at once; median half width."""
    objective = ObjectiveConfig()
    truths = true_parts(objective)
    single, at_once, widths = [], [], []
    rng = np.random.default_rng(0)
    for _ in range(num_sweeps):
        vibe = VIBE_SD * rng.standard_normal((1, num_vibes))
        untrained = cells(rng, vibe + REST_SD * rng.standard_normal(vibe.shape), UNTRAINED_RENDERED)
        reference = CellMeans(*(np.repeat(values, num_seeds, axis=0) for values in untrained))
        arms = []
        for sd in seed_sds:
            seed = sd * rng.standard_normal((num_seeds, 1))
            own_vibe = REST_SD / 2 * rng.standard_normal(vibe.shape)
            rest = REST_SD * rng.standard_normal((num_seeds, num_vibes))
            trial = cells(rng, GAIN + vibe + own_vibe + seed + rest, RENDERED)
            total, parts = paired_difference(trial, reference, objective)
            assert parts is not None
            arms.append((total, *parts))
        corrected = 1 - (1 - CONFIDENCE) / len(arms)
        columns = list(zip(*arms, strict=True))
        simultaneous = [mean_intervals(column, confidence=corrected) for column in columns]
        single.append(holds(mean_intervals(columns[0], confidence=CONFIDENCE), truths[0]))
        at_once.append([all(holds(*pair)) for pair in zip(simultaneous, truths, strict=True)])
        widths.append([interval.half_width for interval in simultaneous[0]])
    shares = np.mean(at_once, axis=0)
    noisiest = np.mean(single, axis=0)[int(np.argmax(seed_sds))]
    by_part = {name: float(share) for name, share in zip(PARTS, shares, strict=True)}
    return float(np.mean(single)), float(noisiest), by_part, float(np.median(widths))


def main() -> None:
    """Print one line for each number of configurations, seeds, vibes and seed sd."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sweeps", type=int, default=1000, help="simulated sweeps per line")
    num_sweeps = parser.parse_args().sweeps
    header = ("single", "noisiest", *PARTS, "median ±")
    print("  K  S    V      seed sd  " + "  ".join(header))
    for num_configurations in (1, 4):
        for num_seeds in (2, 3, 5):
            for num_vibes in (24, 100):
                for low, high in ((0.0, 0.0), (0.03, 0.03), (0.0, 0.04)):
                    if num_configurations == 1 and low != high:
                        continue
                    sds = np.linspace(low, high, num_configurations).tolist()
                    single, noisiest, parts, width = coverage(sds, num_seeds, num_vibes, num_sweeps)
                    shares = (single, noisiest, *parts.values())
                    figures = [f"{s:{len(name)}.1%}" for name, s in zip(header[:-1], shares, strict=True)]
                    print(
                        f"{num_configurations:3d}{num_seeds:3d}{num_vibes:5d}  {low:.2f} to {high:.2f}  "
                        f"{'  '.join(figures)}  {width:.3f}",
                        flush=True,
                    )


if __name__ == "__main__":
    main()
