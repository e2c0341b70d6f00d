"""Whether a ranking's claims hold on simulated sweeps; benchmarks/ranking_calibration.py has more of them."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.ranking_calibration import bootstrap, calibrate, coverage, is_best, reliability
from benchmarks.simulated_sweeps import DRAWN, QUICKSTART, simulate


def test_intervals_of_two_noisy_seeds_hold_where_a_plain_bootstrap_does_not() -> None:
    rng = np.random.default_rng(0)
    truth = 0.02 * rng.standard_normal((200, 6))
    sweeps = simulate(rng, DRAWN, truth, num_seeds=2, num_vibes=40)
    # 1,200 intervals, of which those of one sweep go together: a standard error of about 1 %.
    mean, difference, pair = coverage(sweeps)
    assert mean == pytest.approx(0.95, abs=0.03)
    assert difference == pytest.approx(0.95, abs=0.03)
    assert pair == pytest.approx(0.96, abs=0.03)
    plain, _ = bootstrap(rng, sweeps)
    assert plain < 0.9


def test_the_probability_of_being_the_best_comes_true_and_the_best_is_tied_with_the_best() -> None:
    line, ours, wins = calibrate("noisy seeds", (150, 4), num_seeds=3, num_vibes=40)
    tied, said, right = line[4], line[8], line[9]
    # Standard error of a share of 150 sweeps: at most 4 %.
    assert tied >= 0.95
    assert said == pytest.approx(right, abs=0.12)
    claimed_by_bootstrap = wins.said.max(1).mean()
    came_true = wins.true[np.arange(150), wins.said.argmax(1)].mean()
    assert claimed_by_bootstrap - came_true > 0.15 > said - right
    assert ours.said.sum(1) == pytest.approx(np.ones(150))
    # The highest mean is too high, and the expectation of the same configuration is not.
    assert line[-2] > 0.01
    assert abs(line[-1]) < line[-2] / 2


def test_reliability_counts_what_came_true_of_what_was_said() -> None:
    truth = np.array([[0.1, 0.2], [0.4, 0.3]])
    _, claim, _ = calibrate("quickstart", (2, 2), num_seeds=2, num_vibes=10)
    table = reliability([claim._replace(said=np.array([[0.25, 0.75], [0.25, 0.75]]), true=is_best(truth))])
    assert table.tolist() == [[0.25, 0.5, 2.0], [0.75, 0.5, 2.0]]


def test_simulated_scores_have_the_noise_that_was_asked_for() -> None:
    rng = np.random.default_rng(1)
    truth = np.array([[0.3, -0.3]]).repeat(300, axis=0)
    sweeps = simulate(rng, QUICKSTART, truth, num_seeds=2, num_vibes=50)
    # A completion's standard deviation is near 0.2, so the mean over 300 * 2 * 50 has an error below 0.004.
    assert sweeps.scores.mean((0, 2, 3)) == pytest.approx([0.3, -0.3], abs=0.015)
    assert sweeps.untrained.mean() == pytest.approx(0, abs=0.015)
    within = sweeps.scores - sweeps.scores.mean(3, keepdims=True)
    # Vibes 0.06, policy and vibe 0.02, sound 0.06; 3 % of completions 1 lower: 0.03 * 0.97.
    expected = 0.06**2 + 0.02**2 + 0.06**2 + 0.03 * 0.97
    assert within.var() * 50 / 49 == pytest.approx(expected, rel=0.1)
