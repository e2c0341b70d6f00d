"""Re-weighting: the ranking that an evaluation under other weights would have given, and who wins where."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

import pytest

from analysis import compute_ranking, load_sweep, ranking_json
from analysis.figures.trained_weights import TRAINED_WEIGHTS
from analysis.figures.weight_map import plot_weight_map
from analysis.mixture import mean_components, trained_shares, weight_effects, weight_map
from analysis.ranking_csv import ranking_csv
from common.reward_config import RewardWeights
from tests.analysis.conftest import SweepWriter

if TYPE_CHECKING:
    from pathlib import Path

    from tests.analysis.conftest import NewSweep

OTHER = RewardWeights(format_weight=0.1, schema_weight=0.6, audio_weight=0.3)


def write(sweep: SweepWriter) -> SweepWriter:
    """Completions with every component different; `sound` sounds best, `form` keeps the contract."""
    sweep.untrained([(1.0, 0.5, 0.1), (0.0, 0.25, None), (1.0, 1.0, 0.2)])
    for seed in (0, 1):
        near = 0.01 * seed
        sweep.trial("sound", {2: [(0.0, 0.5, 0.9 + near), (1.0, 0.75, 0.7), (0.0, 0.5, None)]}, seed=seed,
                    params={"lora.r": 4})  # fmt: skip
        sweep.trial("form", {2: [(1.0, 1.0, -0.1), (1.0, 1.0, 0.1), (1.0, 1.0, 0.0 + near)]}, seed=seed,
                    params={"lora.r": 8})  # fmt: skip
    return sweep


def test_re_weighting_gives_exactly_the_ranking_of_an_evaluation_under_these_weights(tmp_path: Path) -> None:
    first = write(SweepWriter(tmp_path / "first" / "small"))
    under_other = write(SweepWriter(tmp_path / "second" / "small", weights=OTHER.model_dump()))
    asked_later = compute_ranking(load_sweep(first.directory), weights=OTHER)
    assert asked_later == compute_ranking(load_sweep(under_other.directory))
    assert asked_later != compute_ranking(load_sweep(first.directory))


def test_the_map_says_who_wins_under_which_weights(new_sweep: NewSweep) -> None:
    ranking = compute_ranking(load_sweep(write(new_sweep()).directory))
    points = {point.weights: point for point in weight_map(ranking, steps=2)}
    assert set(points) == {(1, 0, 0), (0, 1, 0), (0, 0, 1), (0.5, 0.5, 0), (0.5, 0, 0.5), (0, 0.5, 0.5)}
    # Audio: sound (0.905 + 0.7 - 1) / 3, form (-0.1 + 0.1 + 0.005) / 3. Format: 1 / 3 and 1. Schema: 1.75 / 3
    # and 1.
    assert points[0, 0, 1].best.label == "sound"
    assert points[0, 0, 1].objective == pytest.approx(0.605 / 3)
    assert points[0, 0, 1].lead == pytest.approx(0.6 / 3)
    assert points[0, 0.5, 0.5].best.label == "form"
    assert points[0, 0.5, 0.5].lead == pytest.approx(0.5 * (1 - 1.75 / 3) - 0.5 * 0.2)
    assert points[1, 0, 0].lead == pytest.approx(2 / 3)


def test_the_map_agrees_with_the_ranking_under_the_same_weights(new_sweep: NewSweep) -> None:
    sweep = load_sweep(write(new_sweep()).directory)
    for point in weight_map(compute_ranking(sweep), steps=4):
        weights = dict(zip(("format_weight", "schema_weight", "audio_weight"), point.weights, strict=True))
        best = compute_ranking(sweep, weights=RewardWeights(**weights)).configurations[0]
        assert best.label == point.best.label
        assert best.objective.mean == pytest.approx(point.objective)


def test_mean_components_make_up_the_objective(new_sweep: NewSweep) -> None:
    ranking = compute_ranking(load_sweep(write(new_sweep(audio_floor=-2)).directory))
    for row in ranking.rows:
        form, schema, audio = mean_components(row, audio_floor=-2)
        assert 0.2 * form + 0.3 * schema + 0.5 * audio == pytest.approx(row.objective.mean)


def test_no_steps_are_refused(new_sweep: NewSweep) -> None:
    ranking = compute_ranking(load_sweep(new_sweep().directory))
    assert weight_map(ranking) == []
    with pytest.raises(ValueError, match="steps must be >= 1, got 0"):
        weight_map(ranking, steps=0)


def test_a_trained_weight_and_the_outcome_are_correlated_by_rank(new_sweep: NewSweep) -> None:
    sweep = new_sweep()
    # Shares of audio 0.1, 0.5, 0.9 with outcomes that rise; those of format fall; schema's does not vary.
    for audio, outcome in ((0.1, 0.0), (0.5, 0.1), (0.9, 0.9)):
        path = "grpo.reward.weights"
        params = {
            f"{path}.format_weight": 1 - audio,
            f"{path}.schema_weight": 0.0,
            f"{path}.audio_weight": audio,
        }
        sweep.trial(f"audio={audio}", {1: [outcome, outcome + 0.1]}, params=params)
    stored = load_sweep(sweep.directory)
    effects = weight_effects(stored, compute_ranking(stored))
    assert [effect.component for effect in effects] == ["format", "audio"]
    assert [effect.correlation for effect in effects] == pytest.approx([-1, 1])
    assert [effect.num_configurations for effect in effects] == [3, 3]


def test_what_was_trained_for_is_drawn_against_the_outcome(new_sweep: NewSweep) -> None:
    sweep = new_sweep()
    path = "grpo.reward.weights"
    for audio, outcome in ((1.0, 0.0), (3.0, 0.2), (9.0, 0.1)):
        params = {f"{path}.format_weight": 1.0, f"{path}.schema_weight": 0.0, f"{path}.audio_weight": audio}
        sweep.trial(f"audio={audio}", {1: [outcome, outcome + 0.1]}, params=params)
    stored = load_sweep(sweep.directory)
    figure = TRAINED_WEIGHTS.draw(stored, compute_ranking(stored))
    assert figure is not None
    form, sound = figure.data
    # Best first: 3 of 4, then 9 of 10 and 1 of 2. By rank they go up, up, down: 1 - 6 x 2 / (3 x 8).
    assert list(sound.x) == pytest.approx([0.75, 0.9, 0.5])
    assert list(sound.y) == pytest.approx([0.625, 0.575, 0.525])
    assert list(form.x) == pytest.approx([0.25, 0.1, 0.5])
    assert (form.name, sound.name) == (
        "format: correlation -0.50, p 0.67",
        "audio: correlation +0.50, p 0.67",
    )


def test_a_reward_without_sound_was_not_trained_for_sound(new_sweep: NewSweep) -> None:
    sweep = new_sweep()
    sweep.trial("a", {1: [0.1, 0.2]}, params={"grpo.reward.reward_type": "schema_only"})
    stored = load_sweep(sweep.directory)
    [trained] = trained_shares(stored, compute_ranking(stored))
    # 0.2 and 0.3 of 0.5; the third weight, 0.5, weighs nothing.
    assert trained.shares == pytest.approx((0.4, 0.6, 0.0))


def test_weights_that_never_varied_have_no_effect_to_tell(new_sweep: NewSweep) -> None:
    stored = load_sweep(write(new_sweep()).directory)
    ranking = compute_ranking(stored)
    assert weight_effects(stored, ranking) == []
    assert TRAINED_WEIGHTS.draw(stored, ranking) is None


def test_the_triangle_has_a_trace_for_each_winner(new_sweep: NewSweep) -> None:
    points = weight_map(compute_ranking(load_sweep(write(new_sweep()).directory)), steps=4)
    figure = plot_weight_map(points)
    assert sum(len(trace.a) for trace in figure.data) == len(points) == 15
    assert {trace.name.split(" ")[0] for trace in figure.data} == {"sound", "form"}


def test_csv_has_the_rows_of_the_json(small_sweep: SweepWriter) -> None:
    ranking = compute_ranking(load_sweep(small_sweep.directory))
    lines = list(csv.DictReader(io.StringIO(ranking_csv(ranking))))
    rows = ranking_json(ranking)["rows"]
    assert [line["label"] for line in lines] == [row["label"] for row in rows]
    assert [float(line["mean"]) for line in lines] == [row["mean"] for row in rows]
    assert lines[0]["params"] == '{"lora.r": 8, "grpo.beta": 0.02}'
    assert lines[1]["diff_mean"] == ""
