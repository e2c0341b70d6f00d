"""Put together what the report's page holds, from a stored sweep and its ranking."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING

from analysis.figures import FIGURES
from analysis.report.data import Chart, Fact, ReportData
from analysis.report.inert import inert_weights
from analysis.report.origin import commands, provenance, settings_of_the_best, sweep_file
from analysis.report.rows import leaderboard_rows
from analysis.report.samples import MAX_CONFIGURATIONS, Shown, collect_samples
from analysis.summary import objective_formula, plus_minus, short_name, summary, warnings

if TYPE_CHECKING:
    from analysis.ranking import Ranking
    from analysis.sweep import Sweep

__all__ = ["report_data"]


def report_data(
    sweep: Sweep, ranking: Ranking, place: str, *, audio: bool = True
) -> tuple[ReportData, dict[str, str]]:
    """What the page shows, and the sounds that it plays.

    Args:
        sweep: a stored sweep, finished or not.
        ranking: of that sweep, under its own weights.
        place: where it lies, as one would type it.
        audio: whether the sounds come along.

    Returns:
        The page's data, and key to the MP3 file in base64.
    """
    rows = leaderboard_rows(sweep, ranking)
    ids = {id(ranked): row.id for ranked, row in zip(ranking.rows, rows, strict=True)}
    top = ranking.configurations[:MAX_CONFIGURATIONS]
    baselines = [row for row in ranking.rows if row.kind == "baseline"]
    samples = collect_samples(
        sweep,
        [Shown(ids[id(row)], short_name(row), row) for row in (*top, *baselines)],
        num_left_out=len(ranking.configurations) - len(top),
        audio=audio,
    )
    data = ReportData(
        sweep=sweep.name,
        formula=objective_formula(ranking),
        weights=ranking.objective.weights.as_tuple(),
        command=f"vibesweep rank {shlex.quote(place)}",
        facts=_facts(ranking),
        summary=tuple(summary(ranking)),
        warnings=(*warnings(ranking), *inert_weights(sweep)),
        rows=rows,
        num_compared=ranking.num_compared,
        settings=settings_of_the_best(sweep, ranking, ids),
        vibes=samples.vibes,
        samples_note=samples.note,
        charts=_charts(sweep, ranking),
        sweep_file=sweep_file(sweep),
        reproduce=commands(sweep),
        provenance=provenance(sweep, ranking),
    )
    return data, samples.clips


def _facts(ranking: Ranking) -> tuple[Fact, ...]:
    """The best configuration in a few numbers; nothing where nothing is ranked."""
    best = next(iter(ranking.configurations), None)
    if best is None:
        return ()
    seeds, vibes = len(best.seeds), best.num_vibes
    facts = [
        Fact(
            name="best objective",
            value=plus_minus(best.objective),
            note=f"{short_name(best)}; {seeds} seed{'s' * (seeds != 1)}, {vibes} held-out vibes",
        )
    ]
    if best.difference:
        total = best.difference.total
        verdict = "more than noise" if total.excludes_zero else "noise could explain it"
        facts.append(
            Fact(name="against the untrained policy", value=plus_minus(total, signed=True), note=verdict)
        )
    compared = sum(row.prospect is not None for row in ranking.configurations)
    if best.prospect and compared > 1:
        facts.append(
            Fact(
                name="probability of being best",
                value=f"{100 * best.prospect.probability:.0f} %",
                note=f"of {compared}; picked blindly it would be {100 / compared:.0f} %",
            )
        )
    tied = sum(row.tied_with_best for row in ranking.configurations)
    facts.append(
        Fact(
            name="cannot be told from the best" if tied > 1 else "clearly best",
            value=f"{tied} of {len(ranking.configurations)}",
            note="more seeds or vibes would tell" if tied > 1 else "ahead of the others by more than noise",
        )
    )
    return tuple(facts)


def _charts(sweep: Sweep, ranking: Ranking) -> tuple[Chart, ...]:
    charts = []
    for figure in FIGURES:
        drawn, answer = figure.draw(sweep, ranking), figure.answer(sweep, ranking)
        content = None
        if drawn is not None:
            content = json.loads(drawn.to_json())
            # The page has a title and a look of its own, light and dark.
            for own in ("template", "title"):
                content["layout"].pop(own, None)
        if content or answer:
            charts.append(
                Chart(name=figure.name, title=figure.title, says=figure.says, answer=answer, figure=content)
            )
    return tuple(charts)
