"""Learning curves of trials, and of configurations over their seeds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from analysis import compute_ranking, load_sweep
from analysis.curves import compute_curve_bands, compute_learning_curves
from common.objective import ObjectiveConfig
from common.reward_config import RewardWeights

if TYPE_CHECKING:
    from tests.analysis.conftest import NewSweep, SweepWriter


def test_a_learning_curve_has_the_objective_of_every_evaluation(small_sweep: SweepWriter) -> None:
    curves = compute_learning_curves(load_sweep(small_sweep.directory))
    [curve] = [c for c in curves if c.label == "lora.r=8, grpo.beta=0.02" and c.seed == 1]
    # (0.5 - 0.15 + 0.6) / 3, and 0.5 + 0.5 * (0.4 + 0.2 + 0.6) / 3.
    assert curve.steps == (0, 4)
    assert curve.objective == pytest.approx((0.95 / 3, 0.7))
    assert curve.at(4) == pytest.approx(0.7)
    assert curve.at(2) is None
    assert [c.label for c in curves if c.kind == "baseline"] == ["random valid configs", "untrained policy"]


def test_a_curve_follows_other_weights(small_sweep: SweepWriter) -> None:
    audio = ObjectiveConfig(weights=RewardWeights(format_weight=0, schema_weight=0, audio_weight=1))
    curves = compute_learning_curves(load_sweep(small_sweep.directory), audio)
    [curve] = [c for c in curves if c.label == "lora.r=8, grpo.beta=0.02" and c.seed == 1]
    assert curve.objective[-1] == pytest.approx(0.4)


def test_a_running_trial_has_a_curve(new_sweep: NewSweep) -> None:
    sweep = new_sweep()
    sweep.trial("a", {0: ["unscored", 0.2], 3: [0.4, 0.2]}, status=None)
    [curve] = compute_learning_curves(load_sweep(sweep.directory))
    assert curve.objective == pytest.approx((0.6, 0.65))


def test_a_band_ends_with_the_interval_of_the_ranking(small_sweep: SweepWriter) -> None:
    sweep = load_sweep(small_sweep.directory)
    bands = {band.label: band for band in compute_curve_bands(sweep)}
    for row in compute_ranking(sweep).configurations:
        band = bands[row.label]
        assert band.num_seeds == 2
        assert band.steps == (0, 4)
        np.testing.assert_allclose(band.objective[-1], row.objective)


def test_a_band_has_the_steps_that_all_seeds_reached(new_sweep: NewSweep) -> None:
    sweep = new_sweep()
    sweep.trial("a", {0: [0.1, 0.2], 2: [0.3, 0.4], 4: [0.5, 0.6]}, seed=0)
    sweep.trial("a", {0: [0.1, 0.2], 2: [0.1, 0.2]}, seed=1, status="stopped")
    sweep.trial("a", {0: [9.0, 9.0]}, seed=2, status="failed")
    [band] = compute_curve_bands(load_sweep(sweep.directory))
    assert band.steps == (0, 2)
    assert band.num_seeds == 2
    # 0.5 + 0.5 * (0.35 + 0.15) / 2.
    assert band.objective[1].mean == pytest.approx(0.625)
