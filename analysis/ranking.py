"""Rank the configurations of a sweep by their held-out objective, beside the baselines."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from analysis.arms import sort_into_arms
from analysis.comparisons import against_untrained, prospects, tied_with_best
from analysis.detection import sweep_detection
from analysis.evaluations import EVALUATION_COLUMNS, held_out_evaluations, objective_cells
from analysis.feasibility import SENTINEL_COLUMNS, judge, sentinel_rows
from analysis.intervals import CONFIDENCE, mean_intervals
from common.objective import ObjectiveConfig

if TYPE_CHECKING:
    import pyarrow as pa

    from analysis.arms import Arm, RowGroup, Unranked
    from analysis.comparisons import Difference, Prospect
    from analysis.detection import SweepDetection
    from analysis.intervals import Interval
    from analysis.sweep import Sweep
    from common.ledger import RowKind
    from common.lineage import Change
    from common.noise_floor import NoiseFloor
    from common.reward_config import RewardWeights
    from common.sentinels import Sentinels

_COLUMNS: Final = tuple(dict.fromkeys((*EVALUATION_COLUMNS, *SENTINEL_COLUMNS, "scorer_id", "renderer_id")))

__all__ = ["DECIMALS", "RankedRow", "Ranking", "compute_ranking"]

DECIMALS: Final = 12
"""Of the mean objectives that rows stand in order of. What is the same but for rounding is the same: a sum
taken in another order, as the report's page takes it, moves the last digits."""


@dataclass(frozen=True)
class RankedRow:
    """One configuration over its finished seeds, or one baseline."""

    rank: int
    """From 1, best first, baselines included."""
    label: str
    kind: RowGroup
    params: dict[str, Any]
    config_hash: str
    objective: Interval
    seeds: tuple[int, ...]
    """Finished seeds."""
    num_failed: int
    """Seeds that ended without an outcome."""
    num_vibes: int
    """Held-out vibes with a score in every seed."""
    unscored: int
    """Completions that could not be scored, and count nowhere."""
    format: float
    schema: float
    validity: float
    """Share of the completions that are whole contract-valid payloads."""
    rendered: float
    """Share of the completions whose config could be rendered."""
    audio_over_valid: float | None
    """Mean audio component of the rendered completions; None where there is none."""
    difference: Difference | None
    """None for baselines, and where no untrained policy of the same model and prompt was evaluated."""
    tied_with_best: bool
    """Whether it is the best configuration, or cannot be told from it."""
    prospect: Prospect | None = None
    """What it promises among the configurations that can be the best; None for baselines, for infeasible
    configurations beside feasible ones, and where the configurations share fewer than two vibes."""
    changes: tuple[Change, ...] = ()
    """How the configuration changed while it trained; label, params and hash are those it began with."""
    infeasible: tuple[str, ...] = ()
    """Rules of the sweep's sentinels that it breaks; such a configuration ranks below all others."""
    sentinels: tuple[Sentinels, ...] = ()
    """Of its last evaluations, one for each seed."""
    trial_ids: tuple[str, ...] = ()
    """Of its finished seeds, in their order."""
    baseline: RowKind | None = None
    """Which baseline it is; None for a configuration."""


@dataclass(frozen=True)
class Ranking:
    """A sweep's outcome under fixed weights."""

    sweep: str
    objective: ObjectiveConfig
    rows: tuple[RankedRow, ...]
    """Best first."""
    unranked: tuple[Unranked, ...]
    """Configurations without a usable outcome."""
    covers_seeds: bool
    """Whether the trials' intervals cover the variation between training seeds."""
    num_running: int
    """Trials that have not ended."""
    num_stopped: int
    """Trials that the sweep's scheduler stopped; their configurations are not ranked."""
    num_torn_files: int
    scorers: tuple[str, ...]
    """Scorer and renderer of the last evaluations; scores of two kinds cannot be compared."""
    unscored_reasons: tuple[tuple[str, int], ...] = ()
    """Why completions could not be scored, rollouts among them, and how many; the most frequent first."""
    detection: SweepDetection | None = None
    """What differences the sweep could find; None where its noise is not known."""
    noise_can_be_measured: bool = False
    """Whether its noise is not known, but a noise floor was looked for and would tell."""

    @property
    def configurations(self) -> tuple[RankedRow, ...]:
        """The rows of trials, best first."""
        return tuple(row for row in self.rows if row.kind == "trial")

    @property
    def feasible(self) -> tuple[RankedRow, ...]:
        """The configurations that break no rule of the sentinels, best first."""
        return tuple(row for row in self.configurations if not row.infeasible)

    @property
    def num_compared(self) -> int:
        """Configurations compared with their untrained policy, for which intervals are corrected."""
        return sum(row.difference is not None for row in self.rows)


def compute_ranking(
    sweep: Sweep,
    *,
    weights: RewardWeights | None = None,
    noise_floors: tuple[NoiseFloor, ...] | None = None,
) -> Ranking:
    """Rank a sweep's configurations over their seeds, from the ledger alone.

    Args:
        sweep: a stored sweep, finished or not.
        weights: evaluation weights; the sweep's own where not given.
        noise_floors: kept measurements, from which comes what the sweep could detect where one is of its
            model and objective. No order and no interval depends on them. None: they were not looked for.
    """
    objective = sweep.objective
    if weights is not None:
        objective = ObjectiveConfig.model_validate(objective.model_dump() | {"weights": weights})
    rows = sweep.last_evaluations(_COLUMNS)
    evaluations = held_out_evaluations(rows)
    arms, unranked = sort_into_arms(sweep.trials, evaluations)
    trials = [arm for arm in arms if arm.kind == "trial"]
    baselines = [arm for arm in arms if arm.kind == "baseline"]

    # A baseline is not trained: what it varies over is the vibes.
    scores = [objective_cells(arm.cells, objective) for arm in trials]
    of_baselines = [objective_cells(arm.cells.averaged_over_seeds(), objective) for arm in baselines]
    intervals = dict(zip(trials, mean_intervals(scores, confidence=CONFIDENCE), strict=True))
    intervals |= zip(baselines, mean_intervals(of_baselines, confidence=CONFIDENCE), strict=True)
    differences = against_untrained(trials, baselines, objective)
    rules = objective.sentinels
    keys = [key for arm in arms for key in arm.evaluations.keys]
    sentinels = sentinel_rows(rows, keys)
    judged = {arm: judge(arm, sentinels, rules) for arm in arms}
    arms.sort(
        key=lambda arm: (bool(judged[arm].reasons), -round(intervals[arm].mean, DECIMALS), arm.tie_breaker)
    )
    best = next((arm for arm in arms if arm.kind == "trial"), None)
    # Among the infeasible only where there is nothing else.
    peers = [arm for arm in trials if not judged[arm].reasons] or trials
    tied = tied_with_best(best, peers, objective) if best else set()
    promised = prospects(peers, objective)
    detection = sweep_detection(
        trials,
        [arm for arm in arms if arm in peers],
        differences.get(best) if best else None,
        objective,
        noise_floors or (),
    )
    return Ranking(
        sweep=sweep.name,
        objective=objective,
        rows=tuple(
            replace(
                _row(rank, arm, intervals[arm], differences.get(arm), tied=arm in tied),
                prospect=promised.get(arm),
                infeasible=judged[arm].reasons,
                sentinels=judged[arm].sentinels,
            )
            for rank, arm in enumerate(arms, start=1)
        ),
        unranked=tuple(unranked),
        covers_seeds=any(len(arm.seeds) > 1 for arm in trials),
        num_running=sum(trial.result is None for trial in sweep.trials),
        num_stopped=sum(trial.was_stopped for trial in sweep.trials),
        num_torn_files=len(sweep.torn_files),
        scorers=_scorers(rows),
        unscored_reasons=_unscored_reasons(sweep),
        detection=detection,
        # Under other weights than the sweep's, no measurement of its file would be of this objective.
        noise_can_be_measured=bool(trials) and not detection and noise_floors is not None and not weights,
    )


def _row(rank: int, arm: Arm, interval: Interval, difference: Difference | None, *, tied: bool) -> RankedRow:
    cells = arm.cells
    return RankedRow(
        rank=rank,
        label=arm.record.label,
        kind=arm.kind,
        params=arm.record.params,
        config_hash=arm.record.config_hash,
        objective=interval,
        seeds=arm.seeds,
        num_failed=arm.num_failed,
        num_vibes=cells.format.shape[1],
        unscored=int(arm.evaluations.unscored.sum()),
        format=float(cells.format.mean()),
        schema=float(cells.schema.mean()),
        validity=float(cells.valid.mean()),
        rendered=float(cells.rendered.mean()),
        audio_over_valid=cells.audio_over_rendered,
        difference=difference,
        tied_with_best=tied,
        changes=arm.changes,
        trial_ids=tuple(key.trial_id for key in arm.evaluations.keys),
        baseline=None if arm.kind == "trial" else arm.record.kind,
    )


def _unscored_reasons(sweep: Sweep) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(sweep.unscored_reasons().items(), key=lambda entry: (-entry[1], entry[0])))


def _scorers(rows: pa.Table) -> tuple[str, ...]:
    pairs = rows.select(["scorer_id", "renderer_id"]).group_by(["scorer_id", "renderer_id"]).aggregate([])
    return tuple(sorted(f"{pair['scorer_id']} on {pair['renderer_id']}" for pair in pairs.to_pylist()))
