"""What the report's page holds, as typed data; the page's scripts read the same as JSON."""

from __future__ import annotations

from typing import Any

from analysis.report.moments import Moments
from common.model import FrozenModel

__all__ = ["Chart", "Estimate", "Fact", "ReportData", "Row", "Setting", "Take", "Vibe"]


class Estimate(FrozenModel):
    """A mean with its 95 % interval."""

    mean: float
    low: float
    high: float


class Row(FrozenModel):
    """A row of the leaderboard."""

    id: str
    """`r` and its place in the order of those that are equal."""
    tie_order: int
    """Where it stands among rows of the same objective."""
    rank: int
    name: str
    is_trial: bool
    is_best: bool
    """The best configuration, baselines aside."""
    tied: bool
    """Cannot be told from the best configuration; also true of that one."""
    infeasible: tuple[str, ...]
    """Rules of the sentinels that it breaks; such a row stands below all others."""
    objective: Estimate
    objective_moments: Moments
    difference: Estimate | None
    """To the untrained policy, paired; None where there is none."""
    difference_moments: Moments | None
    probability: float | None
    """That it is the best."""
    expected: float | None
    """Its objective, corrected for having been picked."""
    validity: float
    audio: float | None
    """Mean audio component of what can be rendered."""
    num_seeds: int
    num_failed: int
    num_unscored: int


class Setting(FrozenModel):
    """A top configuration as `--config-file` takes it."""

    row: str
    """Id of its row."""
    rank: int
    name: str
    params: dict[str, str]
    """What was searched: dotted path to value."""
    changed: bool
    """Whether it changed while it trained; then these are the settings that it ended with."""
    json_text: str
    file_name: str


class Take(FrozenModel):
    """What one configuration or baseline wrote for a vibe."""

    row: str
    name: str
    seed: int | None
    """None for a baseline."""
    title: str | None
    """As the payload has it; None where the completion is no such object."""
    palettes: tuple[tuple[str, ...], ...]
    """Colors of the payload that are colors, such as `#0746f3`."""
    text: str
    """The completion, laid out where it is JSON."""
    is_cut: bool
    """Whether the page leaves the end of the text out."""
    format: float | None
    schema_: float | None
    audio: float | None
    unscored: str | None
    clip: str | None
    """Key of its sound in the page; None where it has none."""


class Vibe(FrozenModel):
    """A held-out vibe and what was written for it."""

    prompt_id: str
    text: str
    takes: tuple[Take, ...]


class Chart(FrozenModel):
    """A plotly figure, with what it comes to in this sweep; or why there is none."""

    name: str
    title: str
    says: str
    """How to read it."""
    answer: str | None
    figure: dict[str, Any] | None
    """`data` and `layout` of plotly; None where nothing is drawn, and the answer says why."""


class Fact(FrozenModel):
    """One of the few numbers at the top."""

    name: str
    value: str
    note: str


class ReportData(FrozenModel):
    """The whole page but its sounds."""

    sweep: str
    formula: str
    weights: tuple[float, float, float]
    """The sweep's own, in the order of COMPONENTS."""
    command: str
    """`vibesweep rank DIR`, as one would type it."""
    facts: tuple[Fact, ...]
    summary: tuple[str, ...]
    warnings: tuple[str, ...]
    rows: tuple[Row, ...]
    num_compared: int
    settings: tuple[Setting, ...]
    vibes: tuple[Vibe, ...]
    samples_note: str
    """What of the completions and sounds is not in the page, and why; empty where nothing is left out."""
    charts: tuple[Chart, ...]
    sweep_file: str
    """YAML that `sweep run` takes."""
    reproduce: tuple[str, ...]
    """Commands, in their order."""
    provenance: dict[str, str]
    """Versions, revision, hashes: name to value."""
