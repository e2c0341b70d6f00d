"""What settings do as a terminal table in plain words, and as JSON: `vibesweep importance DIR`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table
from rich.text import Text

from analysis.summary import plus_minus, short_setting

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analysis.effects import Effects
    from analysis.importance import Share
    from analysis.response import ResponseCurve

__all__ = ["effects_json", "render_effects"]


def render_effects(effects: Effects) -> Group:
    """Tables of importance, pairs and response, and how to read them."""
    importances, pairs = effects.importances, effects.interactions
    parts: list[Text | Table] = [
        Text.assemble((effects.sweep, "bold"), f"  {importances.num_configurations} configurations"),
        Text(),
    ]
    if importances.not_told:
        parts.append(Text(f"Importance is not told: {importances.not_told}.", style="yellow"))
    else:
        parts += [
            _shares(
                "setting",
                [(short_setting(one.path), (one.fanova, one.ped_anova)) for one in importances.settings],
                ("variance (fANOVA)", "being among the best (PED-ANOVA)"),
            ),
            Text(
                f"Noise alone makes up {importances.noise_share:.0%} of the variance between the "
                "configurations.",
            ),
        ]
    if pairs.pairs:
        named = [
            (f"{short_setting(one.first)} and {short_setting(one.second)}", (one.share,))
            for one in pairs.pairs
        ]
        parts += [Text(), _shares("pair", named, ("variance only as a pair",))]
    elif not importances.not_told:
        parts.append(Text(f"Pairs are not told: {pairs.not_told}.", style="yellow"))
    for curve in effects.responses:
        parts += [Text(), _response(curve)]
    if not importances.not_told:
        parts.append(
            Text(
                "\nvariance: share of the objective's variance that the setting explains by itself. In "
                "brackets: 95 % interval. chance: what a setting without any effect reaches 1 time in 20; "
                "✓ marks what is above it.",
                style="dim",
            )
        )
    return Group(*parts)


def _shares(head: str, named: Sequence[tuple[str, Sequence[Share | None]]], kinds: tuple[str, ...]) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=(0, 2, 0, 0), show_edge=False, pad_edge=False, header_style="bold")
    table.add_column(head, overflow="fold")
    for kind in kinds:
        table.add_column(kind, justify="right")
        table.add_column("chance", justify="right")
    for name, shares in named:
        cells = [cell for share in shares for cell in _cells(share)]
        table.add_row(name, *cells)
    return table


def _cells(share: Share | None) -> tuple[str, str]:
    if share is None:
        return "not told", ""
    mark = "✓ " if share.is_told else ""
    return f"{mark}{share.value:.0%} ({share.low:.0%} to {share.high:.0%})", f"{share.by_chance:.0%}"


def _response(curve: ResponseCurve) -> Table:
    basis = "all else equal" if curve.basis == "matched" else "averaged over the other settings"
    table = Table(box=SIMPLE_HEAD, padding=(0, 2, 0, 0), show_edge=False, pad_edge=False, header_style="bold")
    table.add_column(f"{short_setting(curve.path)} ({basis})", overflow="fold")
    table.add_column("objective", justify="right")
    table.add_column("configurations", justify="right")
    for level in curve.levels:
        table.add_row(level.label, plus_minus(level.objective), str(level.num_configurations))
    return table


def effects_json(effects: Effects) -> dict[str, Any]:
    """The same as plain data. Keys are a contract: more may come, none goes. What is not told is null."""
    importances, pairs = effects.importances, effects.interactions
    return {
        "sweep": effects.sweep,
        "num_configurations": importances.num_configurations,
        "noise_share": importances.noise_share,
        "importance_not_told": importances.not_told,
        "settings": [
            {"path": one.path, "fanova": _share(one.fanova), "ped_anova": _share(one.ped_anova)}
            for one in importances.settings
        ],
        "interactions_not_told": pairs.not_told,
        "interactions": [
            {"first": one.first, "second": one.second, "share": _share(one.share)} for one in pairs.pairs
        ],
        "responses": [
            {
                "path": curve.path,
                "basis": curve.basis,
                "levels": [
                    {"value": level.value, "label": level.label, **level.objective._asdict(),
                     "num_configurations": level.num_configurations}
                    for level in curve.levels
                ],
            }
            for curve in effects.responses
        ],
    }  # fmt: skip


def _share(share: Share | None) -> dict[str, Any] | None:
    return None if share is None else share._asdict() | {"is_told": share.is_told}
