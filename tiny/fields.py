"""How words decide a config: a mild prior over labels, the pulls of a vibe's words, and a few couplings."""

from __future__ import annotations

from itertools import accumulate
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from common.music_schema import CONFIG_LABELS, Label, MusicConfig
from tiny.lexicon import Entry, find_words

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping, Sequence

__all__ = ["COUPLINGS", "PULL", "Distribution", "field_distribution", "ideal_overlap", "sample_config"]

PULL = 4.0
"""Weight of one word's pull, where the whole prior weighs 1: one word alone makes its label likely (0.8 plus
0.2 of its prior), two words that disagree share, and a policy trained on the corpus keeps headroom."""

Distribution = dict[str, dict[Label, float]]
"""Probability of every label of every config field."""

_PRIOR: Mapping[str, Mapping[Label, float]] = {
    "tempo": {"very_slow": 1, "slow": 3, "medium": 4, "fast": 2, "very_fast": 0.5},
    "mode": {"major": 3, "minor": 3, "dorian": 2, "mixolydian": 1.5},
    "brightness": {"very_dark": 0.7, "dark": 2, "medium": 4, "bright": 2, "very_bright": 0.7},
    "space": {"dry": 1, "small": 2, "medium": 4, "large": 2, "vast": 1},
    "density": {2: 1, 3: 3, 4: 4, 5: 2, 6: 1},
    "melody": {"procedural": 2, "contemplative": 2, "minimal": 2, "heroic": 0.5},
    "rhythm": {"none": 2, "minimal": 2, "soft_four": 2, "military": 0.3, "tabla_essence": 0.4},
    "texture": {"none": 4},
    "accent": {"none": 4, "bells_dense": 0.5, "brass_hit": 0.5, "blip_random": 0.5},
    "motion": {"static": 1, "slow": 3, "medium": 4, "fast": 2, "chaotic": 0.5},
    "attack": {"soft": 2, "medium": 3, "sharp": 1.5},
    "stereo": {"mono": 0.5, "narrow": 1, "medium": 4, "wide": 3, "ultra_wide": 1},
    "depth": {False: 2, True: 1},
    "echo": {"none": 1, "subtle": 3, "medium": 3, "heavy": 1.5, "infinite": 0.5},
    "human": {"robotic": 0.5, "tight": 2, "natural": 4, "loose": 1.5, "drunk": 0.5},
    "grain": {"clean": 2, "warm": 2, "gritty": 1},
    "melody_density": {"very_sparse": 1, "sparse": 3, "medium": 4, "busy": 2, "very_busy": 0.5},
    "syncopation": {"straight": 3, "light": 4, "medium": 2, "heavy": 0.7},
    "swing": {"none": 6, "light": 2, "medium": 1, "heavy": 0.4},
    "motif_repeat_prob": {"rare": 1, "sometimes": 4, "often": 2},
    "step_bias": {"step": 2, "balanced": 4, "leapy": 1},
    "chromatic_prob": {"none": 5, "light": 3, "medium": 1, "heavy": 0.4},
    "cadence_strength": {"weak": 1, "medium": 4, "strong": 2},
    "register_min_oct": {1: 0.2, 2: 1, 3: 4, 4: 3, 5: 0.5, 6: 0.1, 7: 0.02, 8: 0.01},
    "register_max_oct": {1: 0.01, 2: 0.02, 3: 0.1, 4: 1, 5: 4, 6: 4, 7: 1, 8: 0.2},
    "harmony_style": {"auto": 3, "pop": 2, "jazz": 1, "cinematic": 2, "ambient": 2},
    "chord_change_bars": {"very_slow": 1, "slow": 3, "medium": 4, "fast": 1},
}
"""Relative weights; a label that is not named weighs 1."""


class Coupling(NamedTuple):
    """Where `field` is `label`, `then_label` of `then_field` weighs `factor` times as much if unpulled."""

    field: str
    label: Label
    then_field: str
    then_label: Label
    factor: float


COUPLINGS: tuple[Coupling, ...] = (
    Coupling("brightness", "very_dark", "mode", "minor", 5.0),
    Coupling("brightness", "dark", "mode", "minor", 3.0),
    Coupling("brightness", "bright", "mode", "major", 3.0),
    Coupling("brightness", "very_bright", "mode", "major", 5.0),
    Coupling("brightness", "very_dark", "pad", "dark_sustained", 5.0),
    Coupling("brightness", "dark", "pad", "dark_sustained", 3.0),
    Coupling("brightness", "bright", "pad", "bright_open", 4.0),
    Coupling("brightness", "very_bright", "pad", "bright_open", 4.0),
    Coupling("mode", "minor", "melody", "contemplative_minor", 3.0),
    Coupling("tempo", "very_slow", "rhythm", "none", 4.0),
    Coupling("tempo", "slow", "rhythm", "brush", 2.0),
    Coupling("tempo", "fast", "rhythm", "kit_medium", 3.0),
    Coupling("tempo", "very_fast", "rhythm", "electronic", 4.0),
    Coupling("tempo", "very_slow", "motion", "static", 4.0),
    Coupling("tempo", "fast", "motion", "fast", 3.0),
    Coupling("tempo", "very_fast", "motion", "fast", 5.0),
    Coupling("tempo", "very_slow", "attack", "soft", 4.0),
    Coupling("tempo", "very_fast", "attack", "sharp", 3.0),
    Coupling("tempo", "very_slow", "chord_change_bars", "very_slow", 4.0),
    Coupling("tempo", "fast", "melody_density", "busy", 3.0),
    Coupling("space", "vast", "echo", "heavy", 4.0),
    Coupling("space", "dry", "echo", "none", 5.0),
    Coupling("space", "vast", "stereo", "ultra_wide", 3.0),
    Coupling("space", "dry", "stereo", "narrow", 3.0),
    Coupling("space", "vast", "depth", True, 3.0),
    Coupling("rhythm", "none", "bass", "drone", 3.0),
    Coupling("rhythm", "brush", "bass", "walking", 3.0),
    Coupling("rhythm", "electronic", "bass", "arp_bass", 3.0),
    Coupling("rhythm", "electronic", "human", "tight", 3.0),
    Coupling("rhythm", "brush", "swing", "light", 3.0),
    Coupling("density", 2, "melody_density", "very_sparse", 3.0),
    Coupling("density", 6, "melody_density", "busy", 3.0),
    Coupling("harmony_style", "jazz", "chord_extensions", "sevenths", 4.0),
    Coupling("harmony_style", "jazz", "swing", "medium", 4.0),
    Coupling("harmony_style", "ambient", "chord_extensions", "lush", 3.0),
    Coupling("melody", "procedural", "melody_engine", "procedural", 4.0),
)
"""Sensible company: what dark, slow, vast or jazzy pieces tend to have where no word says otherwise."""

_FIRST = ("harmony_style", "tempo", "brightness", "space", "density", "mode", "rhythm", "melody")
_ORDER: tuple[str, ...] = (*_FIRST, *(name for name in CONFIG_LABELS if name not in _FIRST))
"""The order of drawing: every field after the fields that it is coupled to."""


def _normalized(weights: Mapping[Label, float]) -> dict[Label, float]:
    total = sum(weights.values())
    return {label: weight / total for label, weight in weights.items()}


def _prior(name: str) -> dict[Label, float]:
    named = _PRIOR.get(name, MappingProxyType({}))
    return _normalized({label: named.get(label, 1.0) for label in CONFIG_LABELS[name]})


def _pulled(entries: Sequence[Entry]) -> dict[str, dict[Label, float]]:
    """Per pulled field, how many words pull on each label."""
    counts: dict[str, dict[Label, float]] = {}
    for entry in entries:
        for name, label in entry.pulls.items():
            field = counts.setdefault(name, {})
            field[label] = field.get(label, 0.0) + 1.0
    return counts


def _marginal(
    name: str, pulls: Mapping[str, Mapping[Label, float]], parents: Mapping[str, Mapping[Label, float]]
) -> dict[Label, float]:
    weights = _prior(name)
    if name in pulls:
        for label, count in pulls[name].items():
            weights[label] += PULL * count
        return _normalized(weights)
    for coupling in COUPLINGS:
        if coupling.then_field == name and coupling.field in parents:
            share = parents[coupling.field][coupling.label]
            weights[coupling.then_label] *= 1.0 + (coupling.factor - 1.0) * share
    return _normalized(weights)


def _entries(vibe: str | Sequence[Entry]) -> Sequence[Entry]:
    return find_words(vibe) if isinstance(vibe, str) else vibe


def field_distribution(vibe: str | Sequence[Entry]) -> Distribution:
    """Probability of every label, given a vibe's words.

    A field that words pull on: (prior + PULL * number of pulling words) per label, normalized. Any other: the
    prior, times the couplings from the fields before it, each weighed by its own probability.

    Args:
        vibe: the text, or its matched entries.

    Returns:
        Fields in the contract's order, each summing to 1. The registers are independent here; `sample_config`
        draws them together, given that the lower is not above the higher.
    """
    pulls = _pulled(_entries(vibe))
    table: Distribution = {}
    for name in _ORDER:
        table[name] = _marginal(name, pulls, table)
    return {name: table[name] for name in CONFIG_LABELS}


def _draw(weights: Mapping[Label, float], rng: random.Random) -> Label:
    labels = list(weights)
    cumulative = list(accumulate(weights.values()))
    point = rng.random() * cumulative[-1]
    return next((label for label, edge in zip(labels, cumulative, strict=True) if point < edge), labels[-1])


def sample_config(vibe: str | Sequence[Entry], rng: random.Random) -> MusicConfig:
    """Draw one valid config for a vibe: field after field, couplings from what was drawn before.

    Args:
        vibe: the text, or its matched entries.
        rng: the only source of chance; one draw per field.
    """
    pulls = _pulled(_entries(vibe))
    drawn: dict[str, Label] = {}
    parents: Distribution = {}
    for name in _ORDER:
        weights = _marginal(name, pulls, parents)
        if name == "register_min_oct":
            highest = _marginal("register_max_oct", pulls, parents)
            weights = {
                octave: weight * sum(highest[other] for other in highest if int(other) >= int(octave))
                for octave, weight in weights.items()
            }
        elif name == "register_max_oct":
            lowest = int(drawn["register_min_oct"])
            weights = {octave: weight for octave, weight in weights.items() if int(octave) >= lowest}
        label = _draw(weights, rng)
        drawn[name] = label
        parents[name] = {other: float(other == label) for other in CONFIG_LABELS[name]}
    return MusicConfig.model_validate({name: drawn[name] for name in CONFIG_LABELS})


def ideal_overlap(vibe: str | Sequence[Entry], config: MusicConfig) -> float:
    """Share of the fields pulled by the vibe's words whose label is one that a word pulls on, 0 to 1.

    Raises:
        ValueError: no word of the vibe is in the lexicon.
    """
    pulls = _pulled(_entries(vibe))
    if not pulls:
        raise ValueError(f"the vibe must have a word of the lexicon, got {vibe!r}")
    hits = sum(getattr(config, name) in labels for name, labels in pulls.items())
    return hits / len(pulls)
