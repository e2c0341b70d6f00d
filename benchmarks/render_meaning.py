"""Whether labels mean what they say, measured on rendered audio by librosa and scipy.

    python -m benchmarks.render_meaning [--bases 20] [--fields tempo,space] [--write docs/renderer.md]

For every ordered field, random base configs are rendered with each of its labels, and a measure that should
rise from label to label is taken. Where a measure makes no sense for all material (no onsets in a drone), the
bases are drawn from those where it does: `Meaning.needs` says which, `Meaning.layers` what is heard.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from benchmarks.active_bases import Needs, base_with, siblings
from benchmarks.sound_measures import (
    centroid_hz,
    decay_s,
    echo_correlation,
    flatness_db,
    movement_hz,
    onset_strength,
    onset_times_s,
    recognized_mode,
    share_below_80_hz,
    side_over_mid,
    unevenness_ms,
)
from benchmarks.tables import write_between_markers
from common.music_schema import CONFIG_LABELS
from rewards.render import active_layers, render
from rewards.render.labels import BEATS_PER_MINUTE, ROOT_SEMITONES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    from benchmarks.sound_measures import Sound
    from common.music_schema import MusicConfig

MARKER = "meaning"
NUM_BASES = 20


class Meaning(NamedTuple):
    """What a field's labels should do to a measure: raise it, one after the other."""

    unit: str
    measure: Callable[[MusicConfig, Sound], float]
    seconds: float
    layers: tuple[str, ...] | None = None
    needs: Needs = MappingProxyType({})
    labels: tuple[str, ...] = ()
    """The labels in order, where the measure has no meaning for the others."""


def _beat_s(config: MusicConfig) -> float:
    return 60.0 / BEATS_PER_MINUTE[config.tempo]


def _events(config: MusicConfig, sound: Sound) -> float:
    """Onsets of every layer that has any, heard alone: in a mix the loud hide the soft."""
    del sound
    alone = [name for name in active_layers(config) if name != "pad"]
    return float(sum(len(onset_times_s(heard(config, 6.0, (name,)))) for name in alone))


_STRUCK = ("bells", "brass_hit", "piano_note")
_DRUMS = tuple(name for name in CONFIG_LABELS["rhythm"] if name not in ("none", "minimal", "heartbeat"))
MEANINGS: dict[str, Meaning] = {
    "tempo": Meaning(
        "onsets/s",
        lambda config, sound: len(onset_times_s(sound)) / 16.0,
        16.0,
        ("rhythm",),
        # Onset detection takes hiss, tails and brushes for onsets, and loses zaps and hats under kicks.
        {"density": (4, 5, 6), "space": ("dry", "small"), "grain": ("clean",),
         "rhythm": ("minimal", "heartbeat", "soft_four", "kit_light", "kit_medium", "military"),
         "human": ("robotic", "tight", "natural")},
    ),
    "brightness": Meaning("Hz, spectral centroid", lambda config, sound: centroid_hz(sound), 3.0),
    "space": Meaning(
        "s to fall by 60 dB",
        # A brass chord at 0, 3.9 and 4.44 s, the last for 0.28 s; nothing else until 8.9 s.
        lambda config, sound: decay_s(sound, 4.75),
        8.7,
        ("accent",),
        {"density": (6,), "accent": ("brass_hit",), "tempo": ("very_slow",), "echo": ("none",),
         "grain": ("clean",), "human": ("robotic", "tight", "natural")},
    ),
    "density": Meaning(
        "events in 6 s",
        _events,
        0.25,
        None,
        {"rhythm": _DRUMS, "texture": ("shimmer", "stars", "glitch", "crystal"),
         "accent": tuple(n for n in CONFIG_LABELS["accent"] if n not in ("none", "wind"))},
    ),
    "stereo": Meaning("side/mid energy", lambda config, sound: side_over_mid(sound), 4.0),
    "depth": Meaning("energy below 80 Hz", lambda config, sound: share_below_80_hz(sound), 5.0),
    "echo": Meaning(
        "autocorrelation at 3/4 beat",
        lambda config, sound: echo_correlation(sound, 0.75 * _beat_s(config)),
        10.0,
        ("accent",),
        {"density": (6,), "accent": _STRUCK, "space": ("dry",), "grain": ("clean",),
         "tempo": ("medium", "fast", "very_fast"), "human": ("robotic", "tight")},
    ),
    "melody_density": Meaning(
        "onsets in 14 s",
        lambda config, sound: float(len(onset_times_s(sound))),
        14.0,
        ("melody",),
        {"density": (3, 4, 5, 6), "echo": ("none",), "space": ("dry", "small"), "tempo": ("medium", "fast"),
         "melody": ("procedural", "rising", "falling", "minimal", "call_response"),
         "brightness": ("medium", "bright"), "attack": ("medium", "sharp"), "register_min_oct": (3, 4),
         "register_max_oct": (5, 6), "human": ("robotic", "tight", "natural"), "motion": ("static",),
         "grain": ("clean",)},
    ),
    "human": Meaning(
        "ms from the grid",
        lambda config, sound: unevenness_ms(sound, _beat_s(config) / 2.0),
        10.0,
        ("rhythm",),
        {"density": (4, 5, 6), "rhythm": ("soft_four", "kit_light"), "swing": ("none",), "space": ("dry",),
         "tempo": ("medium", "fast"), "brightness": ("medium", "bright"), "grain": ("clean",)},
    ),
    "attack": Meaning(
        "onset strength",
        lambda config, sound: onset_strength(sound),
        6.0,
        ("melody",),
        {"density": (3, 4, 5, 6), "space": ("dry", "small"), "echo": ("none",), "register_min_oct": (3, 4),
         "register_max_oct": (5, 6)},
    ),
    "grain": Meaning("dB, spectral flatness", lambda config, sound: flatness_db(sound), 4.0),
    "motion": Meaning(
        "Hz of the level",
        lambda config, sound: movement_hz(sound),
        10.0,
        ("pad",),
        {"chord_change_bars": ("very_slow",), "tempo": ("very_slow",), "grain": ("clean",),
         "space": ("dry",), "echo": ("none",), "harmony_style": ("auto", "jazz", "ambient"),
         "tension_curve": ("ramp",)},
        ("slow", "medium", "fast"),
    ),
}  # fmt: skip
"""The ordered fields; mode, which has no order, is recognized instead."""


def heard(config: MusicConfig, seconds: float, layers: Sequence[str] | None) -> Sound:
    """One clip as [2, S] samples."""
    sound: Sound = render([config], seconds=seconds, layers=layers)[0].numpy()
    return sound


def measured(name: str, *, num_bases: int = NUM_BASES) -> npt.NDArray[np.float64]:
    """[N, L] the measure of an ordered field: a row for every base, a column for every label."""
    meaning = MEANINGS[name]
    rows = []
    for index in range(num_bases):
        group = siblings(name, base_with(meaning.needs, f"meaning {name} {index}"))
        kept = [c for c in group if not meaning.labels or getattr(c, name) in meaning.labels]
        rows.append([meaning.measure(c, heard(c, meaning.seconds, meaning.layers)) for c in kept])
    return np.array(rows)


def share_in_order(values: npt.NDArray[np.float64]) -> float:
    """Share of rows that rise strictly from column to column."""
    return float((np.diff(values, axis=1) > 0.0).all(axis=1).mean())


def modes_recognized(num_bases: int) -> float:
    """Share of random configs whose mode a chroma template tells from their pad alone."""
    hits = 0
    for index in range(num_bases):
        config = base_with({}, f"meaning mode {index}")
        sound = heard(config, 10.0, ("pad",))
        hits += recognized_mode(sound, ROOT_SEMITONES[config.root]) == config.mode
    return hits / num_bases


def main() -> None:
    """Measures, prints the table, and writes it into a document if asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bases", type=int, default=NUM_BASES)
    parser.add_argument("--fields", default=",".join((*MEANINGS, "mode")))
    parser.add_argument("--write", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    lines = ["| field | measure | heard | median of each label | in order |", "|---|---|---|---|---|"]
    for name in arguments.fields.split(","):
        if name == "mode":
            share = modes_recognized(2 * arguments.bases)
            lines.append(f"| mode | chroma template | pad | | recognized in {share:.0%} |")
            continue
        meaning, values = MEANINGS[name], measured(name, num_bases=arguments.bases)
        labels = meaning.labels or CONFIG_LABELS[name]
        medians = ", ".join(
            f"{label} {median:.3g}" for label, median in zip(labels, np.median(values, axis=0), strict=True)
        )
        layers = "each layer alone" if name == "density" else ", ".join(meaning.layers or ("all",))
        lines.append(f"| {name} | {meaning.unit} | {layers} | {medians} | {share_in_order(values):.0%} |")
        print(lines[-1], file=sys.stderr)
    text = "\n".join(lines)
    print(text)
    if arguments.write is not None:
        write_between_markers(arguments.write, MARKER, text)


if __name__ == "__main__":
    main()
