"""The division of the reward's variance among its components."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from common.reward_variance import reward_variance

WEIGHTS = np.array([0.2, 0.3, 0.5])


def test_shares_are_covariances_with_the_total() -> None:
    # One group of 4, weights 1 and 1: x1 = (-1, -1, 1, 1), x2 = (-2, 2, -2, 2), R = (-3, 1, -1, 3).
    # sum(x1 R) = 3 - 1 - 1 + 3 = 4, sum(x2 R) = 6 + 2 + 2 + 6 = 16, sum(R^2) = 9 + 1 + 1 + 9 = 20.
    rewards = np.array([[[0, 1], [0, 5], [2, 1], [2, 5]]], dtype=float)
    found = reward_variance(rewards, np.array([1.0, 1.0]), "sum_then_normalize")
    assert found.shares == pytest.approx((4 / 20, 16 / 20), abs=1e-15)
    assert found.flat_groups == 0


def test_an_inert_component_has_no_share_whatever_its_weight() -> None:
    rng = np.random.default_rng(0)
    rewards = rng.normal(size=(5, 4, 3))
    rewards[:, :, 0] = 1.0  # always one JSON object
    shares = reward_variance(rewards, np.array([100.0, 0.3, 0.5]), "sum_then_normalize").shares
    assert shares is not None
    assert shares[0] == pytest.approx(0, abs=1e-15)
    assert sum(shares) == pytest.approx(1, abs=1e-12)


def test_a_component_that_works_against_the_others_has_a_negative_share() -> None:
    # x1 = (-3, 3), x2 = (1, -1), R = (-2, 2): 12 / 8 and -4 / 8.
    rewards = np.array([[[0, 2], [6, 0]]], dtype=float)
    found = reward_variance(rewards, np.array([1.0, 1.0]), "sum_then_normalize")
    assert found.shares == pytest.approx((1.5, -0.5), abs=1e-15)


def test_what_differs_between_groups_alone_counts_for_nothing() -> None:
    # Groups of other vibes have another level of audio; GRPO subtracts it.
    rewards = np.array([[[0, 9], [1, 9]], [[0, -9], [1, -9]]], dtype=float)
    found = reward_variance(rewards, np.array([1.0, 1.0]), "sum_then_normalize")
    assert found.shares == pytest.approx((1.0, 0.0), abs=1e-15)


def test_flat_groups_are_counted_and_have_no_part_in_the_shares() -> None:
    flat = [[0.1, 0.2, 0.3]] * 4
    varied = [[0.0, 0.5, 0.0], [0.0, 0.7, 0.0], [0.0, 0.1, 0.0], [0.0, 0.5, 0.0]]
    found = reward_variance(np.array([flat, varied, flat, flat]), WEIGHTS, "sum_then_normalize")
    assert found.flat_groups == 0.75
    assert found.shares == pytest.approx((0, 1, 0), abs=1e-12)
    assert reward_variance(np.array([flat]), WEIGHTS, "sum_then_normalize") == (None, 1.0)


def test_an_unscored_completion_is_left_out_of_its_group() -> None:
    whole = np.array([[[0, 1], [0, 5], [2, 1], [2, 5]]], dtype=float)
    with_hole = np.insert(whole, 2, np.nan, axis=1)
    for aggregation in ("sum_then_normalize", "normalize_then_sum"):
        one, other = (reward_variance(r, np.array([1.0, 2.0]), aggregation) for r in (whole, with_hole))
        assert one.shares is not None
        assert other.shares == pytest.approx(one.shares, abs=1e-15)
    alone = np.full((1, 4, 2), np.nan)
    alone[0, 1] = 3
    assert reward_variance(alone, np.array([1.0, 1.0]), "sum_then_normalize") == (None, 1.0)


def test_normalized_components_share_by_their_weights_and_not_by_their_scale() -> None:
    # Standardized, both are +-1 / (std + 1e-4) and uncorrelated: 3^2 to 1^2 but for the 1e-4.
    rewards = np.array([[[0, 0], [0, 1000], [1, 0], [1, 1000]]], dtype=float)
    found = reward_variance(rewards, np.array([3.0, 1.0]), "normalize_then_sum")
    assert found.shares == pytest.approx((0.9, 0.1), abs=1e-4)


@given(
    arrays(np.float64, (3, 4, 3), elements=st.floats(-3, 1)),
    arrays(np.float64, 3, elements=st.floats(0.01, 1)),
    st.sampled_from(["sum_then_normalize", "normalize_then_sum"]),
)
def test_the_shares_sum_to_one(rewards: np.ndarray, weights: np.ndarray, aggregation: str) -> None:
    found = reward_variance(rewards, weights, aggregation)  # type: ignore[arg-type]  # sampled
    assert found.shares is None or sum(found.shares) == pytest.approx(1, abs=1e-9)
    assert (found.shares is None) == (found.flat_groups == 1)


def test_rewards_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match=r"rewards must be \[P, G, K\].*got \(0, 4, 3\) and \(3,\)"):
        reward_variance(np.zeros((0, 4, 3)), WEIGHTS, "sum_then_normalize")
