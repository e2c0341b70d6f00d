"""Intervals, worked out by hand on small tables."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.intervals import SeedNoise, mean_interval, mean_intervals, seed_noise

T_1, T_2 = 12.706205, 4.302653
"""97.5 % points of Student's t with 1 and 2 degrees of freedom."""


def test_one_seed_gives_the_students_t_interval_over_vibes() -> None:
    # Vibes 1, 2, 3: mean 2, variance 1, so the mean's is 1/3.
    [interval] = mean_intervals([np.array([[1.0, 2.0, 3.0]])], confidence=0.95)
    assert interval.mean == 2
    assert interval.half_width == pytest.approx(T_2 * (1 / 3) ** 0.5, rel=1e-6)


def test_two_seeds_add_their_variance_without_the_rest_counted_twice() -> None:
    # Vibe means 2 and 4: variance 2, over V = 2: 1. Seed means 1.5 and 4.5: variance 4.5, over S = 2: 2.25.
    # Rest: +-0.5 in four cells with (S - 1)(V - 1) = 1 degree of freedom: 1, over S V = 4: 0.25.
    # Variance 1 + 2.25 - 0.25 = 3; both sources have one degree of freedom.
    [interval] = mean_intervals([np.array([[1.0, 2.0], [3.0, 6.0]])], confidence=0.95)
    assert interval.mean == 3
    assert interval.half_width == pytest.approx(T_1 * 3**0.5, rel=1e-6)


def test_the_critical_value_is_weighted_by_where_the_variance_comes_from() -> None:
    # Vibes: 1/3 with 2 degrees of freedom. Seeds: 1 with 1. Weighted t: (T_2 / 3 + T_1) / (1/3 + 1).
    interval = mean_interval(np.array([1.0, 2.0, 3.0]), confidence=0.95, noise=SeedNoise(1.0, 0.0, 1))
    critical = (T_2 / 3 + T_1) / (4 / 3)
    assert interval.half_width == pytest.approx(critical * (4 / 3) ** 0.5, rel=1e-6)


def test_the_variance_is_never_below_that_of_the_vibes() -> None:
    # The seeds' means agree better than the rest lets expect: the vibes' 1/3 stays.
    interval = mean_interval(np.array([1.0, 2.0, 3.0]), confidence=0.95, noise=SeedNoise(0.1, 0.5, 2))
    assert interval.half_width == pytest.approx(T_2 * (1 / 3) ** 0.5, rel=1e-6)


def test_seeds_that_agree_by_chance_take_the_pooled_spread() -> None:
    # Spreads 0 and 2 with one degree of freedom each: pooled 1. The second keeps its own 2. Over S = 2.
    agreeing, apart = np.array([[1.0, 2.0], [1.0, 2.0]]), np.array([[1.0, 2.0], [3.0, 4.0]])
    assert seed_noise([agreeing, apart]) == [SeedNoise(0.5, 0.0, 2), SeedNoise(1.0, 0.0, 2)]


def test_one_seed_takes_the_spread_of_its_neighbours() -> None:
    # The neighbour's spread of 2 with one degree of freedom, over S = 1.
    single, apart = np.array([[1.0, 2.0]]), np.array([[1.0, 2.0], [3.0, 4.0]])
    assert seed_noise([single, apart])[0] == SeedNoise(2.0, 0.0, 1)


def test_without_replicates_nothing_is_known_of_the_seeds() -> None:
    assert [noise.df for noise in seed_noise([np.ones((1, 3)), np.ones((1, 3))])] == [0, 0]


def test_the_order_of_seeds_and_vibes_does_not_matter() -> None:
    scores = np.random.default_rng(0).normal(size=(3, 7))
    [interval] = mean_intervals([scores], confidence=0.95)
    [shuffled] = mean_intervals([scores[[2, 0, 1]][:, ::-1]], confidence=0.95)
    assert shuffled == pytest.approx(interval, abs=1e-12)


def test_scores_without_spread_have_an_interval_of_width_zero() -> None:
    assert mean_intervals([np.full((2, 3), 0.5)], confidence=0.95)[0] == (0.5, 0.5, 0.5)


@pytest.mark.parametrize("by_vibe", [np.array([1.0]), np.array([1.0, np.nan]), np.ones((2, 2))])
def test_what_has_no_interval_is_refused(by_vibe: np.ndarray) -> None:
    with pytest.raises(ValueError, match="by_vibe must be finite and hold >= 2 scores"):
        mean_interval(by_vibe, confidence=0.95)


def test_a_confidence_of_one_is_refused() -> None:
    with pytest.raises(ValueError, match=r"confidence must lie in \(0, 1\), got 1"):
        mean_interval(np.array([1.0, 2.0]), confidence=1)


def test_corrected_intervals_of_two_noisy_seeds_cover_the_truth_of_all_configurations() -> None:
    # 300 sweeps of four configurations whose true difference is 0; benchmarks/interval_coverage.py has more.
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(300):
        vibe = rng.normal(0, 0.12, (1, 60))
        arms = [vibe + rng.normal(0, 0.03, (2, 1)) + rng.normal(0, 0.1, (2, 60)) for _ in range(4)]
        covered += all(
            interval.low <= 0 <= interval.high for interval in mean_intervals(arms, confidence=0.9875)
        )
    assert covered / 300 >= 0.95
