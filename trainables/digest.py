"""Completions of the held-out vibes scored, written into the ledger and summed up; without torch."""

from __future__ import annotations

import math
import time
from statistics import fmean
from typing import TYPE_CHECKING, NamedTuple

from common.errors import TrialError
from common.objective import objective_value
from common.sentinel_rules import broken_rules
from common.sentinels import SentinelRow, Sentinels, sentinels_of
from trainables.workers import first_does

if TYPE_CHECKING:
    from collections.abc import Sequence

    from common.ledger import LedgerRow, Split
    from common.objective import ObjectiveConfig
    from rewards.scorer import Scorer
    from trainables.ledger_writer import Completion, LedgerWriter

__all__ = ["Evaluation", "score_beside", "score_held_out", "summarize"]


class Evaluation(NamedTuple):
    """The digest of one evaluation."""

    objective: float
    """Mean over the scored completions, under the sweep's fixed weights."""
    format: float
    """Mean format component."""
    schema: float
    """Mean schema component."""
    validity: float
    """Share of the scored completions with format 1 and schema 1."""
    audio_over_valid: float | None
    """Mean audio component of the completions whose config can be rendered; None where none can."""
    unscored_share: float
    sentinels: Sentinels
    infeasible: tuple[str, ...]
    """Rules of the sentinels that it breaks."""
    greedy_objective: float | None = None
    """The objective of the greedy completions, which counts for nothing; None where none is asked for or
    could be scored."""
    constrained_objective: float | None = None
    """The same of the completions that were held to the contract's schema."""


def score_held_out(
    completions: Sequence[Completion],
    objective: ObjectiveConfig,
    scorer: Scorer,
    ledger: LedgerWriter,
    step: int,
) -> Evaluation:
    """Score completions of the held-out vibes, write them into the ledger, and digest them.

    Raises:
        TrialError: too many completions could not be scored, or the objective is not finite.
    """

    def score() -> Evaluation:
        rows = _scored(completions, "held_out", scorer, ledger, step)
        ledger.write_held_out(step, rows)
        return summarize(rows, objective)

    return first_does(score)


def score_beside(
    completions: Sequence[Completion],
    split: Split,
    objective: ObjectiveConfig,
    scorer: Scorer,
    ledger: LedgerWriter,
    *,
    step: int,
) -> float | None:
    """Score another decoding of an evaluation and write it into the ledger.

    Returns:
        The objective of what could be scored; None where nothing could.
    """

    def score() -> float | None:
        rows = _scored(completions, split, scorer, ledger, step)
        ledger.write_beside(split, step, rows)
        values = _objective_values(rows, objective)
        return fmean(values) if values else None

    return first_does(score)


def _scored(
    completions: Sequence[Completion], split: Split, scorer: Scorer, ledger: LedgerWriter, step: int
) -> list[LedgerRow]:
    started = time.perf_counter()
    components = scorer.score([c.vibe for c in completions], [c.text for c in completions])
    seconds = time.perf_counter() - started
    return ledger.rows(split, step, completions, components, score_s=seconds, scorer=scorer)


def _objective_values(rows: Sequence[LedgerRow], objective: ObjectiveConfig) -> list[float]:
    """The objective of each scored row."""
    return [
        objective_value(row.format, row.schema, row.audio, objective)
        for row in rows
        if row.unscored_reason is None and row.format is not None and row.schema is not None
    ]


def summarize(rows: Sequence[LedgerRow], objective: ObjectiveConfig) -> Evaluation:
    """The digest of one evaluation's rows; unscored ones are left out of every mean, and counted.

    Raises:
        TrialError: too many completions could not be scored, or the objective is not finite.
    """
    scored = [(row.format, row.schema, row.audio) for row in rows if row.unscored_reason is None]
    unscored = [row.unscored_reason for row in rows if row.unscored_reason is not None]
    share = len(unscored) / len(rows)
    if not (scored and share <= objective.max_unscored_share):
        raise TrialError(
            f"step {rows[0].step}: {len(unscored)} of {len(rows)} held-out completions are unscored, more "
            f"than objective.max_unscored_share {objective.max_unscored_share}; first reason: {unscored[0]}"
        )
    formats, schemas, heard = [], [], []
    for form, schema, audio in scored:
        assert form is not None
        assert schema is not None
        formats.append(form)
        schemas.append(schema)
        if audio is not None:
            heard.append(audio)
    objective_mean = fmean(_objective_values(rows, objective))
    if not math.isfinite(objective_mean):
        raise TrialError(
            f"step {rows[0].step}: the held-out objective is {objective_mean}; a component is not finite"
        )
    sentinels = sentinels_of(
        [SentinelRow(*(getattr(row, name) for name in SentinelRow._fields)) for row in rows],
        objective.sentinels,
    )
    return Evaluation(
        objective=objective_mean,
        format=fmean(formats),
        schema=fmean(schemas),
        validity=sum(f == 1 and s == 1 for f, s in zip(formats, schemas, strict=True)) / len(scored),
        audio_over_valid=fmean(heard) if heard else None,
        unscored_share=share,
        sentinels=sentinels,
        infeasible=broken_rules(sentinels, objective.sentinels),
    )
