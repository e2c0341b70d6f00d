"""The ranking as JSON for scripts: `vibesweep rank DIR --json`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from analysis.intervals import CONFIDENCE
from analysis.summary import summary, warnings
from common.reward_config import COMPONENTS

if TYPE_CHECKING:
    from analysis.detection import SweepDetection
    from analysis.intervals import Interval
    from analysis.ranking import RankedRow, Ranking

__all__ = ["ranking_json"]


def ranking_json(ranking: Ranking) -> dict[str, Any]:
    """The ranking as plain data. Keys are a contract: more may come, none goes.

    `baseline` says which one a row of that kind is (`common.ledger.RowKind`).
    `diff_…` compares a trial with what it was trained from, paired by vibe and sample; `low` and `high` are
    corrected for the number of configurations compared, those that end in `_single` are not. The validity
    part and the audio part make up `diff_mean`. `p_best` is the probability that a configuration is the best
    one, and `expected` its mean, corrected for having been picked (docs/statistics.md). A value that does not
    exist is null. `infeasible` lists the sentinels' rules that a configuration breaks; such rows come last,
    whatever their objective. A row with a `lineage` changed while it trained: its label, params and hash are
    those it began with, and `params_after` of the last entry are those it ended with. `smallest_detectable`
    is what the sweep finds four times in five; it more often misses a true difference as small as a lead that
    `is_below` that.
    """
    return {
        "sweep": ranking.sweep,
        "objective": ranking.objective.metric,
        "weights": dict(zip(COMPONENTS, ranking.objective.weights.as_tuple(), strict=True)),
        "audio_floor": ranking.objective.audio_floor,
        "confidence": CONFIDENCE,
        "num_compared": ranking.num_compared,
        "covers_seeds": ranking.covers_seeds,
        "rows": [_row(row) for row in ranking.rows],
        "best_vs_untrained": _best_vs_untrained(ranking),
        "smallest_detectable": _detection(ranking.detection),
        "num_stopped": ranking.num_stopped,
        "unscored_reasons": dict(ranking.unscored_reasons),
        "unranked": [entry._asdict() for entry in ranking.unranked],
        "summary": summary(ranking),
        "warnings": warnings(ranking),
    }


def _best_vs_untrained(ranking: Ranking) -> dict[str, Any] | None:
    """The best configuration's difference; null where there is none."""
    best = next(iter(ranking.configurations), None)
    if best is None or best.difference is None:
        return None
    return {
        "label": best.label,
        "config_hash": best.config_hash,
        "beyond_noise": best.difference.total.excludes_zero,
        **_difference(best),
    }


def _detection(found: SweepDetection | None) -> dict[str, Any] | None:
    """What the sweep could find; null where its noise is not known."""
    if found is None:
        return None
    leads = {"over_runner_up": found.over_runner_up, "over_untrained": found.over_untrained}
    return found._asdict() | {
        name: None if lead is None else lead._asdict() | {"is_below": lead.is_below}
        for name, lead in leads.items()
    }


def _row(row: RankedRow) -> dict[str, Any]:
    return {
        "rank": row.rank,
        "label": row.label,
        "kind": row.kind,
        "params": row.params,
        **row.objective._asdict(),
        "num_seeds": len(row.seeds),
        "seeds": list(row.seeds),
        "num_failed": row.num_failed,
        "num_vibes": row.num_vibes,
        "unscored": row.unscored,
        "format": row.format,
        "schema": row.schema,
        "validity": row.validity,
        "rendered": row.rendered,
        "audio_over_valid": row.audio_over_valid,
        "tied_with_best": row.tied_with_best,
        "p_best": row.prospect.probability if row.prospect else None,
        "expected": row.prospect.expected if row.prospect else None,
        "infeasible": list(row.infeasible),
        "sentinels": [
            one._asdict() | {"seed": seed} for seed, one in zip(row.seeds, row.sentinels, strict=True)
        ],
        "config_hash": row.config_hash,
        "baseline": row.baseline,
        "lineage": [change.model_dump(mode="json", exclude={"config"}) for change in row.changes],
        **_difference(row),
    }


def _difference(row: RankedRow) -> dict[str, Any]:
    """The paired difference as flat keys; null for a row that has none."""
    difference = row.difference
    intervals: dict[str, Interval | None] = {
        "diff": difference.total if difference else None,
        "diff_validity_part": difference.validity if difference else None,
        "diff_audio_part": difference.audio if difference else None,
        "diff_audio_over_valid": difference.audio_over_valid if difference else None,
    }
    flat = {
        f"{name}_{end}": getattr(interval, end) if interval else None
        for name, interval in intervals.items()
        for end in ("mean", "low", "high")
    }
    return flat | {
        "diff_low_single": difference.single.low if difference else None,
        "diff_high_single": difference.single.high if difference else None,
    }
