"""What a sweep costs: seconds of each part of a trial, and what shares of the machine make of them.

The model is a bound from below that real sweeps come near: trials one after the other on the places that
fit, no faster than the scorers answer, no faster than the cores compute.
"""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from cluster.calibrations import threads

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cluster.calibrations import Calibration
    from cluster.machine import Machine
    from common.training_config import InfraConfig, TrainingConfig
    from search_spaces.resources import Resources

__all__ = ["Bound", "Split", "TrialCost", "best_split", "places", "split", "splits", "trial_cost"]

Bound = Literal["trials", "scorers", "cores"]
"""What takes longest: the trials in their places, the scorers' answers, or the cores of the machine."""

_MOST_SCORERS: Final = 16
_ROUNDING: Final = 1e-9


@dataclass(frozen=True, slots=True)
class TrialCost:
    """Seconds of one trial's parts, with nobody to wait for."""

    start_s: float
    """Loading the policy."""
    generation_s: float
    """Of one optimizer step's rollouts."""
    scoring_s: float
    """Of the same, in one scorer."""
    learning_s: float
    """Of one optimizer step."""
    evaluation_generation_s: float
    """Of one held-out evaluation."""
    evaluation_scoring_s: float
    """Of the same, in one scorer."""
    steps: int
    evaluations: int

    @property
    def own_s(self) -> float:
        """Seconds in the trial's own process."""
        return (
            self.start_s
            + self.steps * (self.generation_s + self.learning_s)
            + self.evaluations * self.evaluation_generation_s
        )

    @property
    def scorer_s(self) -> float:
        """Seconds of one scorer."""
        return self.steps * self.scoring_s + self.evaluations * self.evaluation_scoring_s


class Split(NamedTuple):
    """One way to share a machine between trials and scorers, and what the sweep then takes."""

    scorers: int
    trials_at_once: int
    wall_s: float
    gpu_hours: float
    """Hours of GPUs held by trials and scorers."""
    bound: Bound

    @property
    def hours(self) -> float:
        """Wall-clock hours."""
        return self.wall_s / 3600


def trial_cost(
    config: TrainingConfig, calibration: Calibration, *, steps: int, evaluations: int, num_evaluated: int
) -> TrialCost:
    """A trial's cost from what one completion takes.

    Every optimizer step learns from batch_size x gradient_accumulation_steps completions of each worker; what
    several steps learn from is made once for each of them, so the depth cancels out. What the workers'
    exchange of gradients takes is not in it.

    Args:
        config: the trial's configuration.
        calibration: seconds of one completion.
        steps: optimizer steps; 0 for the untrained policy.
        evaluations: held-out evaluations.
        num_evaluated: completions of one evaluation.
    """
    completions, workers = config.completions_per_step, config.infra.workers
    return TrialCost(
        start_s=calibration.start_s,
        generation_s=completions / workers * calibration.generate_s,
        scoring_s=completions * calibration.score_s,
        learning_s=completions / workers * calibration.learn_s,
        evaluation_generation_s=num_evaluated / workers * calibration.evaluation_generate_s,
        evaluation_scoring_s=num_evaluated * calibration.evaluation_score_s,
        steps=steps,
        evaluations=evaluations,
    )


def split(
    trials: Sequence[TrialCost],
    resources: Resources,
    infra: InfraConfig,
    machine: Machine,
    *,
    scorers: int,
    scorer_start_s: float = 0.0,
) -> Split | None:
    """What a sweep takes with so many scorers; None where they and one trial do not fit.

    A trial waits while its completions are scored, by all scorers together; without scorers it scores in its
    own process. Three bounds, of which the longest counts: the trials in their order on the places there
    are; the scorers' seconds divided among them; every process's seconds times its threads, divided among the
    cores.

    Args:
        trials: every trial and baseline, in the order in which they start.
        resources: shares of a scorer, and the trials that may run at once. Its number of scorers is not used.
        infra: one trial's share.
        machine: what there is.
        scorers: number of scorers.
        scorer_start_s: seconds before the first trial, while scorers load.
    """
    free = places(resources, infra, machine, scorers)
    if free < 1:
        return None
    durations = [trial.own_s + trial.scorer_s / max(1, scorers) for trial in trials]
    scorer_seconds = sum(trial.scorer_s for trial in trials)
    scorer_threads = threads(resources.cpus_per_scorer if scorers else infra.cpus_per_worker)
    core_seconds = scorer_seconds * scorer_threads
    core_seconds += sum(trial.own_s for trial in trials) * infra.workers * threads(infra.cpus_per_worker)
    bounds: dict[Bound, float] = {
        "trials": _makespan(durations, free),
        "scorers": scorer_seconds / scorers if scorers else 0.0,
        "cores": core_seconds / machine.cpus,
    }
    bound = max(bounds, key=bounds.__getitem__)
    wall_s = bounds[bound] + (scorer_start_s if scorers else 0.0)
    # What slows the whole sweep down slows every trial down.
    slower = bounds[bound] / bounds["trials"] if bounds["trials"] else 1.0
    trial_gpu_s = slower * sum(durations) * infra.gpus_per_trial
    gpu_s = trial_gpu_s + scorers * resources.gpus_per_scorer * wall_s
    return Split(scorers, min(free, len(trials)), wall_s, gpu_s / 3600, bound)


def splits(
    trials: Sequence[TrialCost],
    resources: Resources,
    infra: InfraConfig,
    machine: Machine,
    *,
    scorer_start_s: float = 0.0,
) -> list[Split]:
    """The splits with 1, 2, ... scorers, as far as they and a trial fit, and the sweep's own."""
    most = min(_MOST_SCORERS, max(1, math.floor(machine.cpus)))
    found = [
        split(trials, resources, infra, machine, scorers=count, scorer_start_s=scorer_start_s)
        for count in sorted({resources.scorers, *range(1, most + 1)})
    ]
    return [one for one in found if one is not None]


def best_split(candidates: Sequence[Split]) -> Split:
    """The shortest; of equally short ones the one with the fewest scorers."""
    return min(candidates, key=lambda one: (round(one.wall_s, 6), one.scorers))


def places(resources: Resources, infra: InfraConfig, machine: Machine, scorers: int) -> int:
    """Trials that run at once beside the scorers; negative or 0 where none does."""
    shares = (
        (machine.cpus - scorers * resources.cpus_per_scorer, infra.cpus_per_trial),
        (machine.gpus - scorers * resources.gpus_per_scorer, infra.gpus_per_trial),
    )
    if any(left < -_ROUNDING for left, _ in shares):
        return 0
    fitting = [math.floor(left / each + _ROUNDING) for left, each in shares if each > 0]
    limit = resources.max_concurrent_trials
    return min([*fitting, *([] if limit is None else [limit])], default=0)


def _makespan(durations: Sequence[float], places: int) -> float:
    """Seconds until the last ends, where each starts as soon as a place is free."""
    ends = [0.0] * min(places, max(1, len(durations)))
    for seconds in durations:
        heapq.heapreplace(ends, ends[0] + seconds)
    return max(ends)
