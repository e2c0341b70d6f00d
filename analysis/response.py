"""How the objective answers to one setting, with 95 % intervals.

Where configurations agree in everything but the setting, as in a grid or with one axis at a time, its values
are compared within such groups, so that nothing else stands between them (`matched`). Elsewhere the mean is
over all configurations with a value near it, whatever else they have (`averaged`).
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from analysis.intervals import CONFIDENCE, Interval, SeedNoise, mean_interval

if TYPE_CHECKING:
    from analysis.outcomes import Outcomes, VariedSetting

__all__ = ["ResponseCurve", "ResponseLevel", "compute_responses"]

_MAX_LEVELS: Final = 8
"""Numbers with more distinct values are put into bins."""
_BINS: Final = 5


@dataclass(frozen=True)
class ResponseLevel:
    """One value of a setting, or a bin of values."""

    value: Any
    """The value; of a bin, its middle (the median of its configurations')."""
    label: str
    objective: Interval
    num_configurations: int


@dataclass(frozen=True)
class ResponseCurve:
    """The objective along one setting."""

    path: str
    is_number: bool
    is_log: bool
    basis: Literal["matched", "averaged"]
    """Whether only this setting differs between the levels, or others do too."""
    is_binned: bool
    """Whether a level is a bin of values."""
    levels: tuple[ResponseLevel, ...]


def compute_responses(outcomes: Outcomes) -> list[ResponseCurve]:
    """The curve of every setting that varied, in the order of the sweep's axes."""
    return [_curve(outcomes, setting) for setting in outcomes.settings]


def _curve(outcomes: Outcomes, setting: VariedSetting) -> ResponseCurve:
    levels, groups = _matched(outcomes, setting)
    if groups:
        members = [[group[level] for group in groups] for level in levels]
        intervals = [_over_seeds_and_vibes(outcomes, ks) for ks in members]
        named = [(level, _text(level)) for level in levels]
        return _assembled(setting, "matched", named, intervals, members)
    members, named = _binned(setting)
    intervals = [_over_configurations(outcomes, ks) for ks in members]
    return _assembled(setting, "averaged", named, intervals, members)


def _assembled(
    setting: VariedSetting,
    basis: Literal["matched", "averaged"],
    named: list[tuple[Any, str]],
    intervals: list[Interval],
    members: list[list[int]],
) -> ResponseCurve:
    levels = tuple(
        ResponseLevel(value, label, interval, len(ks))
        for (value, label), interval, ks in zip(named, intervals, members, strict=True)
    )
    is_binned = len(setting.levels) > len(levels)
    return ResponseCurve(setting.path, setting.is_number, setting.is_log, basis, is_binned, levels)


def _matched(outcomes: Outcomes, setting: VariedSetting) -> tuple[tuple[Any, ...], list[dict[Any, int]]]:
    """The setting's values, and the groups of configurations that have each of them and differ in no more.

    A group that lacks a value is left out, and would shift its mean otherwise. Nothing where no group has
    all values.
    """
    others = [other for other in outcomes.settings if other is not setting]
    groups: dict[tuple[Any, ...], dict[Any, int]] = defaultdict(dict)
    for k, value in enumerate(setting.values):
        groups[tuple(other.values[k] for other in others)].setdefault(value, k)
    whole = [group for group in groups.values() if len(group) == len(setting.levels)]
    return (setting.levels, whole) if len(setting.levels) <= _MAX_LEVELS else (setting.levels, [])


def _binned(setting: VariedSetting) -> tuple[list[list[int]], list[tuple[Any, str]]]:
    """Configurations by value, or by bins of about as many where the values are many."""
    if len(setting.levels) <= _MAX_LEVELS or not setting.is_number:
        by_value = [[k for k, v in enumerate(setting.values) if v == level] for level in setting.levels]
        return by_value, [(level, _text(level)) for level in setting.levels]
    edges = np.quantile(setting.encoded, np.linspace(0, 1, _BINS + 1)[1:-1])
    index = np.searchsorted(edges, setting.encoded, side="right")
    bins = [np.flatnonzero(index == b).tolist() for b in range(_BINS)]
    bins = [ks for ks in bins if ks]
    named = []
    for ks in bins:
        values = sorted(setting.values[k] for k in ks)
        named.append((values[len(values) // 2], f"{_text(values[0])} to {_text(values[-1])}"))
    return bins, named


def _over_seeds_and_vibes(outcomes: Outcomes, ks: list[int]) -> Interval:
    """The mean of these very configurations over other seeds and vibes."""
    by_vibe = np.mean([outcomes.scores[k].mean(0) for k in ks], axis=0)
    noise = [outcomes.noise[k] for k in ks]
    both = SeedNoise(
        sum(one.seeds for one in noise) / len(ks) ** 2,
        sum(one.rest for one in noise) / len(ks) ** 2,
        noise[0].df,
    )
    return mean_interval(by_vibe, confidence=CONFIDENCE, noise=both)


def _over_configurations(outcomes: Outcomes, ks: list[int]) -> Interval:
    """The mean over configurations that were drawn, as others would have been; of one: as above."""
    if len(ks) < 2:
        return _over_seeds_and_vibes(outcomes, ks)
    return mean_interval(outcomes.means[ks], confidence=CONFIDENCE)


def _text(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
