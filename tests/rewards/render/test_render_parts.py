"""The parts of the sound stage against plain oracles: placing, tones, upsampling, echo, loudness."""

from __future__ import annotations

import random

import numpy as np
import numpy.typing as npt
import pyloudnorm
import pytest
import torch

from common.random_configs import random_config
from rewards.render import Note, Score, compose, render
from rewards.render.bands import DIVISOR, HIGH, KNOTS, LATE, LOW, TILE
from rewards.render.echo import Echo
from rewards.render.engine import Engine
from rewards.render.labels import ECHO_FEEDBACK, ECHO_SEND
from rewards.render.loudness import FRAME, frame_powers, integrated_lufs
from rewards.render.notes import flatten_notes
from rewards.render.placing import place
from rewards.render.resample import FULL_TO_HALF, HALF_TO_FULL, QUARTER_TO_HALF, Resampler
from rewards.render.timbres import TIMBRES
from rewards.render.tones import Tones, controls_of

RATE = 48_000
CPU = torch.device("cpu")
PLAIN = random_config(random.Random(1)).model_copy(
    update={"brightness": "medium", "attack": "medium", "stereo": "mono", "motion": "static", "echo": "none"}
    | {"space": "dry", "grain": "clean", "tension_curve": "arc", "density": 2, "texture": "none"}
)


def score_of(*notes: Note, **labels: str) -> Score:
    """Two seconds of these notes alone, under constant tension."""
    score = compose(PLAIN.model_copy(update=labels), seconds=2.0)
    flat = np.full_like(score.tension, 0.5)
    return Score(**(vars(score) | {"notes": notes, "hits": (), "noises": (), "tension": flat}))


def test_pieces_are_added_where_they_are_placed() -> None:
    generator = torch.Generator().manual_seed(0)
    pieces = torch.randn(5, 8, generator=generator)
    rows, columns = np.array([3, 0, 3, 6, 3]), np.array([0, 1, 4, 2, 0])
    gains = np.array([1.0, 2.0, 0.5, -1.0, 0.25], dtype=np.float32)
    expected = np.zeros((7, 8))
    for row, column, gain in zip(rows, columns, gains, strict=True):
        expected[row] += gain * pieces[column].numpy()
    placed = place(pieces, 7, rows=rows, columns=columns, gains=gains)
    np.testing.assert_allclose(placed.numpy(), expected, atol=1e-6)
    again = place(pieces, 7, rows=rows, columns=columns, gains=gains, onto=placed)
    np.testing.assert_allclose(again.numpy(), 2 * expected, atol=1e-6)


def partials_of(note: Note, low: bool, times: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """A sustained note between its attack and its release, as a sum of sines (no motion, no spike)."""
    score = score_of(note, attack="soft")
    band = LOW if low else HIGH
    [voices] = [voices for voices in flatten_notes([score], RATE) if voices.band is band]
    waves = voices.amps[0][:, None] * np.sin(2 * np.pi * voices.hertz[0][:, None] * (times - note.onset_s))
    decayed = waves * np.exp(-voices.decays[0][:, None] * (times - note.onset_s))
    return np.asarray(decayed.sum(axis=0))


@pytest.mark.parametrize(("pitch", "low"), [(45.0, True), (100.37, True), (100.37, False)])
def test_a_tone_is_the_sum_of_its_partials(pitch: float, low: bool) -> None:
    note = Note("pad", 0.123, 1.5, pitch, 0.8, 0.0, "bright_open")
    score = score_of(note, attack="soft")
    band = LOW if low else HIGH
    [voices] = [voices for voices in flatten_notes([score], RATE) if voices.band is band]
    count = 2 * RATE // TILE
    tracks = Tones(voices, controls_of([score], CPU), RATE).tracks(0, count)
    assert tracks is not None
    sound = tracks.view(1, 2, 2, -1)[0, 1, 0].numpy()
    # The attack takes 7 times 0.05 s; the release begins 1.5 s after the onset.
    times = np.arange(len(sound)) * band.divisor / RATE + band.ahead * band.divisor / RATE
    held = (times > 0.123 + 0.36) & (times < 0.123 + 1.49)
    expected = partials_of(note, low, times) * np.sqrt(0.5)
    assert np.abs(expected[held]).max() > 0.01
    np.testing.assert_allclose(sound[held], expected[held], atol=2e-5 * np.abs(expected).max() + 1e-5)
    # Amplitudes move in straight lines from knot to knot, so a note may begin up to a knot early.
    assert not sound[times < 0.123 - TILE / KNOTS / RATE].any()


def test_notes_that_sound_together_are_one_chord_and_their_sum() -> None:
    alone = [Note("pad", 0.1, 1.0, pitch, 0.5, 0.3, "warm_slow") for pitch in (60.0, 64.02, 67.0)]
    apart = [note._replace(onset_s=0.1 + 0.001 * index) for index, note in enumerate(alone)]
    together = flatten_notes([score_of(*alone)], RATE)
    assert [len(voices.clip) for voices in together] == [1]
    assert [len(voices.clip) for voices in flatten_notes([score_of(*apart)], RATE)] == [3]
    mixes = [Engine([score_of(*notes)], 24, RATE, 0, CPU).mix(24) for notes in (alone, *zip(alone))]
    np.testing.assert_allclose(mixes[0].numpy(), torch.stack(mixes[1:]).sum(0).numpy(), atol=1e-5)


def test_no_partial_is_lost_between_the_bands_or_beyond_the_limit() -> None:
    note = Note("pad", 0.0, 1.0, 93.0, 1.0, 0.0, "bright_open")
    groups = flatten_notes([score_of(note, brightness="very_bright")], RATE)
    heard = np.sort(np.concatenate([voices.hertz[0][voices.amps[0] > 0] for voices in groups]))
    all_partials = TIMBRES["bright_open"].ratios * 1760.0
    np.testing.assert_allclose(heard, all_partials[all_partials < 0.45 * RATE])
    assert {voices.band for voices in groups} == {LOW, HIGH}


def test_upsampling_keeps_a_low_tone_and_brings_it_in_line_with_the_high_band() -> None:
    hertz, size = 3_700.0, 32 * 100
    low = torch.sin(2 * np.pi * hertz * torch.arange(size, dtype=torch.float64) / (RATE / DIVISOR)).float()
    to_half = Resampler(QUARTER_TO_HALF, (), up=True, device=CPU)
    to_full = Resampler(HALF_TO_FULL, (), up=True, device=CPU)
    # In two stretches: the second begins where the first ended.
    full = torch.cat([to_full(to_half(part)) for part in (low[: 32 * 60], low[32 * 60 :])]).double()
    late = DIVISOR * LOW.ahead + LATE
    times = torch.arange(DIVISOR * size, dtype=torch.float64) - late
    error = (full - torch.sin(2 * np.pi * hertz * times / RATE)).abs()
    assert float(error[2 * late :].max()) < 2e-3


def test_halving_the_rate_keeps_what_is_below_and_loses_what_is_above_the_new_limit() -> None:
    times = torch.arange(32 * 200, dtype=torch.float64) / RATE
    for hertz, left in ((1_000.0, 1.0), (9_000.0, 1.0), (16_000.0, 0.0), (22_000.0, 0.0)):
        half = Resampler(FULL_TO_HALF, (), up=False, device=CPU)
        heard = half(torch.sin(2 * np.pi * hertz * times).float())[64:].double()
        late = times[::2] - 2 * FULL_TO_HALF.reach / RATE
        expected = left * torch.sin(2 * np.pi * hertz * late)[64:]
        assert float((heard - expected).abs().max()) < 0.02, hertz


@pytest.mark.parametrize("stereo", ["mono", "wide"])
def test_an_echo_is_the_loop_that_its_labels_describe(stereo: str) -> None:
    score = score_of(stereo=stereo, echo="heavy", tempo="very_fast")
    played = torch.randn(1, 2, 40_000, generator=torch.Generator().manual_seed(0))
    sound = torch.zeros_like(played)
    echo = Echo([score], RATE, low=False, device=CPU)
    for begin, end in ((0, 4_096), (4_096, 40_000)):
        part = sound[:, :, begin:end].contiguous()
        echo.add(part, played[:, :, begin:end].contiguous())
        sound[:, :, begin:end] = part
    delay = int(0.75 * score.beat_s * RATE / DIVISOR) * DIVISOR
    send, feedback = ECHO_SEND["heavy"], ECHO_FEEDBACK["heavy"]
    expected = np.zeros((2, 40_000))
    for begin in range(delay, 40_000, delay):
        size = min(delay, 40_000 - begin)
        back = slice(begin - delay, begin - delay + size)
        looped = send * played[0, :, back].numpy() + feedback * expected[:, back]
        expected[:, begin : begin + size] = looped[::-1] if stereo == "wide" else looped
    np.testing.assert_allclose(sound[0].numpy(), expected, atol=1e-5)


def test_the_engine_gives_each_clip_of_a_batch_what_it_gives_it_alone() -> None:
    configs = [random_config(random.Random(60 + index)) for index in range(6)]
    scores = [compose(config, seconds=1.0) for config in configs]
    together = Engine(scores, 12, RATE, 0, CPU).mix(12)
    for index, score in enumerate(scores):
        assert torch.equal(together[index : index + 1], Engine([score], 12, RATE, 0, CPU).mix(12)), index


@pytest.mark.parametrize("hertz", [100.0, 1_000.0, 3_000.0, 7_000.0, 10_000.0, 15_000.0])
def test_a_tone_is_as_loud_as_the_standard_weighs_it(hertz: float) -> None:
    times = torch.arange(10 * RATE // FRAME * FRAME) / RATE
    tone = 0.3 * torch.sin(2 * np.pi * hertz * times)
    lufs = float(integrated_lufs(frame_powers(tone.expand(1, 2, -1), RATE)))
    # pyloudnorm's filters are the standard's bilinear ones, which bend the treble a little.
    assert lufs == pytest.approx(
        pyloudnorm.Meter(RATE).integrated_loudness(np.stack([tone, tone], 1)), abs=0.15
    )


def test_clips_are_as_loud_as_a_loudness_meter_says_they_should_be() -> None:
    meter = pyloudnorm.Meter(RATE)
    clips = render([random_config(random.Random(80 + index)) for index in range(8)])
    heard = [meter.integrated_loudness(clip.T.double().numpy()) for clip in clips]
    assert max(heard) < -17.5
    assert min(heard) > -18.7
