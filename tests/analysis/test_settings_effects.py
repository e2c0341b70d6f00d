"""Importance, interactions and response: what was planted is found, and what cannot be told is not said."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from analysis import compute_ranking, load_sweep
from analysis.effects import compute_effects
from analysis.effects_table import effects_json
from analysis.importance import compute_importances
from analysis.interactions import compute_interactions
from analysis.intervals import mean_interval
from analysis.outcomes import Outcomes, VariedSetting, compute_outcomes
from analysis.response import compute_responses

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.analysis.conftest import NewSweep, SweepWriter


def outcomes(
    num: int, truth: Callable[[np.ndarray, np.ndarray], np.ndarray], noise: float = 0.005, seed: int = 0
) -> Outcomes:
    """Configurations at random over two settings from 0 to 1, two seeds and 20 vibes."""
    rng = np.random.default_rng(seed)
    x, y = rng.random((2, num))
    means = truth(x, y)
    scores = means[:, None, None] + noise * rng.standard_normal((num, 2, 20))
    return Outcomes(
        labels=tuple(map(str, range(num))),
        settings=(VariedSetting("x", tuple(x.tolist())), VariedSetting("y", tuple(y.tolist()))),
        scores=tuple(scores),
    )


def test_the_setting_that_decides_is_told_and_the_other_is_not() -> None:
    found = compute_importances(outcomes(20, lambda x, y: x))
    assert found.not_told is None
    first, second = found.settings
    assert (first.path, second.path) == ("x", "y")
    assert first.fanova.value > 0.9
    assert first.fanova.is_told
    assert first.fanova.low <= first.fanova.value <= first.fanova.high
    assert not second.fanova.is_told
    assert first.ped_anova is not None
    assert second.ped_anova is not None
    assert first.ped_anova.value + second.ped_anova.value == pytest.approx(1)
    assert first.ped_anova.is_told
    # 0.005 over 40 completions beside a spread of 0.3.
    assert found.noise_share < 0.001


def test_pure_noise_seldom_tells_a_setting_and_is_called_noise() -> None:
    found = [compute_importances(outcomes(10, lambda x, y: 0 * x, noise=1.0, seed=s)) for s in range(4)]
    assert np.mean([one.noise_share for one in found]) > 0.6
    told = [share.fanova.is_told for one in found for share in one.settings]
    assert len(told) == 8
    # Each with a probability of 0.05: three or more of eight in 6 of 1,000 such tests.
    assert sum(told) <= 2


def test_few_configurations_have_a_reason_instead_of_an_importance() -> None:
    found = compute_importances(outcomes(7, lambda x, y: x))
    assert found.settings == ()
    assert found.not_told is not None
    assert found.not_told.startswith("importance takes at least 8 configurations, got 7")
    eight = compute_importances(outcomes(8, lambda x, y: x))
    assert [one.ped_anova for one in eight.settings] == [None, None]
    assert compute_interactions(outcomes(15, lambda x, y: x)).not_told == (
        "interactions take at least 16 configurations, got 15"
    )
    assert compute_importances(outcomes(9, lambda x, y: 0 * x, noise=0.0)).not_told == (
        "all configurations have the same objective"
    )


def test_settings_that_matter_only_together_are_told_as_a_pair() -> None:
    [crossed] = compute_interactions(outcomes(40, lambda x, y: (x - 0.5) * (y - 0.5))).pairs
    assert (crossed.first, crossed.second) == ("x", "y")
    assert crossed.share.value > 0.4
    assert crossed.share.is_told
    [added] = compute_interactions(outcomes(40, lambda x, y: x + y)).pairs
    assert added.share.value < 0.1
    assert not added.share.is_told


def test_a_grid_answers_with_everything_else_equal() -> None:
    rng = np.random.default_rng(1)
    x, y = (1, 1, 2, 2), ("a", "b", "a", "b")
    scores = [rng.standard_normal((2, 10)) + (5 if name == "b" else 0) for name in y]
    grid = Outcomes(("1a", "1b", "2a", "2b"), (VariedSetting("x", x), VariedSetting("y", y)), tuple(scores))
    by_x, by_y = compute_responses(grid)
    assert by_x.basis == by_y.basis == "matched"
    assert [level.value for level in by_x.levels] == [1, 2]
    assert [level.num_configurations for level in by_x.levels] == [2, 2]
    one = (scores[0] + scores[1]) / 2
    assert by_x.levels[0].objective.mean == pytest.approx(one.mean())
    # What b adds is alike at both values, and takes no part in the width.
    vibes_only = mean_interval(one.mean(0), confidence=0.95)
    assert vibes_only.half_width <= by_x.levels[0].objective.half_width < 2.5


def test_a_group_that_lacks_a_value_does_not_shift_the_others() -> None:
    # The configuration at y=9 has only x=1, and is far better for y's sake.
    x, y = (1, 2, 1), (0, 0, 9)
    scores = tuple(value + np.array([[0.0, 1.0, 0.0, 1.0]]) for value in (0.0, 1.0, 50.0))
    by_x, by_y = compute_responses(
        Outcomes(("a", "b", "c"), (VariedSetting("x", x), VariedSetting("y", y)), scores)
    )
    assert [level.objective.mean for level in by_x.levels] == [0.5, 1.5]
    # y=9 was tried with x=1 alone.
    assert [(level.value, level.objective.mean) for level in by_y.levels] == [(0, 0.5), (9, 50.5)]


def test_many_values_are_put_into_bins_and_averaged() -> None:
    found = outcomes(25, lambda x, y: x)
    by_x, _ = compute_responses(found)
    assert by_x.basis == "averaged"
    assert [level.num_configurations for level in by_x.levels] == [5] * 5
    means = [level.objective.mean for level in by_x.levels]
    assert means == sorted(means)
    lowest = np.sort(found.means)[:5]
    assert means[0] == pytest.approx(lowest.mean(), abs=0.01)


def test_redrawn_outcomes_vary_as_their_noise_does() -> None:
    rng = np.random.default_rng(2)
    scores = tuple(
        0.05 * rng.standard_normal((3, 1)) + 0.1 * rng.standard_normal((3, 400)) for _ in range(50)
    )
    found = Outcomes(tuple(map(str, range(50))), (), scores)
    drawn = found.redrawn(np.random.default_rng(0), 400)
    # Seeds 0.05 / sqrt 3, vibes 0.1 / sqrt 1200; the own spread of some is larger than the pooled one.
    assert drawn.std(0).mean() == pytest.approx((0.05**2 / 3 + 0.1**2 / 1200) ** 0.5, rel=0.25)
    assert drawn.mean(0) == pytest.approx(found.means, abs=0.01)


def test_a_sweeps_outcomes_have_its_settings_as_they_ran(small_sweep: SweepWriter) -> None:
    sweep = load_sweep(small_sweep.directory)
    found = compute_outcomes(sweep, compute_ranking(sweep))
    assert found is not None
    # Both had the same beta.
    assert [(setting.path, setting.values) for setting in found.settings] == [("lora.r", (8, 4))]
    assert found.means == pytest.approx([row.objective.mean for row in compute_ranking(sweep).configurations])


def test_weights_count_as_shares_and_infeasible_configurations_do_not_count(new_sweep: NewSweep) -> None:
    sweep = new_sweep()
    path = "grpo.reward.weights"
    for audio in (1.0, 3.0):
        params = {f"{path}.format_weight": 0.5, f"{path}.schema_weight": 0.5, f"{path}.audio_weight": audio}
        sweep.trial(f"audio={audio}", {1: [audio / 10, 0.1]}, params=params)
    hacked = {"flatness": 1.0, "level_db": -90.0, "clipped": 0.0, "similarity": 0.5, "mismatched": 0.5}
    sweep.trial("hacked", {1: [0.9] * 20}, params={"lora.r": 64}, heard=lambda vibe: hacked)
    stored = load_sweep(sweep.directory)
    ranking = compute_ranking(stored)
    assert [row.label for row in ranking.configurations if row.infeasible] == ["hacked"]
    found = compute_outcomes(stored, ranking)
    assert found is not None
    shares = {setting.path: setting.values for setting in found.settings}
    assert shares[f"{path}.audio_weight"] == (0.75, 0.5)
    assert "lora.r" not in shares


def test_what_cannot_be_told_is_null_with_a_reason(new_sweep: NewSweep) -> None:
    stored = load_sweep(new_sweep().directory)
    data = effects_json(compute_effects(stored, compute_ranking(stored)))
    assert data["settings"] == data["interactions"] == data["responses"] == []
    assert data["importance_not_told"] == "fewer than two configurations are ranked on the same vibes"
