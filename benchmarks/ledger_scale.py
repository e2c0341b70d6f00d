"""Load and rank a sweep of millions of ledger rows: seconds and the most memory.

    python -m benchmarks.ledger_scale [--rows 10000000] [--folder FOLDER]

Writes a synthetic sweep of configurations with three seeds, 500 steps each, evaluated every 50 steps on 64
vibes, the rest rollouts in parts of 50 steps with completions of 400 random characters (about 3 GB on disk
for ten million rows, removed at the end), then loads and ranks it in a process of its own, as `vibesweep
rank --json` does; `cpu_s` are the core-seconds of both, imports included. `--all` also reads all numbers of
all rows.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from common.ledger import LEDGER_SCHEMA, LedgerRow
from common.objective import ObjectiveConfig
from common.random_configs import random_config
from common.records import ResultRecord, TrialRecord
from common.training_config import TrainingConfig
from search_spaces.sweep_file import SweepFile
from search_spaces.sweep_record import SweepRecord

SEEDS, STEPS, EVERY, VIBES = 3, 500, 50, 64


def template(rows: int, split: str, rng: np.random.Generator) -> pa.Table:
    """Rows of one part; the columns that tell trials apart are set later."""
    import random  # noqa: PLC0415

    music = random_config(random.Random(int(rng.integers(2**31)))).model_dump_json()
    one = LedgerRow(
        sweep="scale", kind="trial", trial_id="", config_hash="", seed=0, step=0, split="held_out",
        prompt_id="", sample=0, decoding_seed=0, vibe="late night neon glow", completion="", format=1.0,
        schema=1.0, audio=0.0, renderable=True, unscored_reason=None, num_tokens=110, generate_s=0.1,
        score_s=0.1, scorer_id="clap", renderer_id="ours", prompt_hash="prompt", off_policy_depth=1,
        similarity=0.3, mismatched=0.2, level_db=-18.0, clipped=0.0, flatness=0.1, music_config=music,
    )  # fmt: skip
    table = pa.Table.from_pylist([asdict(one) | {"split": split}], LEDGER_SCHEMA).take([0] * rows)
    letters = rng.integers(97, 123, (rows, 400), dtype=np.uint8)
    prompts = [f"vibe-{i % VIBES:04d}" for i in range(rows)]
    return with_columns(table, completion=[bytes(row).decode() for row in letters], prompt_id=prompts)


def with_columns(table: pa.Table, **columns: object) -> pa.Table:
    """The table with some columns replaced; one value stands for all rows."""
    for name, values in columns.items():
        field = LEDGER_SCHEMA.field(name)
        full = values if isinstance(values, list | np.ndarray) else [values] * table.num_rows
        table = table.set_column(LEDGER_SCHEMA.get_field_index(name), field, pa.array(full, field.type))
    return table


def write_sweep(folder: Path, num_rows: int) -> int:
    """Write the sweep; the number of rows that it got."""
    rng = np.random.default_rng(0)
    held_out, rollouts = template(VIBES, "held_out", rng), template(32 * EVERY, "train", rng)
    sweep = SweepFile(name="scale", objective=ObjectiveConfig())
    SweepRecord(sweep=sweep, data_sha256={}, versions={}, git_revision=None, fingerprint="").write(folder)
    evaluations = range(0, STEPS + 1, EVERY)
    by_trial = len(evaluations) * VIBES + STEPS // EVERY * rollouts.num_rows
    num_trials = max(SEEDS, round(num_rows / by_trial))
    for trial in range(-1, num_trials):
        point, seed = max(trial, 0) // SEEDS, max(trial, 0) % SEEDS
        is_baseline = trial < 0
        name = "untrained" if is_baseline else f"t{point:04d}-s{seed}"
        record = TrialRecord(
            trial_id=name, kind="untrained_policy" if is_baseline else "trial", number=point, label=name[:5],
            params={}, seed=seed, config_hash=name[:5], config=TrainingConfig(base_model="tiny", seed=seed),
        )  # fmt: skip
        record.write(folder / "trials" / name)
        (folder / "trials" / name / "ledger").mkdir()
        own = {"trial_id": name, "config_hash": name[:5], "seed": seed, "kind": record.kind}
        for step in evaluations[:1] if is_baseline else evaluations:
            audio = 0.1 + 0.02 * rng.standard_normal() + 0.1 * rng.standard_normal(VIBES)
            part = with_columns(held_out, **own, step=step, audio=audio, similarity=audio)
            pq.write_table(part, folder / "trials" / name / "ledger" / f"held-out-{step:06d}.parquet")
            if step:
                part = with_columns(rollouts, **own, step=step, audio=rng.standard_normal(rollouts.num_rows))
                pq.write_table(part, folder / "trials" / name / "ledger" / f"train-{step:06d}.parquet")
        ResultRecord(status="finished", steps=0 if is_baseline else STEPS).write(folder / "trials" / name)
    return int(num_trials * by_trial + VIBES)


def most_memory_gb() -> float:
    """The most memory that this process ever had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def measure(folder: Path, *, read_all: bool) -> None:
    """Load and rank; print seconds and the most memory of this process as JSON."""
    from analysis import compute_ranking, load_sweep, ranking_json  # noqa: PLC0415

    start = time.perf_counter()
    sweep = load_sweep(folder)
    loaded = time.perf_counter()
    rows = ranking_json(compute_ranking(sweep))["rows"]
    ranked = time.perf_counter()
    found = {"rows": sweep.num_rows, "files": len(sweep.parts), "ranked": len(rows), "load_s": loaded - start,
             "rank_s": ranked - loaded, "cpu_s": time.process_time()}  # fmt: skip
    found["most_memory_gb"] = most_memory_gb()
    if read_all:
        texts = {"completion", "music_config"}
        table = sweep.rows([name for name in LEDGER_SCHEMA.names if name not in texts])
        found |= {"all_s": time.perf_counter() - ranked, "all_gb": table.nbytes / 1e9}
        found["all_most_memory_gb"] = most_memory_gb()
    print(json.dumps(found))


def main() -> None:
    """Write a sweep, and measure it in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000_000, help="rows of the ledger, about")
    parser.add_argument("--folder", type=Path, help="where the sweep is written; the system's by default")
    parser.add_argument("--all", action="store_true", help="also read all numbers of all rows")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        measure(options.measure, read_all=options.all)
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        start = time.perf_counter()
        num_rows = write_sweep(Path(folder), options.rows)
        print(f"wrote {num_rows:,} rows in {time.perf_counter() - start:.0f} s", file=sys.stderr)
        command = [sys.executable, "-m", "benchmarks.ledger_scale", "--measure", folder]
        subprocess.run(command + ["--all"] * options.all, check=True)


if __name__ == "__main__":
    main()
