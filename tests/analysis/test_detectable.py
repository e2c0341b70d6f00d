"""The smallest detectable difference: its arithmetic, and whether a sweep really detects it so often."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.special import stdtrit
from scipy.stats import nct

from analysis import load_sweep
from analysis.comparisons import is_ahead
from analysis.detectable import (
    POWER,
    Spreads,
    policy_spread,
    seed_spread,
    seed_spread_of,
    smallest_detectable,
    spreads_of,
)
from analysis.intervals import CONFIDENCE, mean_interval, mean_intervals, seed_noise
from common.errors import UserError
from common.noise_floor import NoiseFloor, NoiseFloorKey
from common.objective import ObjectiveConfig

if TYPE_CHECKING:
    from tests.analysis.conftest import NewSweep


def floor(*, decoding: float, seeds: float | None = None) -> NoiseFloor:
    return NoiseFloor(
        key=NoiseFloorKey.of("tiny", ObjectiveConfig()),
        scorer_id="clap",
        renderer_id="ours",
        num_vibes=2,
        num_decoding_seeds=2,
        num_render_seeds=2,
        num_clips=2,
        objective_decoding=decoding,
        objective_vibes=1.0,
        audio_render=0.1,
        audio_configs=0.2,
        numerics_microbatch=0.0,
        numerics_threads=0.0,
        objective_seeds=seeds,
    )


def test_decoding_noise_shrinks_with_the_root_of_seeds_vibes_and_samples() -> None:
    found = smallest_detectable(floor(decoding=0.1), seeds=1, vibes=50, samples=3)
    # Variance 2 * 0.1^2 / (50 * 3); a t test with 49 degrees of freedom finds it with the power of a
    # noncentral t distribution.
    power = nct.sf(stdtrit(49, 0.975), 49, found / (0.02 / 150) ** 0.5)
    assert power == pytest.approx(POWER, abs=0.005)
    assert smallest_detectable(floor(decoding=0.0), seeds=1, vibes=2) == 0


def test_more_vibes_do_not_help_against_training_seeds() -> None:
    noisy = floor(decoding=0.0, seeds=0.05)
    few, many = (smallest_detectable(noisy, seeds=3, vibes=vibes) for vibes in (50, 5000))
    assert few == pytest.approx(many, rel=0.01)


def test_comparing_more_configurations_takes_a_larger_difference() -> None:
    one, ten = (smallest_detectable(floor(decoding=0.1), seeds=1, vibes=50, num_compared=n) for n in (1, 10))
    power = nct.sf(stdtrit(49, 0.9975), 49, ten / (0.02 / 50) ** 0.5)
    assert power == pytest.approx(POWER, abs=0.005)
    assert ten > one


def test_configurations_share_what_their_seeds_tell() -> None:
    noisy = floor(decoding=0.0, seeds=0.05)
    two, eight = (smallest_detectable(noisy, seeds=2, vibes=50, num_compared=n) for n in (2, 8))
    # Eight tell the spread better than two, by more than correcting for eight costs.
    assert eight < two


def test_policies_that_take_differently_to_vibes_are_told_apart_later() -> None:
    alike = smallest_detectable(floor(decoding=0.1), seeds=1, vibes=50)
    found = smallest_detectable(floor(decoding=0.1), seeds=1, vibes=50, policies=0.1)
    # Twice the variance.
    assert found == pytest.approx(alike * 2**0.5, rel=0.01)


@pytest.mark.parametrize("seeds", [2, 3])
def test_a_difference_of_that_size_is_found_four_times_in_five_over_seeds(seeds: int) -> None:
    rng = np.random.default_rng(0)
    shape = (1500, 4, seeds, 40)
    noise = Spreads(0.1, 0.03)
    size = smallest_detectable(noise, seeds=seeds, vibes=40, num_compared=4, policies=0.05)
    scores = 0.1 * rng.standard_normal(shape) + 0.03 * rng.standard_normal((*shape[:3], 1))
    scores += 0.05 * rng.standard_normal((*shape[:2], 1, 40))
    scores[:, 0] += size
    found = []
    for arms in scores:
        both, means = seed_noise(list(arms)), arms.mean(1)
        found.append(is_ahead(means[0] - means[1], both[0].plus(both[1]), num_compared=4))
    # 1,500 draws of probability 0.8 have a standard error of 0.01.
    assert np.mean(found) == pytest.approx(POWER, abs=0.03)


@pytest.mark.parametrize(("seeds", "vibes"), [(0, 5), (1, 1)])
def test_too_few_of_anything_is_refused(seeds: int, vibes: int) -> None:
    with pytest.raises(ValueError, match="vibes >= 2"):
        smallest_detectable(floor(decoding=0.1), seeds=seeds, vibes=vibes)


def test_a_difference_of_that_size_is_found_four_times_in_five() -> None:
    rng = np.random.default_rng(0)
    vibes, sd, repeats = 40, 0.1, 2000
    size = smallest_detectable(floor(decoding=sd), seeds=1, vibes=vibes)
    better, other = rng.normal(size, sd, (repeats, vibes)), rng.normal(0, sd, (repeats, vibes))
    found = np.mean([mean_interval(pair, confidence=CONFIDENCE).low > 0 for pair in better - other])
    # 2,000 draws of probability 0.8 have a standard error of 0.009.
    assert found == pytest.approx(POWER, abs=0.03)


def test_the_spread_of_seeds_is_found_beside_that_of_vibes() -> None:
    rng = np.random.default_rng(1)
    arms = [
        rng.normal(0, 0.3, (1, 30)) + rng.normal(0, 0.05, (3, 1)) + rng.normal(0, 0.1, (3, 30))
        for _ in range(400)
    ]
    # 800 degrees of freedom: a standard error of 1.25 % of the root of 0.05^2 + 0.1^2 / 30, 0.053.
    assert seed_spread(arms) == pytest.approx(0.05, abs=0.004)
    same = [np.repeat(arm[:1], 3, axis=0) for arm in arms]
    assert seed_spread(same) == pytest.approx(0, abs=1e-12)
    assert seed_spread([arm[:1] for arm in arms]) is None


def test_a_stored_sweep_tells_the_spread_of_its_seeds(new_sweep: NewSweep) -> None:
    sweep = new_sweep()
    sweep.trial("a", {1: [0.0, 0.2, 0.4]}, seed=0, params={"lora.r": 4})
    sweep.trial("a", {1: [0.2, 0.4, 0.6]}, seed=1, params={"lora.r": 4})
    # The seeds' mean objectives are 0.5 * 0.2 apart at every vibe: variance 0.1^2 / 2.
    assert seed_spread_of(load_sweep(sweep.directory)) == pytest.approx(0.005**0.5)


def test_a_sweep_with_one_seed_tells_no_spread(new_sweep: NewSweep) -> None:
    sweep = new_sweep()
    sweep.trial("a", {1: [0.0, 0.2, 0.4]})
    with pytest.raises(UserError, match="must have a configuration with two finished seeds, got none"):
        seed_spread_of(load_sweep(sweep.directory))


def test_an_untrained_policy_has_no_training_seeds_and_one_evaluation() -> None:
    rng = np.random.default_rng(3)
    size = smallest_detectable(floor(decoding=0.1, seeds=0.05), seeds=3, vibes=40, untrained=True)
    untrained = 0.1 * rng.standard_normal((2000, 1, 40))
    trained = 0.1 * rng.standard_normal((2000, 3, 40)) + 0.05 * rng.standard_normal((2000, 3, 1)) + size
    found = [mean_intervals([pair], confidence=CONFIDENCE)[0].low > 0 for pair in trained - untrained]
    assert np.mean(found) == pytest.approx(POWER, abs=0.03)
    # With one seed and no noise of seeds the two sides are alike.
    one, other = (
        smallest_detectable(floor(decoding=0.1), seeds=1, vibes=40, untrained=untrained)
        for untrained in (True, False)
    )
    assert one == other


def test_policies_spread_over_vibes_is_found_beside_decoding() -> None:
    rng = np.random.default_rng(4)
    own = 0.05 * rng.standard_normal((40, 1, 200))
    arms = list(0.1 * rng.standard_normal((40, 2, 200)) + own + 0.3 * rng.standard_normal(200))
    assert policy_spread(arms) == pytest.approx(0.05, abs=0.003)
    assert policy_spread(arms[:1]) == 0
    assert policy_spread([arm[:1] for arm in arms]) == 0


def test_a_sweeps_own_seeds_tell_both_spreads() -> None:
    rng = np.random.default_rng(2)
    arms = [
        rng.normal(0, 0.3, (1, 30)) + rng.normal(0, 0.05, (2, 1)) + rng.normal(0, 0.1, (2, 30))
        for _ in range(400)
    ]
    found = spreads_of([*arms, arms[0][:1]])
    assert found is not None
    # 11,600 degrees of freedom: a standard error of 0.7 %.
    assert found.objective_decoding == pytest.approx(0.1, abs=0.003)
    assert found.objective_seeds == seed_spread(arms)
    assert spreads_of([arms[0][:1]]) is None


def test_the_spread_of_decoding_is_what_seeds_and_vibes_leave() -> None:
    # Means of seeds 0 and 0.2, of vibes 0 and 0.2, of all 0.1: what is left is 0.2 everywhere, 4 * 0.2^2 with
    # one degree of freedom. It moves the mean of a seed by 0.16 / 2, and so explains their variance of 0.02.
    found = spreads_of([np.array([[0.1, -0.1], [-0.1, 0.5]])])
    assert found == pytest.approx((0.4, 0.0), abs=1e-9)
