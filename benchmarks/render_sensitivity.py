"""How far apart the labels of every music config field sound: log-mel distances over random base configs.

    python -m benchmarks.render_sensitivity [--bases 20] [--fields tempo,swing] [--write docs/renderer.md]

For every field, 20 random configs in which it is active are rendered with each of its labels. The distance of
two labels is the mean absolute difference of their log-mel spectrograms (librosa, 64 bands of 50 to
14,000 Hz, of the mono mixdown that CLAP hears; for stereo, which a mixdown hides, of left minus right).

A config's hash seeds the noise that tails and winds are made of, so that any change of a label changes every
sample of a wet clip, even where the label does nothing. That must not pass for a difference: here all
configs of a base share the base's noise. A label without effect then has a distance of exactly 0, which is
the floor. What another noise alone would do to the base is measured beside it.
"""

from __future__ import annotations

import argparse
import importlib
import itertools
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from unittest import mock

import librosa
import numpy as np
import torch

from benchmarks.active_bases import active_base, siblings
from benchmarks.tables import write_between_markers
from common.music_schema import CONFIG_LABELS
from rewards.render import render
from rewards.render.streams import noise_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from common.music_schema import Label, MusicConfig

SECONDS = 6.0
RATE = 48_000
NUM_BASES = 20
THRESHOLD_DB = 0.3
"""How far apart any two labels of a field must be in the median base; the floor is 0."""
MELODY_FIELDS = frozenset({
    "melody", "melody_engine", "phrase_len_bars", "melody_density", "syncopation", "swing",
    "motif_repeat_prob", "step_bias", "chromatic_prob", "cadence_strength", "register_min_oct",
    "register_max_oct",
})  # fmt: skip
"""Fields that shape one line of the mix: they are also heard with the melody alone."""
MARKER = "sensitivity"


def log_mel(sound: torch.Tensor, *, side: bool) -> npt.NDArray[np.float64]:
    """Decibels of one clip, -60 dB at the least.

    Args:
        sound: [2, S] samples at RATE Hz.
        side: left minus right, rather than their mean.

    Returns:
        [64, F] one frame every 10 ms.
    """
    left, right = sound.numpy()
    mono = 0.5 * (left - right if side else left + right)
    mel = librosa.feature.melspectrogram(
        y=mono, sr=RATE, n_fft=1024, hop_length=480, n_mels=64, fmin=50, fmax=14_000
    )
    decibels: npt.NDArray[np.float64] = librosa.power_to_db(mel, ref=1.0, amin=1e-6, top_db=None)
    return decibels


def spectrograms(
    configs: Sequence[MusicConfig], noise: int, layers: tuple[str, ...] | None = None, *, side: bool = False
) -> npt.NDArray[np.float64]:
    """[N, 64, F] decibels of configs that share one noise."""
    # `rewards.render.compose` names a function too, which hides the module of that name from plain imports.
    composing = importlib.import_module("rewards.render.compose")
    with mock.patch.object(composing, "noise_key", return_value=noise):
        sounds = [render([config], seconds=SECONDS, layers=layers)[0] for config in configs]
    return np.stack([log_mel(sound, side=side) for sound in sounds])


class FieldDistances(NamedTuple):
    """Distances between the labels of one field, in dB."""

    name: str
    pairs: npt.NDArray[np.float64]
    """[N, L, L] distance of each two labels in each base; NaN on the diagonal."""
    noises: npt.NDArray[np.float64]
    """[N] distance of each base to itself under another noise."""

    @property
    def medians(self) -> npt.NDArray[np.float64]:
        """[L, L] median over the bases."""
        medians: npt.NDArray[np.float64] = np.median(self.pairs, axis=0)
        return medians

    @property
    def nearest(self) -> npt.NDArray[np.float64]:
        """[L] each label's median distance to the label most like it."""
        nearest: npt.NDArray[np.float64] = np.nanmin(self.medians, axis=1)
        return nearest

    @property
    def worst(self) -> float:
        """The two most similar labels in the base where they are most similar."""
        return float(np.nanmin(self.pairs))

    @property
    def closest(self) -> tuple[Label, Label]:
        """The two labels with the smallest median distance."""
        labels = CONFIG_LABELS[self.name]
        first, second = np.unravel_index(np.nanargmin(self.medians), self.medians.shape)
        return labels[first], labels[second]


def field_distances(
    name: str, *, num_bases: int = NUM_BASES, layers: tuple[str, ...] | None = None
) -> FieldDistances:
    """Distances between all labels of a field in `num_bases` configs in which it is active.

    Args:
        name: a field of the music config.
        num_bases: >= 1.
        layers: the layers to hear, all by default.
    """
    side = name == "stereo"
    count = len(CONFIG_LABELS[name])
    pairs = np.full((num_bases, count, count), np.nan)
    noises = np.zeros(num_bases)
    for index in range(num_bases):
        base = active_base(name, index)
        group = siblings(name, base)
        mels = spectrograms(group, noise_key(base, 0), layers, side=side)
        (twin,) = spectrograms([base], noise_key(base, 1), layers, side=side)
        noises[index] = np.abs(mels[group.index(base)] - twin).mean()
        for first, second in itertools.permutations(range(count), 2):
            pairs[index, first, second] = np.abs(mels[first] - mels[second]).mean()
    return FieldDistances(name, pairs, noises)


def table(fields: Sequence[FieldDistances], alone: dict[str, FieldDistances]) -> str:
    """The table of all fields as Markdown."""
    lines = [
        "| field | distance of each label to the one most like it | closest | worst | noise | melody |",
        "|---|---|---|---|---|---|",
    ]
    for field in fields:
        labels = ", ".join(
            f"{label} {distance:.1f}"
            for label, distance in zip(CONFIG_LABELS[field.name], field.nearest, strict=True)
        )
        solo = f"{alone[field.name].nearest.min():.2f}" if field.name in alone else ""
        figures = f"{field.nearest.min():.2f} | {field.worst:.2f} | {np.median(field.noises):.2f}"
        lines.append(f"| {field.name} | {labels} | {figures} | {solo} |")
    return "\n".join(lines)


def main() -> None:
    """Measures, prints the table, and writes it into a document if asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bases", type=int, default=NUM_BASES)
    parser.add_argument("--fields", default=",".join(CONFIG_LABELS))
    parser.add_argument("--write", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    fields: list[FieldDistances] = []
    alone: dict[str, FieldDistances] = {}
    for name in arguments.fields.split(","):
        found = field_distances(name, num_bases=arguments.bases)
        fields.append(found)
        if name in MELODY_FIELDS:
            alone[name] = field_distances(name, num_bases=arguments.bases, layers=("melody",))
        figures = f"{found.nearest.min():.2f} dB, worst {found.worst:.2f}"
        print(f"{name}: {found.closest} {figures}", file=sys.stderr)
    text = table(fields, alone)
    print(text)
    if arguments.write is not None:
        write_between_markers(arguments.write, MARKER, text)


if __name__ == "__main__":
    main()
