"""Every label of every field is heard, and the fields mean what their names say.

The base config plays all six layers in a dry room, so that a distance is the label's own. Fields that act
only where another lets them: melody fields (density >= 3), rhythm (>= 4), texture (>= 5), accent (6); swing
needs off-beat notes; phrase length and cadence need two bars of a phrase within the clip; chord change needs
a tempo at which two chords fit.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from common.music_schema import CONFIG_LABELS, MusicConfig
from common.random_configs import random_config
from rewards.render import active_layers, compose, render

if TYPE_CHECKING:
    from collections.abc import Iterator

BASE: dict[str, Any] = {
    "tempo": "fast", "root": "d", "mode": "minor", "brightness": "medium", "space": "dry", "density": 6,
    "bass": "pulsing", "pad": "warm_slow", "melody": "procedural", "rhythm": "kit_light",
    "texture": "shimmer_slow", "accent": "pluck", "motion": "slow", "attack": "medium", "stereo": "medium",
    "depth": False, "echo": "none", "human": "tight", "grain": "clean", "melody_engine": "procedural",
    "phrase_len_bars": 4, "melody_density": "medium", "syncopation": "light", "swing": "none",
    "motif_repeat_prob": "sometimes", "step_bias": "balanced", "chromatic_prob": "none",
    "cadence_strength": "medium", "register_min_oct": 4, "register_max_oct": 5, "tension_curve": "arc",
    "harmony_style": "auto", "chord_change_bars": "medium", "chord_extensions": "triads",
}  # fmt: skip
MELODY_FIELDS = {
    "phrase_len_bars", "melody_density", "syncopation", "swing", "motif_repeat_prob", "step_bias",
    "chromatic_prob", "cadence_strength", "register_min_oct", "register_max_oct", "melody_engine", "melody",
}  # fmt: skip
THRESHOLD_DB = 0.3
"""Mean log-mel distance two labels must have. The floor, one config rendered twice, is exactly 0."""
RATE = 48_000


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def config_with(**labels: object) -> MusicConfig:
    return MusicConfig.model_validate(BASE | labels)


def log_mel(sound: torch.Tensor) -> torch.Tensor:
    """[B, 64, F] decibels of the mono mixdown: 1,024-point frames, hop 480, 50 to 14,000 Hz."""
    hertz = np.linspace(0, RATE / 2, 513)
    ends = 2595 * np.log10(1 + np.array([50, 14_000]) / 700)
    edges = 700 * (10 ** (np.linspace(float(ends[0]), float(ends[1]), 66) / 2595) - 1)
    up = (hertz[:, None] - edges[:-2]) / (edges[1:-1] - edges[:-2])
    down = (edges[2:] - hertz[:, None]) / (edges[2:] - edges[1:-1])
    bank = torch.tensor(np.maximum(0, np.minimum(up, down)), dtype=torch.float32)
    window = torch.hann_window(1024)
    spectrum = torch.stft(sound.mean(1), 1024, 480, window=window, return_complex=True).abs().square()
    return 10 * torch.log10(torch.einsum("bft,fm->bmt", spectrum, bank) + 1e-4)


def side_over_mid(sound: torch.Tensor) -> torch.Tensor:
    side, mid = sound[:, 0] - sound[:, 1], sound[:, 0] + sound[:, 1]
    return side.square().mean(1) / mid.square().mean(1)


def centroid(sound: torch.Tensor) -> torch.Tensor:
    power = torch.fft.rfft(sound.mean(1)).abs().square()
    hertz = torch.fft.rfftfreq(sound.shape[-1], 1 / RATE)
    center: torch.Tensor = (power * hertz).sum(1) / power.sum(1)
    return center


@pytest.mark.parametrize("name", [name for name in CONFIG_LABELS if name != "stereo"])
def test_every_label_sounds_unlike_every_other_label_of_its_field(name: str) -> None:
    extra: dict[str, object] = {}
    if name == "register_min_oct":
        extra = {"register_max_oct": 8}
    if name == "register_max_oct":
        extra = {"register_min_oct": 1}
    if name == "swing":
        extra = {"melody_density": "busy"}
    configs = [config_with(**(extra | {name: label})) for label in CONFIG_LABELS[name]]
    # Melody fields are judged on the melody alone, the drums and the rest on the whole mix.
    layers = ("melody",) if name in MELODY_FIELDS else None
    mel = log_mel(render(configs, seconds=8.0, layers=layers))
    for first in range(len(configs)):
        for second in range(first):
            distance = float((mel[first] - mel[second]).abs().mean())
            labels = CONFIG_LABELS[name]
            assert distance > THRESHOLD_DB, (labels[first], labels[second], distance)


def test_brighter_labels_have_higher_centroids_in_random_configs() -> None:
    labels = CONFIG_LABELS["brightness"]
    ordered = 0
    for index in range(12):
        base = random_config(random.Random(index))
        sound = render([base.model_copy(update={"brightness": label}) for label in labels], seconds=3.0)
        ordered += int(centroid(sound).diff().gt(0).all())
    assert ordered >= 11  # 95 % of 12, rounded down


def test_stereo_labels_widen_from_exact_mono() -> None:
    for base in (config_with(), config_with(space="large", echo="heavy")):
        labels = CONFIG_LABELS["stereo"]
        sound = render([base.model_copy(update={"stereo": label}) for label in labels], seconds=4.0)
        width = side_over_mid(sound)
        assert width[0] == 0.0
        assert bool(width.diff().gt(0.004).all()), width


def test_space_labels_ring_longer() -> None:
    # Energy in the gaps between sparse drum hits, relative to the whole: only the room fills them.
    labels = CONFIG_LABELS["space"]
    configs = [config_with(tempo="very_slow", rhythm="minimal", space=label) for label in labels]
    sound = render(configs, seconds=6.0, layers=("rhythm",)).square().mean(1)
    frames = sound[:, : RATE * 6].unfold(1, 2400, 2400).mean(2)
    quiet = frames.sort(dim=1).values[:, : frames.shape[1] // 2].mean(1) / frames.mean(1)
    assert bool(quiet.diff().gt(0).all()), quiet


def test_density_adds_layers_and_events() -> None:
    counts = [
        len(score.notes) + len(score.hits)
        for score in (compose(config_with(density=density)) for density in (2, 3, 4, 5, 6))
    ]
    assert counts == sorted(set(counts))
    assert [len(active_layers(config_with(density=density))) for density in (2, 3, 4, 5, 6)] == [
        2,
        3,
        4,
        5,
        6,
    ]


def test_faster_tempos_have_higher_onset_rates() -> None:
    scores = [compose(config_with(tempo=label)) for label in CONFIG_LABELS["tempo"]]
    hits = [len(score.hits) for score in scores]
    basses = [sum(note.layer == "bass" for note in score.notes) for score in scores]
    assert hits == sorted(set(hits))
    assert basses == sorted(set(basses))


def test_depth_adds_energy_below_80_hz() -> None:
    sound = render([config_with(depth=False), config_with(depth=True)], seconds=5.0, layers=("bass", "pad"))
    power = torch.fft.rfft(sound.mean(1)).abs().square()
    low = torch.fft.rfftfreq(sound.shape[-1], 1 / RATE) < 80
    share = power[:, low].sum(1) / power.sum(1)
    assert share[1] > 3 * share[0]


def test_echo_labels_repeat_longer() -> None:
    # A single accent bell late in the gap: more feedback leaves more energy after it.
    labels = CONFIG_LABELS["echo"]
    configs = [config_with(tempo="medium", accent="brass_hit", echo=label) for label in labels]
    sound = render(configs, seconds=10.0, layers=("accent",)).square().mean(1)
    frames = sound.unfold(1, 2400, 2400).mean(2)
    quiet = frames.sort(dim=1).values[:, : frames.shape[1] // 2].mean(1) / frames.mean(1)
    assert bool(quiet.diff().gt(0).all()), quiet


def test_melody_stays_in_its_register() -> None:
    score = compose(config_with(register_min_oct=5, register_max_oct=5, density=3, melody="falling"))
    pitches = [note.pitch for note in score.notes if note.layer == "melody"]
    assert min(pitches) > 71.0  # C5 is 72, less a few cents of human detune
    assert max(pitches) < 84.0
    assert len({round(pitch) for pitch in pitches}) > 2


def test_swing_delays_off_beats_only() -> None:
    straight = compose(config_with(human="robotic", swing="none"), layers=("rhythm",)).hits
    swung = compose(config_with(human="robotic", swing="heavy"), layers=("rhythm",)).hits
    late = [b.onset_s - a.onset_s for a, b in zip(straight, swung, strict=False)]
    assert max(late) == pytest.approx(0.2 * 60 / 126)
    assert min(late) == 0.0
