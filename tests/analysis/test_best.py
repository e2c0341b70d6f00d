"""The probability of being the best, and shrunken means, against what can be worked out for equal noise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import ndtr

from analysis import compute_ranking, load_sweep, ranking_json
from analysis.best import contest, contest_of_means

if TYPE_CHECKING:
    from tests.analysis.conftest import NewSweep


def shrinkage(means: np.ndarray, variance: float) -> float:
    """Expected share of the way to the centre, B, with the arcsine distribution before anything is seen.

    Its posterior is B^((K-1)/2 - 1/2) (1 - B)^(-1/2) exp(-B SS / 2v) on (0, 1); with B = sin^2 x that is
    sin(x)^(K-1) exp(-sin(x)^2 SS / 2v) on (0, pi / 2).
    """
    power, half = len(means) - 1, ((means - means.mean()) ** 2).sum() / (2 * variance)
    total, moment = (
        quad(lambda x, p=p: np.sin(x) ** p * np.exp(-half * np.sin(x) ** 2), 0, np.pi / 2)[0]
        for p in (power, power + 2)
    )
    return float(moment / total)


@pytest.mark.parametrize("scale", [0.3, 1.0, 4.0])
def test_means_are_shrunk_by_the_expected_share_of_noise(scale: float) -> None:
    means = scale * np.array([0.1, 0.2, 0.4, 0.5])
    found = contest_of_means(means, np.full((1, 4), 0.01))
    share = shrinkage(means, 0.01)
    assert found.expected == pytest.approx(means + share * (means.mean() - means), abs=1e-3)


def test_of_two_the_probability_is_that_their_difference_is_positive() -> None:
    # Given B = sin^2 x, the difference is normal with mean (1 - B) d and variance 2 v (1 - B).
    d, v = 0.2, 0.01

    def posterior(x: float) -> float:
        return float(np.sin(x) * np.exp(-(np.sin(x) ** 2) * d**2 / (4 * v)))

    total = quad(posterior, 0, np.pi / 2)[0]
    positive = quad(lambda x: posterior(x) * ndtr(np.cos(x) * d / (2 * v) ** 0.5), 0, np.pi / 2)[0]
    found = contest_of_means(np.array([0.3, 0.3 + d]), np.full((1, 2), v))
    assert found.probability[1] == pytest.approx(positive / total, abs=0.01)
    assert found.probability.sum() == pytest.approx(1)


def test_equal_means_are_equally_probable() -> None:
    found = contest_of_means(np.full(5, 0.3), np.full((3, 5), 0.01))
    assert found.probability == pytest.approx(np.full(5, 0.2), abs=0.015)
    assert found.expected == pytest.approx(np.full(5, 0.3))


def test_what_every_vibe_does_to_all_alike_counts_for_nothing() -> None:
    vibes = np.linspace(-10, 10, 40)
    wiggle = 0.001 * (-1.0) ** np.arange(40.0)
    found = contest([(vibes + wiggle)[None], (vibes - wiggle + 0.01)[None]])
    assert found.probability[1] > 0.999


def test_seeds_that_differ_leave_it_open_where_vibes_alone_would_not() -> None:
    wiggle = 0.001 * (-1.0) ** np.arange(40.0)
    seeds = np.array([[-0.05], [0.05]])
    vibes_only = contest([wiggle[None], wiggle[None] + 0.02])
    with_seeds = contest([wiggle + seeds, -wiggle + 0.02 + seeds])
    assert vibes_only.probability[1] > 0.999
    assert 0.5 < with_seeds.probability[1] < 0.7


def test_one_configuration_is_the_best_of_one() -> None:
    found = contest([np.array([[0.1, 0.3]])])
    assert (found.probability.tolist(), found.expected.tolist()) == ([1.0], [0.2])


def test_scores_without_any_spread_are_told_apart() -> None:
    found = contest([np.full((2, 3), 0.5), np.full((2, 3), 0.6)])
    assert found.probability[1] == 1
    assert found.expected == pytest.approx([0.5, 0.6], abs=1e-3)


def test_other_vibes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"arms must share their vibes, got \[2, 3\] of them"):
        contest([np.ones((1, 2)), np.ones((1, 3))])


def test_configurations_are_compared_on_the_vibes_that_all_have(new_sweep: NewSweep) -> None:
    sweep = new_sweep()
    sweep.untrained([0.0, 0.0, 0.0, 0.0])
    sweep.trial("a", {1: [0.0, 0.2, 0.1, 0.8]})
    sweep.trial("b", {1: [0.2, 0.4, 0.3, "unscored"]})
    ranking = compute_ranking(load_sweep(sweep.directory))
    # With the last vibe a has the higher mean; on the three that both have, b is 0.1 ahead at each.
    rows = {row["label"]: row for row in ranking_json(ranking)["rows"]}
    assert rows["b"]["p_best"] == 1
    assert rows["b"]["expected"] == pytest.approx(0.65, abs=1e-3)
    assert (rows["untrained policy"]["p_best"], rows["untrained policy"]["expected"]) == (None, None)


def test_a_steadier_configuration_may_be_likelier_to_be_the_best(new_sweep: NewSweep) -> None:
    sweep = new_sweep()
    # The first one's mean is higher by 0.004, and its vibes are all over the place.
    sweep.trial("wild", {1: [0.9, -0.5, 0.8, -0.4, 0.7, 0.348]})
    sweep.trial("steady", {1: [0.3, 0.31, 0.3, 0.29, 0.3, 0.3]})
    sweep.trial("low", {1: [0.1, 0.11, 0.1, 0.09, 0.1, 0.1]})
    ranking = compute_ranking(load_sweep(sweep.directory))
    assert [row.label for row in ranking.configurations] == ["wild", "steady", "low"]
    sentences = ranking_json(ranking)["summary"]
    assert sentences[2].startswith("Likelier to be the best, with probability 0.")
    assert sentences[2].endswith(", is steady: its mean is known more closely.")


def test_the_summary_says_how_probable_the_best_is(new_sweep: NewSweep) -> None:
    sweep = new_sweep()
    sweep.trial("a", {1: [0.0, 0.2, 0.1]})
    sweep.trial("b", {1: [0.2, 0.4, 0.3]})
    sentences = ranking_json(compute_ranking(load_sweep(sweep.directory)))["summary"]
    assert sentences[1] == (
        "It is the best of 2 with probability 1.00; corrected for having been picked, 0.650 is to be "
        "expected of it again."
    )
