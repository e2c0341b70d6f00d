"""Who gets another seed, and when a race ends; how often it is right is measured by benchmarks/racing.py."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from analysis import load_sweep
from analysis.detectable import smallest_detectable, spreads_of
from analysis.racing import MIN_SEEDS, look, race_step
from benchmarks.racing import race
from benchmarks.simulated_sweeps import QUICKSTART, simulate
from common.errors import UserError

if TYPE_CHECKING:
    from analysis.intervals import Scores
    from tests.analysis.conftest import NewSweep, SweepWriter


def scores(*means: float, seeds: int = 3, vibes: int = 32, noise: float = 0.02) -> list[Scores]:
    """[seeds, vibes] of configurations with these true objectives."""
    rng = np.random.default_rng(3)
    drawn = noise * rng.standard_normal((len(means), seeds, vibes + 1))
    return [mean + x[:, :vibes] + x[:, vibes:] for mean, x in zip(means, drawn, strict=True)]


def test_a_clear_winner_is_known_with_enough_seeds_and_nobody_runs_again() -> None:
    found = look(scores(0.1, 0.5, 0.2), until=0.95, num_left=6)
    assert (found.verdict, found.order[0], found.contenders) == ("known", 1, (1,))
    assert found.probability[0] > 0.95
    few = look(scores(0.1, 0.5, 0.2, seeds=MIN_SEEDS - 1), until=0.95, num_left=6)
    assert few.verdict == "open"
    # It and its runner-up get the seed that is missing.
    assert (few.contenders[0], len(few.contenders)) == (1, 2)


def test_the_contenders_hold_the_best_with_the_probability_asked_for() -> None:
    arms = scores(0.50, 0.51, 0.49, 0.1, 0.0, noise=0.1)
    found = look(arms, until=0.9, num_left=20)
    assert found.verdict == "open"
    assert set(found.contenders) <= {0, 1, 2}
    held = len(found.contenders)
    assert sum(found.probability[:held]) >= 0.9
    assert sum(found.probability[: held - 1]) < 0.9


def test_what_the_seeds_that_are_left_cannot_tell_apart_is_given_up() -> None:
    arms = scores(0.5, 0.5, 0.0, seeds=8, noise=0.05)
    found = look(arms, until=0.95, num_left=4)
    assert found.verdict == "cannot be told"
    spreads = spreads_of(arms)
    assert spreads is not None
    # Four seeds for two contenders: ten each.
    assert found.detectable == smallest_detectable(spreads, seeds=10, vibes=32, num_compared=3)
    # Far more seeds would.
    assert look(arms, until=0.95, num_left=1000).verdict == "open"


def test_one_seed_of_each_is_too_little_to_know_or_to_give_up() -> None:
    found = look(scores(0.0, 0.9, seeds=1), until=0.95, num_left=1)
    assert (found.verdict, found.detectable) == ("open", None)


@pytest.mark.parametrize(("until", "num_arms"), [(0.5, 2), (1.0, 2), (float("nan"), 2), (0.95, 1)])
def test_what_cannot_be_raced_is_refused(until: float, num_arms: int) -> None:
    with pytest.raises(ValueError, match=r"until must lie in \(0.5, 1\) and arms be >= 2"):
        look(scores(*[0.0] * num_arms), until=until, num_left=1)


def test_a_race_spends_its_seeds_on_the_contenders() -> None:
    truth = np.array([[0.2, 0.17, 0.0, 0.0, 0.0, 0.0]])
    drawn = simulate(np.random.default_rng(0), QUICKSTART, truth, num_seeds=16, num_vibes=64)
    end = race(drawn.scores[0], num_seeds=2, budget=24, until=0.95)
    assert (end.verdict, end.best) == ("known", 0)
    assert end.added < end.full / 2


def stored(sweep: SweepWriter, **labels: list[list[float]]) -> None:
    for number, (label, seeds) in enumerate(labels.items()):
        for seed, vibes in enumerate(seeds):
            folder = sweep.trial(label, {4: vibes}, seed=seed)
            record = (folder / "trial.json").read_text()
            (folder / "trial.json").write_text(record.replace('"number": 0', f'"number": {number}'))


def vibes(mean: float, seed: int) -> list[float]:
    return [mean + 0.01 * ((7 * vibe + 3 * seed) % 5) for vibe in range(12)]


def test_a_stored_sweep_names_its_points_and_says_why(new_sweep: NewSweep) -> None:
    sweep = new_sweep()
    sweep.untrained(vibes(0.9, 0))
    stored(
        sweep, low=[vibes(0.0, s) for s in (0, 1)], high=[vibes(0.5, s) for s in (0, 1)],
        mid=[vibes(0.3, s) for s in (0, 1)],
    )  # fmt: skip
    step = race_step(load_sweep(sweep.directory), until=0.95, num_left=5)
    assert [(one.number, one.label, one.seeds) for one in step.standings] == [
        (1, "high", 2), (2, "mid", 2), (0, "low", 2),
    ]  # fmt: skip
    assert (step.verdict, step.contenders) == ("open", (1, 2))
    assert step.reason == "high is the best with probability 1.00, which is known with 3 seeds of it and mid"
    for label in ("high", "mid"):
        sweep.trial(label, {4: vibes(0.5 if label == "high" else 0.3, 2)}, seed=2)
    step = race_step(load_sweep(sweep.directory), until=0.95, num_left=5)
    assert (step.verdict, step.contenders) == ("known", ())
    assert step.reason == "high is the best with probability 1.00, and 0.95 was asked for"


def test_an_infeasible_configuration_takes_no_part(new_sweep: NewSweep) -> None:
    def silent(vibe: int) -> dict[str, Any]:
        return {"similarity": 0.4, "mismatched": 0.2, "level_db": -120.0, "clipped": 0.0, "flatness": 0.1}

    sweep = new_sweep()
    stored(sweep, low=[vibes(0.0, s) for s in (0, 1)], high=[vibes(0.3, s) for s in (0, 1)])
    for seed in (0, 1):
        sweep.trial("silent", {4: vibes(0.9, seed)}, seed=seed, heard=silent)
    step = race_step(load_sweep(sweep.directory), until=0.95, num_left=5)
    assert [one.label for one in step.standings] == ["high", "low"]


def test_a_race_with_one_entrant_is_refused(new_sweep: NewSweep) -> None:
    sweep = new_sweep()
    with pytest.raises(UserError, match=r"needs two feasible configurations .* got 0;"):
        race_step(load_sweep(sweep.directory), until=0.95, num_left=5)
    stored(sweep, only=[vibes(0.0, 0)])
    with pytest.raises(UserError, match=r"needs two feasible configurations .* got 1;"):
        race_step(load_sweep(sweep.directory), until=0.95, num_left=5)
