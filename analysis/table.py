"""The ranking as a terminal table that explains itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table
from rich.text import Text

from analysis.summary import objective_formula, plus_minus, short_name, summary, warnings

if TYPE_CHECKING:
    from analysis.ranking import RankedRow, Ranking

__all__ = ["render_ranking"]


def render_ranking(ranking: Ranking) -> Group:
    """The table, what it says, what to mind, and how to read it; fits 80 columns."""
    return Group(
        Text.assemble(
            (f"{ranking.sweep}", "bold"),
            f"  held-out objective = {objective_formula(ranking)}",
            overflow="fold",
        ),
        Text(),
        _table(ranking),
        Text(),
        *(Text(sentence) for sentence in summary(ranking)),
        *(Text(warning, style="yellow") for warning in warnings(ranking)),
        Text(f"\n{_legend(ranking)}", style="dim"),
    )


def _table(ranking: Ranking) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False, pad_edge=False, header_style="bold")
    table.add_column("#", justify="right", no_wrap=True)
    table.add_column("configuration", overflow="fold")
    for header in ("objective", "vs untrained", "best", "valid", "audio", "seeds"):
        table.add_column(header, justify="right", no_wrap=True)
    best = next(iter(ranking.configurations), None)
    for row in ranking.rows:
        style = "dim italic" if row.kind == "baseline" else "bold" if row is best else ""
        table.add_row(*_cells(row, tied=row.tied_with_best and row is not best), style=style)
    return table


def _cells(row: RankedRow, *, tied: bool) -> tuple[Text, ...]:
    difference = Text("")
    if row.difference:
        total = row.difference.total
        color = ("green" if total.mean > 0 else "red") if total.excludes_zero else ""
        difference = Text(plus_minus(total, signed=True), style=color)
    of_started = f"/{len(row.seeds) + row.num_failed}" if row.num_failed else ""
    return (
        Text(f"{'!' if row.infeasible else '≈' if tied else ''}{row.rank}"),
        Text(short_name(row)),
        Text(plus_minus(row.objective)),
        difference,
        Text(f"{row.prospect.probability:.0%}" if row.prospect else ""),
        Text(f"{row.validity:.0%}"),
        Text("none" if row.audio_over_valid is None else f"{row.audio_over_valid:.3f}"),
        Text("" if row.kind == "baseline" else f"{len(row.seeds)}{of_started}"),
    )


def _legend(ranking: Ranking) -> str:
    """How to read the columns."""
    at_once = f"; all {ranking.num_compared} hold at once" if ranking.num_compared > 1 else ""
    marked = " !: infeasible, its score is not to be trusted." if _any_infeasible(ranking) else ""
    baselines = {row.baseline for row in ranking.rows}
    started = " (the SFT policy where trials began with one)" if "sft_policy" in baselines else ""
    retrieved = "" if "retrieval" in baselines else " Without a baseline of the nearest vibe's config."
    return (
        "objective: mean over held-out vibes and training seeds. ±: half of its 95 % interval. vs untrained: "
        f"difference to the policy before training{started}, paired by vibe{at_once}. best: probability of "
        "being the best configuration. ≈: cannot be told from the best. valid: share of the completions that "
        "keep the whole contract. audio: mean CLAP score of the completions that can be rendered; in the "
        "objective "
        f"the others count as {ranking.objective.audio_floor:g}. seeds: finished training seeds."
        f"{marked}{retrieved}"
    )


def _any_infeasible(ranking: Ranking) -> bool:
    return len(ranking.feasible) < len(ranking.configurations)
