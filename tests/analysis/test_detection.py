"""What a ranked sweep could detect: from a kept noise floor, else its own seeds, else a cure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

from analysis import compute_ranking, load_sweep, ranking_json, render_ranking
from analysis.detectable import Spreads, smallest_detectable
from common.noise_floor import NoiseFloor, NoiseFloorKey
from common.objective import ObjectiveConfig
from common.reward_config import RewardWeights

if TYPE_CHECKING:
    from analysis.ranking import Ranking
    from tests.analysis.conftest import NewSweep, SweepWriter

VIBES = 20


def floor(*, decoding: float = 0.02, seeds: float | None = None, base_model: str = "tiny") -> NoiseFloor:
    return NoiseFloor(
        key=NoiseFloorKey.of(base_model, ObjectiveConfig()),
        scorer_id="clap", renderer_id="torch", num_vibes=2, num_decoding_seeds=2, num_render_seeds=2,
        num_clips=2, objective_decoding=decoding, objective_vibes=1.0, audio_render=0.1, audio_configs=0.2,
        numerics_microbatch=0.0, numerics_threads=0.0, objective_seeds=seeds,
    )  # fmt: skip


def audio(score: float, seed: int = 0) -> list[float]:
    """Objective 0.5 + score / 2, the same for every seed but for a pattern whose mean is 0."""
    return [score + 0.04 * seed * (-1) ** vibe for vibe in range(VIBES)]


def stored(sweep: SweepWriter, *seeds: int, runner_up: float = 0.28) -> SweepWriter:
    sweep.untrained(audio(0.1))
    for seed in seeds:
        sweep.trial("best", {4: audio(0.3, seed)}, seed=seed, params={"lora.r": 4})
        sweep.trial("other", {4: audio(runner_up, seed)}, seed=seed, params={"lora.r": 8})
    return sweep


def ranked(sweep: SweepWriter, *floors: NoiseFloor, **options: Any) -> Ranking:
    return compute_ranking(load_sweep(sweep.directory), noise_floors=floors, **options)


def text(ranking: Ranking) -> str:
    console = Console(width=200, record=True)
    console.print(render_ranking(ranking))
    return " ".join(console.export_text().split())


def test_a_kept_noise_floor_of_the_same_model_and_objective_is_used(new_sweep: NewSweep) -> None:
    kept = floor()
    ranking = ranked(stored(new_sweep(), 0), floor(decoding=1.0, base_model="other"), kept)
    found = ranking.detection
    assert found is not None
    assert found[1:6] == ("noise_floor", 1, VIBES, 2, False)
    assert found.difference == smallest_detectable(kept, seeds=1, vibes=VIBES, num_compared=2)
    assert found.over_runner_up is not None
    assert found.over_untrained is not None
    # Audio counts half: 0.01 ahead of the other, 0.1 ahead of the untrained policy; about 0.02 is found.
    assert found.over_runner_up.lead == pytest.approx(0.01)
    assert found.over_runner_up.detectable == found.difference
    assert found.over_untrained.lead == pytest.approx(0.1)
    assert (found.over_runner_up.is_below, found.over_untrained.is_below) == (True, False)


def test_without_one_the_sweeps_own_seeds_tell(new_sweep: NewSweep) -> None:
    found = ranked(stored(new_sweep(), 0, 1)).detection
    assert found is not None
    assert found[1:6] == ("ledger", 2, VIBES, 2, True)
    # Objectives of two seeds differ by 0.02 times a sign: each is 0.01 off the vibe's mean, so that 20 vibes
    # sum to 40 * 0.01^2 with 19 degrees of freedom in each configuration. The means of the seeds are equal.
    expected = Spreads((40 * 0.0001 / 19) ** 0.5, 0.0)
    smallest = smallest_detectable(expected, seeds=2, vibes=VIBES, num_compared=2)
    assert found.difference == pytest.approx(smallest)


def test_a_kept_noise_floor_without_training_seeds_takes_the_sweeps_own(new_sweep: NewSweep) -> None:
    sweep = new_sweep()
    for seed in (0, 1):
        sweep.trial("a", {4: audio(0.3 + 0.2 * seed)}, seed=seed)
    # Objectives 0.1 apart: variance 0.1^2 / 2 between seeds.
    own = ranked(sweep, floor()).detection
    assert own is not None
    both = floor(seeds=0.005**0.5)
    assert own.covers_seeds
    assert own.difference == pytest.approx(smallest_detectable(both, seeds=2, vibes=VIBES))
    measured = ranked(sweep, floor(seeds=0.01)).detection
    assert measured is not None
    assert measured.difference < own.difference


def test_the_summary_says_what_could_be_found_and_what_is_below_it(new_sweep: NewSweep) -> None:
    shown = text(ranked(stored(new_sweep(), 0), floor()))
    assert (
        "A true difference of 0.021 between two configurations is found 4 times in 5, a smaller one less "
        "often (1 seed, 20 vibes, the best of 2; noise from the kept noise floor); training seeds were not "
        "measured, and make that size larger. The lead over the runner-up is 0.010, smaller than that: a "
        "true one so small is missed more than 1 time in 5. Against the untrained policy that size is "
        "0.021; the best one's gain is not smaller than that."
    ) in shown


def test_a_lead_that_is_large_enough_is_not_called_small(new_sweep: NewSweep) -> None:
    shown = text(ranked(stored(new_sweep(), 0, 1, runner_up=0.1)))
    assert "2 seeds, 20 vibes, the best of 2; noise from its own seeds). The lead" in shown
    assert "over the runner-up is 0.100, not smaller than that." in shown


def test_where_nothing_is_known_the_cure_is_said_once_it_would_help(new_sweep: NewSweep) -> None:
    sweep = stored(new_sweep(), 0)
    cure = "is not known: measure its noise with `vibesweep noise-floor FILE`."
    ranking = ranked(sweep)
    assert ranking.detection is None
    assert cure in text(ranking)
    assert "is found 4 times in 5" not in text(ranking)
    # Nobody looked; or the command would measure another objective than this.
    assert cure not in text(compute_ranking(load_sweep(sweep.directory)))
    assert cure not in text(ranked(sweep, floor(), weights=RewardWeights(audio_weight=1.0)))


def test_an_empty_sweep_says_nothing_of_it(new_sweep: NewSweep) -> None:
    sweep = new_sweep()
    sweep.untrained(audio(0.1))
    assert not ranked(sweep).noise_can_be_measured
    assert ranked(sweep, floor()).detection is None


def test_the_order_and_the_intervals_do_not_depend_on_it(new_sweep: NewSweep) -> None:
    sweep = stored(new_sweep(), 0, 1)
    assert ranked(sweep, floor(decoding=9.0)).rows == ranked(sweep).rows


def test_json_has_the_numbers(new_sweep: NewSweep) -> None:
    ranking = ranked(stored(new_sweep(), 0), floor())
    found = ranking_json(ranking)["smallest_detectable"]
    assert ranking.detection is not None
    assert found["difference"] == ranking.detection.difference
    assert (found["source"], found["seeds"], found["covers_seeds"]) == ("noise_floor", 1, False)
    assert found["over_runner_up"]["is_below"] is True
    assert found["over_untrained"]["detectable"] == pytest.approx(found["difference"])
    assert ranking_json(ranked(stored(new_sweep(), 0)))["smallest_detectable"] is None
