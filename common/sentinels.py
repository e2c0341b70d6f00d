"""Sentinels: measures of one evaluation that stay put when a policy learns music, and move when it cheats.

CLAP is a weak proxy of taste, and whoever optimizes it finds its holes: one config that pleases it whatever
the vibe, noise, silence, overdriven sound. A sentinel is a property of a whole evaluation, computed from the
ledger's rows in an order of its own, so that it does not depend on how they were scored.
"""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from statistics import correlation, fmean, stdev
from typing import TYPE_CHECKING, Annotated, NamedTuple

from pydantic import Field

from common.model import FrozenModel
from common.music_schema import CONFIG_LABELS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from common.ledger import LedgerRow

__all__ = [
    "Gains",
    "SentinelConfig",
    "SentinelRow",
    "Sentinels",
    "gains_of",
    "sentinels_of",
]

Share = Annotated[float, Field(ge=0, le=1)]


class SentinelConfig(FrozenModel):
    """What an evaluation must keep to be feasible. None switches a rule off."""

    min_heard: Annotated[int, Field(ge=2)] = 12
    """Rendered completions below which nothing is judged: so few say too little."""
    vibe_margin_errors: Annotated[float, Field(ge=0)] | None = 1.0
    """Standard errors by which sound must be closer to its own vibe than to the others: the noise floor of
    that very evaluation. One config for every vibe has a margin of exactly 0 and never passes; random
    configs pass one time in six. More would catch more of these, and honest policies on few vibes: the
    untrained tiny policy has a margin of 2.3 errors on 48 vibes."""
    min_distinct_share: Share | None = 0.25
    """Least share of distinct configs among those rendered."""
    silent_below_db: float = -60.0
    """RMS of a clip in dB of full scale below which it is silent; the renderer contract's."""
    clipped_above: Share = 0.01
    """Share of samples at full scale above which a clip is clipped."""
    noise_above: Share = 0.5
    """Spectral flatness above which a clip is noise."""
    max_bad_sound_share: Share | None = 0.05
    """Largest share of rendered completions that are silent, clipped or noise."""
    stop: bool = False
    """End a trial, as failed, at the first evaluation after its start that is not feasible."""


class SentinelRow(NamedTuple):
    """What the sentinels need of one ledger row."""

    prompt_id: str
    similarity: float | None
    mismatched: float | None
    level_db: float | None
    clipped: float | None
    flatness: float | None
    music_config: str | None
    eval_clap_similarity: float | None = None


class Sentinels(NamedTuple):
    """The sentinels of one evaluation; None where nothing was rendered, or its scorer does not say."""

    num_heard: int
    """Rendered completions whose scorer said what it heard."""
    vibe_margin: float | None
    """Mean cosine of a sound and its vibe, less that of the sound and the other vibes."""
    vibe_margin_error: float | None
    """Standard error of the margin over the vibes."""
    distinct_share: float | None
    """Share of distinct configs among those rendered."""
    silent_share: float | None
    clipped_share: float | None
    noise_share: float | None
    eval_clap_similarity: float | None
    """Mean cosine of a sound and its vibe, as the second checkpoint hears them."""
    eval_clap_correlation: float | None
    """Pearson correlation over the completions of what the scorer and the second checkpoint hear: how far
    they agree on which sounds fit. None where one of them hears all alike."""
    field_entropy: Mapping[str, float]
    """Config field to the entropy of its labels in the rendered configs, as a share of the largest that so
    many labels and configs could have: 0 where all are the same."""

    @property
    def mean_entropy(self) -> float | None:
        """Mean over the fields."""
        return fmean(self.field_entropy.values()) if self.field_entropy else None


def sentinels_of(rows: Iterable[SentinelRow], config: SentinelConfig) -> Sentinels:
    """The sentinels of one evaluation.

    Args:
        rows: its rows, in any order.
        config: what counts as silent, clipped and noise.
    """
    rows = sorted(rows, key=lambda row: (row.prompt_id, row.music_config or ""))
    configs = [row.music_config for row in rows if row.music_config is not None]
    levels = [row.level_db for row in rows if row.level_db is not None]
    again = [row.eval_clap_similarity for row in rows if row.eval_clap_similarity is not None]
    margin, error = _margin(rows)
    return Sentinels(
        num_heard=len(levels),
        vibe_margin=margin,
        vibe_margin_error=error,
        distinct_share=len(set(configs)) / len(configs) if configs else None,
        silent_share=_share(level < config.silent_below_db for level in levels),
        clipped_share=_share(row.clipped > config.clipped_above for row in rows if row.clipped is not None),
        noise_share=_share(row.flatness > config.noise_above for row in rows if row.flatness is not None),
        eval_clap_similarity=fmean(again) if again else None,
        eval_clap_correlation=_correlation(rows),
        field_entropy=_entropies(configs),
    )


class Gains(NamedTuple):
    """How much closer sound came to its vibe by training, over completions that were rendered both times."""

    clap: float
    """Mean cosine after less that before, by the scorer."""
    eval_clap: float
    """The same by the second checkpoint, which no training could please. Where it falls behind the scorer's,
    the policy learned what the scorer likes."""


def gains_of(before: Iterable[LedgerRow], after: Iterable[LedgerRow]) -> Gains | None:
    """What training changed, as both checkpoints hear it.

    Args:
        before: the evaluation of step 0.
        after: a later evaluation of the same vibes.

    Returns:
        None where no completion was rendered and heard by both checkpoints both times.
    """
    known = {(row.prompt_id, row.sample): row for row in before}
    pairs = [
        (known[key], row)
        for row in sorted(after, key=lambda row: (row.prompt_id, row.sample))
        if (key := (row.prompt_id, row.sample)) in known
    ]
    clap, eval_clap = [], []
    for first, last in pairs:
        if first.similarity is None or last.similarity is None:
            continue
        if first.eval_clap_similarity is None or last.eval_clap_similarity is None:
            continue
        clap.append(last.similarity - first.similarity)
        eval_clap.append(last.eval_clap_similarity - first.eval_clap_similarity)
    return Gains(fmean(clap), fmean(eval_clap)) if clap else None


def _margin(rows: list[SentinelRow]) -> tuple[float | None, float | None]:
    """Mean and standard error over the vibes of matched less mismatched similarity."""
    by_vibe: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        if row.similarity is not None and row.mismatched is not None:
            by_vibe[row.prompt_id].append(row.similarity - row.mismatched)
    means = [fmean(margins) for margins in by_vibe.values()]
    if len(means) < 2:
        return None, None
    return fmean(means), stdev(means) / math.sqrt(len(means))


def _correlation(rows: list[SentinelRow]) -> float | None:
    ours, theirs = [], []
    for row in rows:
        if row.similarity is not None and row.eval_clap_similarity is not None:
            ours.append(row.similarity)
            theirs.append(row.eval_clap_similarity)
    # Among equal values the rounding of their mean would correlate.
    if len(set(ours)) < 2 or len(set(theirs)) < 2:
        return None
    return correlation(ours, theirs)


def _share(flags: Iterable[bool]) -> float | None:
    counted = list(flags)
    return sum(counted) / len(counted) if counted else None


def _entropies(configs: list[str]) -> dict[str, float]:
    """Field to entropy, as a share of the largest possible; none for fewer than two configs."""
    if len(configs) < 2:
        return {}
    parsed = [json.loads(config) for config in configs]
    return {
        name: _entropy(Counter(str(config[name]) for config in parsed), len(labels))
        for name, labels in CONFIG_LABELS.items()
    }


def _entropy(counts: Counter[str], num_labels: int) -> float:
    total = counts.total()
    shares = [count / total for count in counts.values()]
    most = math.log(min(num_labels, total))
    return -math.fsum(share * math.log(share) for share in shares) / most
