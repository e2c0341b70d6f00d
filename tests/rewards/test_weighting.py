"""Components to one reward."""

from __future__ import annotations

import pytest

from common.reward_config import RewardWeights
from rewards import Components, weighted_reward

WEIGHTS = RewardWeights()  # 0.2 / 0.3 / 0.5


def test_a_scored_completion_gets_the_weighted_sum() -> None:
    # 0.2 * 1 + 0.3 * 0.5 + 0.5 * 0.4 = 0.55
    assert weighted_reward(Components(1.0, 0.5, 0.4, renderable=True), WEIGHTS, -1.0) == pytest.approx(0.55)


def test_a_config_that_cannot_be_rendered_gets_the_floor() -> None:
    # 0.2 * 1 + 0.3 * 0.9 + 0.5 * -0.8 = 0.07
    unheard = Components(1.0, 0.9, None, renderable=False)
    assert weighted_reward(unheard, WEIGHTS, -0.8) == pytest.approx(0.07)


def test_without_an_audio_scorer_audio_has_no_part() -> None:
    # 0.2 * 1 + 0.3 * 0.9 = 0.47
    assert weighted_reward(Components(1.0, 0.9, None, renderable=None), WEIGHTS, -1.0) == pytest.approx(0.47)


def test_an_unscored_completion_has_no_reward_and_never_a_zero() -> None:
    assert weighted_reward(Components.missing("the scorer died"), WEIGHTS, -1.0) is None
