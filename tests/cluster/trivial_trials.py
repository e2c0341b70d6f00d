"""Stand-ins that worker processes import: trials and scorers that cost nothing."""

from __future__ import annotations

import os
import random
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from common.errors import TrialError
from common.ledger import LedgerRow
from common.music_schema import canonical_json
from common.random_configs import random_config
from common.records import ResultRecord
from trainables.checkpoints import mark_complete, starting_checkpoint
from trainables.ledger_writer import LedgerWriter
from trainables.spec import Progress, TrialResult, TrialSpec

if TYPE_CHECKING:
    from collections.abc import Callable

    from rewards import Scorer


def _finish(spec: TrialSpec, objective: float, steps: int = 3) -> TrialResult:
    result = TrialResult(objective, 1.0, None, steps, 0.0, 0.0)
    ResultRecord(status="finished", **result._asdict()).write(Path(spec.directory))
    return result


def quick(
    spec: TrialSpec, training: Scorer, evaluation: Scorer, report: Callable[[Progress], None]
) -> TrialResult:
    """Three steps; the objective is -(beta - 0.05)^2 + seed / 1000."""
    with (Path(spec.directory) / "starts").open("a") as starts:
        starts.write("start\n")
    for step in range(4):
        time.sleep(float(os.environ.get("TRIVIAL_STEP_S", "0")))
        report(Progress(step, 3, 0.5, None, 0.0))
    if spec.config.grpo.beta == 0.5:
        raise TrialError("beta 0.5 is refused by this stand-in")
    return _finish(spec, -((spec.config.grpo.beta - 0.05) ** 2) + spec.config.seed / 1000)


def learning(
    spec: TrialSpec, training: Scorer, evaluation: Scorer, report: Callable[[Progress], None]
) -> TrialResult:
    """Twelve steps, evaluated every `eval_steps`; the objective is beta * step, at step 0 too.

    Its checkpoint is a line in `steps` for every step taken, so a trial that goes on takes none twice.
    """
    return _learn(spec, report, step_s=0.01)


def slowly_learning(
    spec: TrialSpec, training: Scorer, evaluation: Scorer, report: Callable[[Progress], None]
) -> TrialResult:
    """The same at a pace at which trials overlap."""
    return _learn(spec, report, step_s=0.7)


def _learn(spec: TrialSpec, report: Callable[[Progress], None], *, step_s: float) -> TrialResult:
    folder = Path(spec.directory)
    with (folder / "starts").open("a") as starts:
        starts.write("start\n")
    beta, every = spec.config.grpo.beta, spec.config.logging.eval_steps
    steps = folder / "steps"
    first = len(steps.read_text().splitlines()) if steps.exists() else 0
    objective, at = (beta * first, first) if first else (0.0, 0)
    if spec.kind != "trial":
        report(Progress(0, 0, None, 0.5, 0.0, 0))
        return _finish(spec, 0.5)
    for step in range(first + 1, 13):
        time.sleep(step_s)
        with steps.open("a") as taken:
            taken.write(f"{step}\n")
        if step % every == 0 or step == 12:
            objective, at = beta * step, step
            report(Progress(step, 12, 0.5, objective, float(step), at))
        # As from a log entry: the objective is an earlier step's.
        report(Progress(step, 12, 0.5, objective, float(step), at))
    return _finish(spec, objective, 12)


def adding_up(
    spec: TrialSpec, training: Scorer, evaluation: Scorer, report: Callable[[Progress], None]
) -> TrialResult:
    """Eight steps, each of which adds beta to the weights, whose value is the objective.

    Checkpoints and the choice among them are the real ones; `TRIVIAL_STEP_S` seconds a step.
    """
    folder = Path(spec.directory)
    with (folder / "starts").open("a") as starts:
        starts.write(f"{spec.config.grpo.beta}\n")
    if spec.kind != "trial":
        return _finish(spec, 0.0)
    start = starting_checkpoint(folder)
    value = float((start.path / "weights").read_text()) if start else 0.0
    for step in range(start.step + 1 if start else 1, 9):
        time.sleep(float(os.environ.get("TRIVIAL_STEP_S", "0")))
        value += spec.config.grpo.beta
        if spec.config.grpo.beta == 0.5 and step == 3:
            raise TrialError("beta 0.5 is refused by this stand-in")
        if step % spec.config.logging.eval_steps == 0:
            checkpoint = folder / "checkpoints" / f"checkpoint-{step}"
            checkpoint.mkdir(parents=True, exist_ok=True)
            (checkpoint / "weights").write_text(str(value))
            mark_complete(checkpoint)
            report(Progress(step, 8, 0.5, value, float(step), step))
        else:
            report(Progress(step, 8, 0.5, None, float(step)))
    return _finish(spec, value, 8)


def misleading(
    spec: TrialSpec, training: Scorer, evaluation: Scorer, report: Callable[[Progress], None]
) -> TrialResult:
    """The objective is beta, but above 0.25 ever more of the clips are noise, all of them from 0.5."""
    with (Path(spec.directory) / "starts").open("a") as starts:
        starts.write("start\n")
    time.sleep(float(os.environ.get("TRIVIAL_STEP_S", "0")))
    beta = spec.config.grpo.beta
    LedgerWriter(spec).write_held_out(3, [heard_row(spec, vibe, 4 * (beta - 0.25)) for vibe in range(20)])
    return _finish(spec, beta)


def heard_row(spec: TrialSpec, vibe: int, noise: float, *, step: int = 3) -> LedgerRow:
    """One of 20 completions, of which this share is noise; it keeps all other rules."""
    return replace(
        held_out_row(spec, step, f"vibe {vibe}"),
        similarity=0.4 + 0.01 * (vibe % 2), mismatched=0.2, level_db=-20.0, clipped=0.0,
        flatness=0.7 if vibe < 20 * noise else 0.1,
        music_config=canonical_json(random_config(random.Random(vibe))),
    )  # fmt: skip


def noisy_at_the_top(
    spec: TrialSpec, training: Scorer, evaluation: Scorer, report: Callable[[Progress], None]
) -> TrialResult:
    """`adding_up`, whose evaluations are noise where beta is 0.4."""

    def heard(progress: Progress) -> None:
        if progress.objective_step == progress.step:
            noise = 1.0 if spec.config.grpo.beta == 0.4 else 0.0
            rows = [heard_row(spec, vibe, noise, step=progress.step) for vibe in range(20)]
            LedgerWriter(spec).write_held_out(progress.step, rows)
        report(progress)

    return adding_up(spec, training, evaluation, heard)


def slow_to_leave(
    spec: TrialSpec, training: Scorer, evaluation: Scorer, report: Callable[[Progress], None]
) -> TrialResult:
    """`adding_up`, but it takes three seconds to leave its process when it is stopped."""
    try:
        return adding_up(spec, training, evaluation, report)
    except SystemExit:
        time.sleep(3)
        raise


def dying_untold(
    spec: TrialSpec, training: Scorer, evaluation: Scorer, report: Callable[[Progress], None]
) -> TrialResult:
    """`adding_up`, but beta 0.1 dies once at step 4: its evaluation is in the ledger, and nobody was told."""

    def dying(progress: Progress) -> None:
        if (spec.config.grpo.beta, progress.step) == (0.1, 4):
            rows = [held_out_row(spec, 4, vibe) for vibe in ("late night neon", "soft rain")]
            LedgerWriter(spec).write_held_out(4, rows)
            os._exit(1)
        report(progress)

    died = (Path(spec.directory) / "ledger").exists()
    return adding_up(spec, training, evaluation, report if died else dying)


def held_out_row(spec: TrialSpec, step: int, vibe: str) -> LedgerRow:
    """A held-out completion worth 0.2 * 1 + 0.3 * 1 - 0.5 * 0.2 = 0.4."""
    return LedgerRow(
        sweep=spec.sweep, kind=spec.kind, trial_id=spec.trial_id, config_hash=spec.config_hash,
        seed=spec.config.seed, step=step, split="held_out", prompt_id=vibe, sample=0, decoding_seed=0,
        vibe=vibe, completion="{}", format=1.0, schema=1.0, audio=-0.2, renderable=True,
        unscored_reason=None, num_tokens=1, generate_s=0.0, score_s=0.0, scorer_id="none",
        renderer_id="none", prompt_hash="none", off_policy_depth=1,
    )  # fmt: skip


def crash_once(
    spec: TrialSpec, training: Scorer, evaluation: Scorer, report: Callable[[Progress], None]
) -> TrialResult:
    """Die at the first start, as of a lost machine; beta 0.5 raises at every start."""
    report(Progress(0, 3, None, None, 0.0))
    mark = Path(spec.directory) / "starts"
    first = not mark.exists()
    with mark.open("a") as starts:
        starts.write(f"{time.time()}\n")
    if spec.config.grpo.beta == 0.5:
        raise RuntimeError("a bug")
    if first:
        os._exit(1)
    return _finish(spec, 0.0)


def random_configs(spec: TrialSpec, scorer: Scorer) -> TrialResult:
    """The random baseline, worse than all."""
    return _finish(spec, -1.0)
