"""What a trial costs besides its evaluations and steps, on a warm worker, phase by phase.

    python -m benchmarks.trial_turnaround [--trials 5] [--base-model tiny] [--profile]

Trials of two steps run one after the other in this process, as on a reused worker. Printed are medians over
all but the first, which reads the model and imports what is imported late. Seconds of a phase are its own: a
checkpoint within the steps counts as a checkpoint. Floor is the least that the phase's work takes here: the
weights copied once, the bytes of its files written to one file each and synced, the rows parsed once. The
other phases need not be there at all.
"""

from __future__ import annotations

import argparse
import cProfile
import gc
import json
import os
import pstats
import tempfile
import time
from collections import defaultdict
from contextlib import ExitStack, contextmanager
from functools import wraps
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Literal
from unittest.mock import patch

from common.objective import ObjectiveConfig
from common.training_config import TrainingConfig, apply_overrides
from rewards import Scorer
from search_spaces import config_hash
from trainables import ledger_writer, trial
from trainables.chat import PromptFormat
from trainables.data import data_path
from trainables.evaluation import HeldOut
from trainables.grpo import VibeGRPOTrainer
from trainables.policy import load_policy
from trainables.spec import TrialSpec
from trainables.tensorboard import TrialCurves

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

WORK = ("evaluations", "steps")
"""What a trial is for; the rest is turnaround."""

PARTS: dict[str, list[tuple[Any, str]]] = {
    "evaluations": [(HeldOut, "evaluate")],
    "steps": [(VibeGRPOTrainer, "_run_epoch")],
    "model and tokenizer": [(trial, "load_policy")],
    "data": [
        (trial, "load_rows"),
        (trial, "add_noise"),
        (trial, "check_rows"),
        (trial, "prompt_dataset"),
        (PromptFormat, "of"),
    ],
    "trainer": [(trial, "_trainer")],
    "training set-up": [(VibeGRPOTrainer, "_inner_training_loop")],
    "checkpoint": [(VibeGRPOTrainer, "_save_checkpoint")],
    "adapter": [(trial, "save_adapter")],
    "ledger": [(ledger_writer, "write_part")],
    "TensorBoard": [
        (TrialCurves, "__init__"),
        (TrialCurves, "add_training"),
        (TrialCurves, "add_evaluation"),
        (TrialCurves, "__exit__"),
    ],
    "garbage": [(gc, "collect")],
}


class Phases:
    """Seconds of each phase, without those of the phases inside it."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._inside: list[float] = []

    @contextmanager
    def timed(self, phase: str) -> Iterator[None]:
        """Count a block to a phase."""
        self._inside.append(0.0)
        start = time.perf_counter()
        try:
            yield
        finally:
            whole = time.perf_counter() - start
            self.seconds[phase] += whole - self._inside.pop()
            if self._inside:
                self._inside[-1] += whole

    def watch(self, owner: Any, name: str, phase: str) -> Any:
        """A patch that counts every call of a function to a phase."""
        function: Callable[..., Any] = getattr(owner, name)

        @wraps(function)
        def watched(*args: Any, **kwargs: Any) -> Any:
            with self.timed(phase):
                return function(*args, **kwargs)

        is_bound = getattr(function, "__self__", None) is owner and isinstance(owner, type)
        return patch.object(owner, name, staticmethod(watched) if is_bound else watched)


def spec(folder: Path, base_model: str) -> TrialSpec:
    """A trial of two short steps, four completions each, and two evaluations of two vibes."""
    config = apply_overrides(
        TrainingConfig(),
        {
            "base_model": base_model,
            "max_steps": 2,
            "batch.batch_size": 4,
            "grpo.max_completion_length": 8,
            "grpo.reward.reward_type": "schema_only",
        },
    )
    return TrialSpec(
        sweep="turnaround",
        trial_id=folder.name,
        kind="trial",
        config=config,
        config_hash=config_hash(config),
        params={},
        train_data="tiny",
        held_out_data="tiny",
        objective=ObjectiveConfig(num_vibes=2, samples=1, max_completion_length=8),
        directory=str(folder),
        tensorboard=str(folder / "tensorboard"),
    )


def phases_of_a_trial(folder: Path, base_model: str) -> dict[str, float]:
    """Seconds of each phase of one trial."""
    phases = Phases()
    with ExitStack() as patches:
        for phase, functions in PARTS.items():
            for owner, name in functions:
                patches.enter_context(phases.watch(owner, name, phase))
        with phases.timed("all else"):
            trial.run_trial(spec(folder, base_model), Scorer(None), Scorer(None), lambda progress: None)
    return phases.seconds


def floors(folder: Path, base_model: str) -> dict[str, float]:
    """Seconds of the least that some phases have to do, given a finished trial's folder."""
    model = load_policy(base_model).model
    checkpoint = next(folder.glob("checkpoints/checkpoint-*"))
    parts = [[part] for part in folder.glob("ledger/*.parquet")]
    return {
        "model and tokenizer": seconds(lambda: [p.detach().clone() for p in model.parameters()]),
        "data": seconds(parse_rows),
        "checkpoint": seconds(lambda: write_again(folder, [checkpoint.iterdir()])),
        "adapter": seconds(lambda: write_again(folder, [(folder / "adapter").iterdir()])),
        "ledger": seconds(lambda: write_again(folder, parts)),
    }


def parse_rows() -> None:
    """Read both data files."""
    splits: tuple[Literal["train", "held_out"], ...] = ("train", "held_out")
    for split in splits:
        for line in data_path("tiny", split).read_text(encoding="utf-8").splitlines():
            json.loads(line)


def write_again(folder: Path, groups: Any) -> None:
    """Write the bytes of each group of files into one file, and sync it."""
    for files in groups:
        content = b"".join(file.read_bytes() for file in files)
        with (folder / "floor").open("wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())


def seconds(call: Callable[[], object]) -> float:
    """Median seconds of five calls."""
    taken = []
    for _ in range(5):
        start = time.perf_counter()
        call()
        taken.append(time.perf_counter() - start)
    return median(taken)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--trials", type=int, default=5)
    parser.add_argument("--base-model", default="tiny")
    parser.add_argument("--profile", action="store_true", help="profile the last trial by function")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        measured = [phases_of_a_trial(root / str(n), args.base_model) for n in range(args.trials + 1)]
        floor = floors(root / "0", args.base_model)
        if args.profile:
            profile = cProfile.Profile()
            profile.runcall(phases_of_a_trial, root / "profiled", args.base_model)
            pstats.Stats(profile).sort_stats("cumtime").print_stats(60)
    print(
        f"{'phase':22} {'first':>8} {'warm':>8} {'floor':>8}   seconds, warm is the median of {args.trials}"
    )
    for phase in (*PARTS, "all else"):
        first, *warm = (one.get(phase, 0.0) for one in measured)
        low = f"{floor[phase]:8.3f}" if phase in floor else f"{'-':>8}"
        print(f"{phase:22} {first:8.3f} {median(warm):8.3f} {low}")
    first, *warm = (sum(s for phase, s in one.items() if phase not in WORK) for one in measured)
    print(f"{'turnaround':22} {first:8.3f} {median(warm):8.3f} {sum(floor.values()):8.3f}")


if __name__ == "__main__":
    main()
