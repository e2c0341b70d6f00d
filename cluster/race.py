"""Race a sweep: more seeds for the configurations that may be its best, round by round.

Every added trial is an ordinary one of the sweep, in its directory and ledger, with a seed beyond the
sweep's own. A round is recorded before it starts; the next one is decided from the ledger when all of its
trials have ended. So a killed race goes on, and ends as an undisturbed one would.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from cluster.bucket.sweep_place import existing_sweep, stored_at, working_directory
from cluster.plan import num_planned
from cluster.sweep import SweepOutcome, run_sweep
from cluster.task import TrialCode
from common.errors import UserError
from common.race import AddedTrial, RaceRecord, RaceRound, RaceStep
from common.records import TRIAL_FILE, ResultRecord, TrialRecord
from search_spaces.points import trial_id

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rich.console import Console

    from search_spaces.sweep_file import SweepFile

__all__ = ["Decide", "Race", "RaceOutcome", "run_race"]

Decide = Callable[[int], RaceStep]
"""Given how many trials may still be added, what the stored outcomes say; UserError if they say nothing."""

_NUM_SEEDS: Final = 2**32
"""Seeds are smaller."""


class RaceOutcome(NamedTuple):
    """How a race ended."""

    sweep: SweepOutcome
    verdict: Literal["known", "cannot be told", "budget", "failed"]
    """`budget`: the trials or the sweep's budget were used up first. `failed`: a round had no outcome."""
    reason: str
    step: RaceStep | None
    """The last decision; None where the sweep's budget ended before there was one."""
    num_added: int
    """Trials that races have added to this sweep so far."""


class Race:
    """Hands out rounds of trials until there is nothing left to find out, or nothing to find it out with."""

    def __init__(self, sweep: SweepFile, directory: Path, decide: Decide, *, most_added: int) -> None:
        """
        Args:
            sweep: what is raced.
            directory: its own.
            decide: asked before every round.
            most_added: trials to add at most, those of earlier races included.
        """
        self._own_seeds = sweep.seeds
        self._directory = directory
        self._decide = decide
        self._most_added = most_added
        self.say: Callable[[str], None] = lambda _: None
        """Told about every round, in a line."""
        self.expect: Callable[[int], None] = lambda _: None
        """Told how many trials a round has."""
        self.step: RaceStep | None = None
        self.ended: tuple[Literal["known", "cannot be told", "budget", "failed"], str] | None = None
        """Verdict and reason once it is over."""

    @property
    def num_added(self) -> int:
        """Trials that were added so far."""
        return RaceRecord.read(self._directory).num_added

    def take_up(self) -> None:
        """Write the records that a killed driver had decided on and not written."""
        for one in RaceRecord.read(self._directory).rounds[-1:]:
            self._records(one.trials)

    def next_round(self) -> list[TrialRecord]:
        """The trials of another round; none when the race is over. All others must have ended."""
        if self.ended is not None:
            return []
        stored = RaceRecord.read(self._directory)
        if stored.rounds and (failed := self._without_outcome(stored.rounds[-1])):
            self.ended = ("failed", failed)
            return []
        num_left = self._most_added - stored.num_added
        self.step = step = self._decide(num_left)
        if step.verdict != "open":
            self.ended = (step.verdict, step.reason)
            return []
        if num_left <= 0:
            self.ended = ("budget", f"{stored.num_added} trials were added; {step.reason}")
            return []
        trials = self._next_seeds(step.contenders[:num_left])
        stored.with_round(RaceRound(standings=step.standings, trials=trials)).write(self._directory)
        self.say(f"round {len(stored.rounds) + 1}: {len(trials)} more, {step.reason}")
        self.expect(len(trials))
        return self._records(trials)

    def _next_seeds(self, contenders: Sequence[int]) -> tuple[AddedTrial, ...]:
        """For each point the first seed after the sweep's own that it has not had, whatever became of it."""
        found = []
        for number in contenders:
            seed = (max(self._own_seeds) + 1) % _NUM_SEEDS
            while (self._folder(number, seed) / TRIAL_FILE).exists():
                seed = (seed + 1) % _NUM_SEEDS
            found.append(AddedTrial(number=number, seed=seed))
        return tuple(found)

    def _records(self, trials: Sequence[AddedTrial]) -> list[TrialRecord]:
        """The trials' records, on the disk."""
        records = []
        for number, seed in ((one.number, one.seed) for one in trials):
            if not (self._folder(number, seed) / TRIAL_FILE).exists():
                first = TrialRecord.read(self._folder(number, self._own_seeds[0]))
                config = first.config.model_copy(update={"seed": seed})
                update = {"trial_id": trial_id(number, seed), "seed": seed, "config": config}
                first.model_copy(update=update).write(self._folder(number, seed))
            records.append(TrialRecord.read(self._folder(number, seed)))
        return records

    def _without_outcome(self, last: RaceRound) -> str | None:
        """Why a round has failed as a whole; None where any of its trials has an outcome."""
        results = [ResultRecord.read(self._folder(one.number, one.seed)) for one in last.trials]
        reasons = [one.reason or "no reason given" for one in results if one and one.status == "failed"]
        if len(reasons) < len(results):
            return None
        return f"no trial of the last round has an outcome; the first failed with: {reasons[0]}"

    def _folder(self, number: int, seed: int) -> Path:
        return self._directory / "trials" / trial_id(number, seed)


def run_race(
    directory: Path | str,
    decide: Decide,
    *,
    most_added: int | None = None,
    code: TrialCode = TrialCode(),  # noqa: B008 - frozen
    console: Console | None = None,
) -> RaceOutcome:
    """Race the sweep of a directory; what it has not finished itself runs first.

    Args:
        directory: a sweep's own, or its URL.
        decide: says after each round whether the best is known, and who gets another seed.
        most_added: trials to add at most, those of earlier races included; as many as the sweep has itself
            where not given.
        code: which functions a trial runs.
        console: where progress is shown; stderr where not given.

    Raises:
        UserError: it is no sweep directory, its scheduler stops or changes trials, or nothing can be ranked.
        ClusterError: as `run_sweep`.
    """
    directory = existing_sweep(directory)
    sweep = stored_at(directory).sweep
    if sweep.scheduler.type != "none":
        raise UserError(
            f"a race needs a sweep without a scheduler, got {sweep.scheduler.type!r}, which stops or changes "
            "trials, so that seeds of one configuration are not alike; run the best as a grid, and race that"
        )
    if most_added is None:
        most_added = num_planned(sweep)
    race = Race(sweep, working_directory(directory), decide, most_added=most_added)
    outcome = run_sweep(sweep, directory, race=race, code=code, console=console)
    verdict, reason = race.ended or ("budget", outcome.stopped_by or "the sweep was stopped")
    return RaceOutcome(outcome, verdict, reason, race.step, race.num_added)
