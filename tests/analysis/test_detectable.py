"""The smallest detectable difference: its arithmetic, and whether a sweep really detects it so often."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.special import stdtrit

from analysis import load_sweep
from analysis.detectable import POWER, seed_spread, seed_spread_of, smallest_detectable, spreads_of
from analysis.intervals import CONFIDENCE, mean_interval
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
    # Variance 2 * 0.1^2 / (50 * 3), found beyond t_0.975 + t_0.8 with 49 degrees of freedom.
    assert found == pytest.approx((stdtrit(49, 0.975) + stdtrit(49, 0.8)) * (0.02 / 150) ** 0.5)
    assert smallest_detectable(floor(decoding=0.0), seeds=1, vibes=2) == 0


def test_the_interval_that_must_be_passed_is_the_rankings() -> None:
    # Decoding gives the difference of two seeds on 50 vibes a variance of 2 * 0.1^2 / 100 = r. Of two
    # configurations that share their pool, the larger of own and pooled spread takes it for 1 + 0.4839414 / 2
    # of it: P(chi^2_3 > 1) - P(chi^2_1 > 1) = 0.8012520 - 0.3173105.
    r, taken = 0.0002, 0.0002 * (1 + 0.4839414 / 2)

    def critical(p: float) -> float:
        return float((stdtrit(49, p) * r + stdtrit(2, p) * taken) / (r + taken))

    # The interval: vibes r, seeds `taken`, of which r was counted already. The difference itself: r.
    expected = critical(0.975) * taken**0.5 + critical(POWER) * r**0.5
    assert smallest_detectable(floor(decoding=0.1), seeds=2, vibes=50) == pytest.approx(expected, rel=1e-6)


def test_more_vibes_do_not_help_against_training_seeds() -> None:
    noisy = floor(decoding=0.0, seeds=0.05)
    # Variance 2 * 0.05^2 / 3 whatever the vibes; two arms of three seeds have 4 degrees of freedom. The
    # interval takes it for 1 + e^-1 / 2 of that: P(chi^2_4 > 2) - P(chi^2_2 > 2) = 2 e^-1 - e^-1.
    taken = 1 + np.exp(-1) / 2
    expected = (stdtrit(4, 0.975) * taken**0.5 + stdtrit(4, 0.8)) * (0.005 / 3) ** 0.5
    assert smallest_detectable(noisy, seeds=3, vibes=50) == pytest.approx(expected)
    assert smallest_detectable(noisy, seeds=3, vibes=5000) == pytest.approx(expected)


def test_comparing_more_configurations_takes_a_larger_difference() -> None:
    one, many = (smallest_detectable(floor(decoding=0.1), seeds=1, vibes=50, num_compared=n) for n in (1, 10))
    t_power = stdtrit(49, POWER)
    assert many / one == pytest.approx((stdtrit(49, 0.9975) + t_power) / (stdtrit(49, 0.975) + t_power))


def test_configurations_share_what_their_seeds_tell() -> None:
    # Two seeds of one configuration have one degree of freedom, of eight configurations eight.
    noisy = floor(decoding=0.0, seeds=0.05)
    eight = smallest_detectable(noisy, seeds=2, vibes=50, num_compared=8, untrained=True)
    taken = 1 + 0.4839414 * 7 / 8
    expected = (stdtrit(8, 1 - 0.025 / 8) * taken**0.5 + stdtrit(8, POWER)) * (0.0025 / 2) ** 0.5
    assert eight == pytest.approx(expected, rel=1e-6)


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
    # Variance 0.1^2 / 120 of three seeds on 40 vibes and 0.1^2 / 40 of the baseline; 0.05^2 / 3 of the seeds.
    by_vibes, by_seeds = 0.01 / 120 + 0.01 / 40, 0.0025 / 3
    t_vibes, t_seeds = (stdtrit(df, 0.975) + stdtrit(df, POWER) for df in (39, 2))
    # The spread of the seeds' means has their decoding in it.
    of_seeds = by_seeds + 0.01 / 120
    critical = (t_vibes * by_vibes + t_seeds * of_seeds) / (by_vibes + of_seeds)
    found = smallest_detectable(floor(decoding=0.1, seeds=0.05), seeds=3, vibes=40, untrained=True)
    assert found == pytest.approx(critical * (by_vibes + by_seeds) ** 0.5)
    # With one seed and no noise of seeds the two sides are alike.
    one, other = (
        smallest_detectable(floor(decoding=0.1), seeds=1, vibes=40, untrained=untrained)
        for untrained in (True, False)
    )
    assert one == other


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
