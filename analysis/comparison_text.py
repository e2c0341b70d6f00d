"""A comparison of sweeps in plain words, and as JSON: `vibesweep compare DIR DIR…`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from analysis.intervals import CONFIDENCE
from analysis.summary import plus_minus, short_label

if TYPE_CHECKING:
    from analysis.compare import Comparison, PairedConfiguration
    from analysis.protocol import SweepDifference

__all__ = ["comparison_json", "comparison_text"]

_MAX_SHOWN: Final = 12
"""Lines of one list; JSON has them all."""
_LONGEST: Final = 60
"""Characters of a value that are shown."""


def comparison_text(comparison: Comparison) -> list[str]:
    """Lines to print: whether the scores can be compared, how they compare, and what differs."""
    first, second = comparison.names
    lines = [f"{second} against {first}", ""]
    if comparison.incomparable:
        lines.append(
            "Their scores cannot be compared, because they were not evaluated alike. They differ in:"
        )
        lines += [f"  {reason}" for reason in comparison.incomparable]
    else:
        lines += _scores(comparison)
    lines += ["", *_differences(comparison)]
    return lines


def _scores(comparison: Comparison) -> list[str]:
    first, second = comparison.names
    lines = [
        "Evaluated alike: every difference is paired by vibe and decoding seed, and ± is half of its 95 % "
        "interval."
    ]
    if comparison.best is None:
        return [*lines, "There is nothing to compare: one of them has no ranked configuration yet."]
    best = comparison.best
    lines += [
        "",
        f"Best against best: {_difference(best)}.",
        f"  {second}: {short_label(best.second)} ({_seeds(best.seeds[1])})",
        f"  {first}: {short_label(best.first)} ({_seeds(best.seeds[0])})",
    ]
    if comparison.probability:
        mine, theirs = comparison.probability
        lines.append(
            f"The best of all configurations is in {first} with probability {mine:.2f}, in {second} with "
            f"{theirs:.2f}."
        )
    if num := sum(comparison.num_infeasible):
        lines.append(
            f"Left out of these: configurations that the sentinels mark, {num} in all; `vibesweep rank` says "
            "why."
        )
    if not comparison.same:
        return [*lines, "", "No configuration finished in both."]
    lines += ["", "The same configuration in both:"]
    lines += [f"  {short_label(pair.first)}: {_difference(pair)}" for pair in comparison.same[:_MAX_SHOWN]]
    lines += _more(len(comparison.same))
    if moved := [pair for pair in comparison.same if pair.difference.excludes_zero]:
        lines.append(
            f"{len(moved)} of {len(comparison.same)} moved by more than noise; of configurations that are "
            "equal in both, 1 in 20 would."
        )
    else:
        lines.append("None of them moved by more than noise.")
    return lines


def _difference(pair: PairedConfiguration) -> str:
    if pair.is_identical:
        return f"identical, to the last digit, on {pair.num_vibes} vibes"
    verdict = "more than noise" if pair.difference.excludes_zero else "which noise could explain"
    return f"{plus_minus(pair.difference, signed=True)} on {pair.num_vibes} vibes, {verdict}"


def _differences(comparison: Comparison) -> list[str]:
    if not comparison.differences:
        return ["Nothing else differs: the same settings, data and versions."]
    first, second = comparison.names
    lines = [f"What else differs ({first} → {second}):"]
    lines += [f"  {_one(entry)}" for entry in comparison.differences[:_MAX_SHOWN]]
    return lines + _more(len(comparison.differences))


def _one(entry: SweepDifference) -> str:
    return f"{entry.what}: {_short(entry.first)} → {_short(entry.second)}"


def _short(value: Any) -> str:
    text = "none" if value is None else str(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _more(count: int) -> list[str]:
    return [f"  … and {count - _MAX_SHOWN} more (--json has them all)"] if count > _MAX_SHOWN else []


def _seeds(number: int) -> str:
    return "1 seed" if number == 1 else f"{number} seeds"


def comparison_json(comparison: Comparison) -> dict[str, Any]:
    """The comparison as plain data. Keys are a contract: more may come, none goes.

    `diff_…` is the second sweep's objective less the first's. What cannot be told is null.
    """
    return {
        "first": comparison.names[0],
        "second": comparison.names[1],
        "confidence": CONFIDENCE,
        "incomparable": list(comparison.incomparable),
        "best": _pair(comparison.best) if comparison.best else None,
        "p_best_in_first": comparison.probability[0] if comparison.probability else None,
        "p_best_in_second": comparison.probability[1] if comparison.probability else None,
        "same": [_pair(pair) for pair in comparison.same],
        "num_only_in_first": comparison.num_only[0],
        "num_only_in_second": comparison.num_only[1],
        "num_infeasible_in_first": comparison.num_infeasible[0],
        "num_infeasible_in_second": comparison.num_infeasible[1],
        "differences": [entry._asdict() for entry in comparison.differences],
    }


def _pair(pair: PairedConfiguration) -> dict[str, Any]:
    return {
        "first": pair.first,
        "second": pair.second,
        **{f"diff_{name}": value for name, value in pair.difference._asdict().items()},
        "beyond_noise": pair.difference.excludes_zero,
        "num_vibes": pair.num_vibes,
        "seeds_first": pair.seeds[0],
        "seeds_second": pair.seeds[1],
        "is_identical": pair.is_identical,
    }
