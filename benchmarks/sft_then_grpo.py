"""Does GRPO make the policy of an SFT adapter better? `train sft`, then `train grpo` on it with another rank.

    python -m benchmarks.sft_then_grpo [--seeds 0,1,2] [--steps 80] [--folder FOLDER]

Runs the two commands once for each seed on the embedded tiny policy and data, and prints the held-out
objective before and after GRPO, paired by seed and vibe, with the interval that the ranking would give.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from analysis.intervals import CONFIDENCE, Interval, mean_intervals
from common.objective import ObjectiveConfig, objective_value
from vibesweep.cli import run

DATA = Path(__file__).parent.parent / "tiny" / "data"
SFT_RANK, GRPO_RANK = 16, 8
GRPO = {
    "optimizer": {"learning_rate": 3e-3},
    "batch": {"batch_size": 32},
    "grpo": {"num_generations": 8, "max_completion_length": 112, "beta": 0.01},
}


def train(folder: Path, seed: int, steps: int) -> Path:
    """Run both commands; the folder of the GRPO run."""
    sft, grpo, config = (folder / f"{name}-{seed}" for name in ("sft", "grpo", "config.json"))
    config.write_text(json.dumps(GRPO))
    words = [
        "train",
        "sft",
        "--model",
        "tiny",
        "--data",
        str(DATA / "sft_sample.jsonl"),
        "--output",
        str(sft),
    ]
    words += ["--epochs", "1", "--lora-r", str(SFT_RANK), "--seed", str(seed)]
    assert run(words) == 0
    words = ["train", "grpo", "--config-file", str(config), "--model", str(sft), "--output", str(grpo)]
    words += ["--data", str(DATA / "vibes_train.jsonl"), "--lora-r", str(GRPO_RANK), "--seed", str(seed)]
    assert run([*words, "--max-steps", str(steps), "--eval-vibes", "118"]) == 0
    return grpo


def objective_by_vibe(grpo: Path, step: int) -> dict[str, float]:
    """Held-out objective of each vibe at a step, under the default weights."""
    rows = pq.read_table(grpo / "ledger" / f"held-out-{step:06d}.parquet").to_pylist()
    assert not any(row["unscored_reason"] for row in rows)
    return {
        row["prompt_id"]: objective_value(row["format"], row["schema"], row["audio"], ObjectiveConfig())
        for row in rows
    }


def gains(grpo: Path, steps: int) -> list[float]:
    """What training added to each vibe's objective."""
    before, after = objective_by_vibe(grpo, 0), objective_by_vibe(grpo, steps)
    return [after[vibe] - before[vibe] for vibe in sorted(before)]


def text(interval: Interval) -> str:
    return f"{interval.mean:+.4f} ({interval.low:+.4f} to {interval.high:+.4f})"


def main() -> None:
    """Parses the arguments, trains and compares."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sft_then_grpo")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--steps", type=int, default=80)
    parser.add_argument("--folder", type=Path, help="where to keep the runs; a temporary one by default")
    args = parser.parse_args()
    seeds = [int(seed) for seed in args.seeds.split(",")]
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        by_seed = np.array([gains(train(folder, seed, args.steps), args.steps) for seed in seeds])
    for seed, row in zip(seeds, by_seed, strict=True):
        [alone] = mean_intervals([row[None]], confidence=CONFIDENCE)
        print(f"seed {seed}: GRPO adds {text(alone)} over {by_seed.shape[1]} vibes")
    [together] = mean_intervals([by_seed], confidence=CONFIDENCE)
    print(f"{len(seeds)} seeds: GRPO adds {text(together)} to the SFT policy's held-out objective")


if __name__ == "__main__":
    main()
