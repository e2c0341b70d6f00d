"""A copy of the search in an Optuna storage, for optuna-dashboard: written, never read to decide anything."""

from __future__ import annotations

import json
import sys
import warnings
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import optuna

from cluster.study import StudySpace
from common.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cluster.study import KnownPoint
    from search_spaces.sweep_file import SweepFile

__all__ = ["Mirror", "opened_mirror", "study_name"]

_SPACE: Final = "space"
_FINGERPRINT: Final = "fingerprint"
_CONSTRAINTS: Final = "constraints"
"""System attribute of a trial: a list of numbers, above 0 where one is broken. Optuna 5 writes an attribute
for each by its name, and reads this too; optuna-dashboard 0.21 reads nothing else."""


def study_name(sweep: SweepFile, fingerprint: str) -> str:
    """The mirror's study: two sweeps of one name, or of one database, never share it."""
    return f"{sweep.name}-{fingerprint[:12]}"


@contextmanager
def opened_mirror(sweep: SweepFile, fingerprint: str) -> Iterator[Mirror]:
    """The sweep's mirror, empty; at the end none of its trials is left running.

    Raises:
        UserError: its storage cannot be opened, or holds another search under this name.
    """
    mirror = Mirror(sweep, None)
    if sweep.search.mirror is not None:
        mirror = Mirror(sweep, _empty_study(sweep, fingerprint, sweep.search.mirror))
    try:
        yield mirror
    finally:
        mirror.close()


def _empty_study(sweep: SweepFile, fingerprint: str, url: str) -> optuna.Study:
    """The study, made anew: what an earlier driver wrote is written again from the records.

    So a driver that was killed leaves nothing doubled and nothing running.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    name = study_name(sweep, fingerprint)
    directions = StudySpace(sweep, sweep.space).directions
    space = json.dumps({path: axis.model_dump(mode="json") for path, axis in sweep.space.items()})
    try:
        storage = optuna.storages.RDBStorage(url)
        if name in optuna.study.get_all_study_names(storage):
            there = optuna.load_study(study_name=name, storage=storage)
            if (
                [direction.name.lower() for direction in there.directions] != directions
                or there.user_attrs.get(_SPACE) != space
                or there.user_attrs.get(_FINGERPRINT) != fingerprint
            ):
                raise UserError(
                    f"search.mirror must not hold another study named {name!r}, got one of other directions "
                    f"or another space in {_without_password(url)}; give another database"
                )
            optuna.delete_study(study_name=name, storage=storage)
        study = optuna.create_study(storage=storage, study_name=name, directions=directions)
        study.set_user_attr(_SPACE, space)
        study.set_user_attr(_FINGERPRINT, fingerprint)
        with warnings.catch_warnings():
            # It may change; what it does here is a heading in the dashboard.
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            study.set_metric_names(list(sweep.search.metrics))
    except UserError:
        raise
    except Exception as error:
        # A database has many ways to be unreachable, each with an exception of its driver's.
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(
            f"search.mirror must be a storage that Optuna can open, got {_without_password(url)} "
            f"({reason[:200]}); correct it or leave it out"
        ) from error
    return study


class Mirror:
    """Writes every point when it is known and when it has ended; gives up at its first failure, aloud."""

    def __init__(self, sweep: SweepFile, study: optuna.Study | None) -> None:
        """
        Args:
            sweep: its axes and metrics.
            study: an empty one; None mirrors nothing.
        """
        self._space = StudySpace(sweep, sweep.space)
        self._study = study
        self._trials: dict[int, int] = {}
        """Point to the number of its trial in the study."""
        self._running: set[int] = set()
        self.say: Callable[[str], None] = _to_stderr
        """Where a failure is told."""

    def take_in(self, known: KnownPoint) -> None:
        """Write what is known of a point now."""
        self._guarded(lambda study: self._write(study, known))

    def close(self) -> None:
        """End what a stopped sweep leaves behind: no trial of the study stays running."""
        self._guarded(self._end_running)

    def _write(self, study: optuna.Study, known: KnownPoint) -> None:
        if known.number not in self._trials:
            study.add_trial(self._space.frozen(replace(known, outcome=None)))
            self._trials[known.number] = len(self._trials)
            self._running.add(known.number)
        if known.number in self._running and known.outcome is not None:
            trial, (state, values) = self._space.frozen(known), self._space.ending(known.outcome)
            storage, trial_id = study._storage, self._trial_id(study, known.number)
            for step, value in trial.intermediate_values.items():
                storage.set_trial_intermediate_value(trial_id, step, value)
            if misses := known.outcome.misses:
                storage.set_trial_system_attr(trial_id, _CONSTRAINTS, list(misses.values()))
                for rule, miss in misses.items():
                    storage.set_trial_user_attr(trial_id, f"misses {rule} by", miss)
            storage.set_trial_state_values(trial_id, state=state, values=values)
            self._running.discard(known.number)

    def _end_running(self, study: optuna.Study) -> None:
        for number in sorted(self._running):
            study._storage.set_trial_state_values(
                self._trial_id(study, number), state=optuna.trial.TrialState.FAIL
            )
        self._running.clear()

    def _trial_id(self, study: optuna.Study, number: int) -> int:
        return study._storage.get_trial_id_from_study_id_trial_number(study._study_id, self._trials[number])

    def _guarded(self, write: Callable[[optuna.Study], Any]) -> None:
        if self._study is None:
            return
        try:
            write(self._study)
        except Exception as error:
            # A copy to look at must not end the sweep.
            self._study = None
            reason = " ".join(str(error).split()) or type(error).__name__
            self.say(f"the mirror is written no more: {reason[:200]}; the sweep goes on without it")


def _to_stderr(text: str) -> None:
    print(text, file=sys.stderr)


def _without_password(url: str) -> str:
    """A storage URL that may be shown: what stands before @ is left out."""
    scheme, separator, rest = url.partition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}"
