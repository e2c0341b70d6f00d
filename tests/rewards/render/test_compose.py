"""The score keeps to the labels: layers, register, phrases, shares and voice leading."""

from __future__ import annotations

import itertools
import random
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from common.music_schema import CONFIG_LABELS, MusicConfig
from common.random_configs import random_config
from rewards.render import active_layers, compose
from rewards.render.harmony import MODES
from rewards.render.labels import BEATS_PER_MINUTE, ROOT_SEMITONES

if TYPE_CHECKING:
    from rewards.render import Note

BASE: dict[str, Any] = {
    "tempo": "fast", "root": "d", "mode": "minor", "brightness": "medium", "space": "dry", "density": 6,
    "bass": "pulsing", "pad": "warm_slow", "melody": "procedural", "rhythm": "kit_light",
    "texture": "shimmer_slow", "accent": "pluck", "motion": "slow", "attack": "medium", "stereo": "medium",
    "depth": False, "echo": "none", "human": "robotic", "grain": "clean", "melody_engine": "procedural",
    "phrase_len_bars": 4, "melody_density": "medium", "syncopation": "light", "swing": "none",
    "motif_repeat_prob": "sometimes", "step_bias": "balanced", "chromatic_prob": "none",
    "cadence_strength": "medium", "register_min_oct": 4, "register_max_oct": 5, "tension_curve": "arc",
    "harmony_style": "auto", "chord_change_bars": "medium", "chord_extensions": "triads",
}  # fmt: skip
BEAT_S = 60.0 / BEATS_PER_MINUTE["fast"]


def config_with(**labels: object) -> MusicConfig:
    return MusicConfig.model_validate(BASE | labels)


def melody(seconds: float = 40.0, **labels: object) -> list[Note]:
    """The melody of a trio, without the octave that density 6 adds."""
    return list(compose(config_with(density=3, **labels), seconds=seconds, layers=("melody",)).notes)


def slots(notes: list[Note]) -> list[int]:
    """Sixteenths of the bar at which unswung notes begin."""
    return [round(4.0 * note.onset_s / BEAT_S) % 16 for note in notes]


def test_the_same_arguments_compose_the_same_score() -> None:
    for index in range(20):
        config = random_config(random.Random(index))
        first, second = compose(config, seed=1), compose(config, seed=1)
        assert (first.notes, first.hits, first.chords) == (second.notes, second.hits, second.chords)


def test_density_adds_layers_and_events() -> None:
    scores = [compose(config_with(density=density)) for density in (2, 3, 4, 5, 6)]
    counts = [len(score.notes) + len(score.hits) for score in scores]
    assert counts == sorted(set(counts))
    assert [len(active_layers(score.config)) for score in scores] == [2, 3, 4, 5, 6]


def test_density_is_heard_where_the_layer_it_adds_is_none() -> None:
    scores = [
        compose(config_with(density=d, rhythm="none", texture="none", accent="none"), layers=("pad",))
        for d in (3, 4, 5, 6)
    ]
    counts = [len(score.notes) for score in scores]
    assert counts == sorted(set(counts))


def test_faster_tempos_have_more_hits_and_bass_notes() -> None:
    scores = [compose(config_with(tempo=label)) for label in CONFIG_LABELS["tempo"]]
    hits = [len(score.hits) for score in scores]
    basses = [sum(note.layer == "bass" for note in score.notes) for score in scores]
    assert hits == sorted(set(hits))
    assert basses == sorted(set(basses))


def test_swing_delays_off_beats_only() -> None:
    straight = compose(config_with(swing="none"), layers=("rhythm",)).hits
    swung = compose(config_with(swing="heavy"), layers=("rhythm",)).hits
    late = [b.onset_s - a.onset_s for a, b in zip(straight, swung, strict=False)]
    assert max(late) == pytest.approx(0.25 * BEAT_S)
    assert min(late) == 0.0


@pytest.mark.parametrize("style", [style for style in CONFIG_LABELS["melody"] if style != "heroic"])
def test_melodies_stay_in_their_register_and_mode(style: str) -> None:
    # "heroic" doubles its line an octave below; "ornamental" leads into notes by neighbours of any kind.
    notes = melody(melody=style, register_min_oct=5, register_max_oct=5)
    pitches = {round(note.pitch) for note in notes if style != "ornamental" or note.gate_s > 0.1}
    assert min(pitches) >= 72  # C5
    assert max(pitches) < 84
    assert len(pitches) > 2
    scale = {(ROOT_SEMITONES["d"] + step) % 12 for step in MODES["minor"]}
    assert {pitch % 12 for pitch in pitches} <= scale


def test_melody_density_is_a_rate_of_notes() -> None:
    counts = [len(melody(melody_density=label)) for label in CONFIG_LABELS["melody_density"]]
    assert all(later >= 1.3 * earlier for earlier, later in itertools.pairwise(counts)), counts


def test_the_sparsest_melody_begins_in_the_first_bar() -> None:
    for style in CONFIG_LABELS["melody"]:
        first = melody(melody=style, melody_density="very_sparse")[0]
        assert first.onset_s < 4.0 * BEAT_S


@pytest.mark.parametrize("engine", ["pattern", "procedural"])
def test_syncopation_moves_notes_off_the_beats(engine: str) -> None:
    shares = []
    for label in CONFIG_LABELS["syncopation"]:
        on_beat = [slot % 4 == 0 for slot in slots(melody(syncopation=label, melody_engine=engine))]
        shares.append(sum(on_beat) / len(on_beat))
    assert shares == sorted(shares, reverse=True)
    assert shares[0] > shares[-1] + 0.2


def test_chromaticism_bends_its_share_of_notes() -> None:
    scale = {(ROOT_SEMITONES["d"] + step) % 12 for step in MODES["minor"]}
    shares = []
    for label in CONFIG_LABELS["chromatic_prob"]:
        notes = melody(chromatic_prob=label, cadence_strength="weak")
        shares.append(sum(round(note.pitch) % 12 not in scale for note in notes) / len(notes))
    assert shares[0] == 0.0
    # A bent note may land on another scale tone (E and F are neighbours): the shares stay below the labels'.
    assert shares == sorted(set(shares))
    assert 0.05 < shares[1] <= 0.2


def test_step_bias_widens_intervals() -> None:
    widths = []
    for label in CONFIG_LABELS["step_bias"]:
        pitches = [note.pitch for note in melody(step_bias=label, register_min_oct=3, register_max_oct=6)]
        widths.append(float(np.mean(np.abs(np.diff(pitches)))))
    assert widths == sorted(widths)
    assert widths[-1] > 1.5 * widths[0]


def test_motifs_come_back_as_often_as_the_label_says() -> None:
    repeats = []
    for label in CONFIG_LABELS["motif_repeat_prob"]:
        notes = melody(motif_repeat_prob=label, cadence_strength="weak", seconds=60.0)
        bars: dict[int, tuple[int, ...]] = {}
        for note, slot in zip(notes, slots(notes), strict=True):
            bar = round(4.0 * note.onset_s / BEAT_S) // 16
            bars[bar] = (*bars.get(bar, ()), slot)
        inner = [bar for bar in bars if bar % 4 in (1, 2)]  # neither opening a phrase nor cut by its end
        repeats.append(sum(bars.get(bar - 1) == bars[bar] for bar in inner) / len(inner))
    assert repeats[0] < 0.35 < repeats[1] < 0.8 < repeats[2], repeats


@pytest.mark.parametrize("length", CONFIG_LABELS["phrase_len_bars"])
def test_a_strong_cadence_closes_every_phrase_on_the_tonic(length: int) -> None:
    notes = melody(cadence_strength="strong", phrase_len_bars=length, seconds=40.0)
    phrase_s = 4.0 * length * BEAT_S
    for phrase in range(int(40.0 / phrase_s)):
        inside = [
            note
            for note in notes
            if phrase * phrase_s - 0.01 <= note.onset_s < (phrase + 1) * phrase_s - 0.01
        ]
        assert round(inside[-1].pitch) % 12 == ROOT_SEMITONES["d"]
        # Held from the third beat of the last bar: the phrase has rested before the next one.
        assert inside[-1].onset_s == pytest.approx((phrase + 1) * phrase_s - 2.0 * BEAT_S)


@pytest.mark.parametrize("style", CONFIG_LABELS["harmony_style"])
@pytest.mark.parametrize("mode", CONFIG_LABELS["mode"])
def test_chords_and_pads_stay_in_the_mode(style: str, mode: str) -> None:
    scale = {(ROOT_SEMITONES["d"] + step) % 12 for step in MODES[mode]}
    for pad in CONFIG_LABELS["pad"]:
        config = config_with(harmony_style=style, mode=mode, pad=pad, chord_extensions="lush")
        score = compose(config, layers=("pad",))
        assert {voice % 12 for chord in score.chords for voice in chord.voices} <= scale
        assert {round(note.pitch) % 12 for note in score.notes} <= scale


@pytest.mark.parametrize("extensions", CONFIG_LABELS["chord_extensions"])
def test_chords_are_led_by_small_steps(extensions: str) -> None:
    # Root position would move every voice by the root's interval: 4 semitones and more in these progressions.
    moves: list[float] = []
    for mode in CONFIG_LABELS["mode"]:
        for style in CONFIG_LABELS["harmony_style"]:
            config = config_with(mode=mode, harmony_style=style, chord_extensions=extensions)
            chords = compose(config, seconds=20.0).chords
            for before, after in itertools.pairwise(chords):
                moves += [min(abs(voice - old) for old in before.voices) for voice in after.voices]
                assert 48 < np.mean(after.voices) < 72
    assert np.mean(moves) < 1.5
    assert max(moves) <= 5


def test_a_piece_of_ten_minutes_does_not_run_dry() -> None:
    for texture in CONFIG_LABELS["texture"][1:]:
        score = compose(config_with(texture=texture), seconds=600.0)
        for layer in ("bass", "pad", "melody", "accent"):
            assert max(note.onset_s for note in score.notes if note.layer == layer) > 590.0
        assert max(hit.onset_s for hit in score.hits if hit.layer == "rhythm") > 599.0
        events = [note.onset_s for note in score.notes if note.layer == "texture"]
        events += [hit.onset_s for hit in score.hits if hit.layer == "texture"]
        assert (
            (max(events) > 595.0) if events else any(band.curve[-200:].max() > 0.1 for band in score.noises)
        )


def test_curves_of_long_pieces_keep_their_detail() -> None:
    # A breath takes 3.2 s; a curve of a fixed 256 points would see ten minutes of them every 2.3 s.
    (band,) = compose(config_with(texture="breath"), seconds=600.0, layers=("texture",)).noises
    assert len(band.curve) / 600.0 > 20.0
    openings = np.flatnonzero((band.curve[1:] > 0.9) & (band.curve[:-1] <= 0.9))
    assert len(openings) == 600 // 3.2 + 1
