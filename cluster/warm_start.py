"""Points of earlier sweeps that a search starts with, judged as this sweep judges its own."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pyarrow.parquet as pq
from pydantic import Field, ValidationError

from cluster.point_outcome import PointOutcome
from cluster.samplers import first_generation
from cluster.study import KnownPoint, StudySpace
from cluster.sweep_directory import stored_sweep, sweep_record
from common.errors import UserError
from common.lineage import LineageRecord
from common.model import FrozenModel
from common.objective import objective_value
from common.records import TRIAL_FILE, ResultRecord, TrialRecord, write_text_atomically
from common.sentinel_rules import configuration_misses
from common.sentinels import SentinelRow
from search_spaces.points import params_of, point
from search_spaces.search_config import Metric

if TYPE_CHECKING:
    from collections.abc import Iterator

    from common.objective import ObjectiveConfig
    from search_spaces.sweep_file import SweepFile
    from search_spaces.sweep_record import SweepRecord

__all__ = ["WARM_START_FILE", "EarlierPoint", "EarlierPoints", "earlier_points"]

WARM_START_FILE: Final = "warm_start.json"

_SAME: Final = ("scorer", "temperature", "max_completion_length", "num_vibes", "samples", "decoding_seed")
"""Settings of the evaluation without which two objectives cannot be compared; the weights are not among
them, because the objective is computed again."""


class EarlierPoint(FrozenModel):
    """A finished point of an earlier sweep."""

    params: dict[str, Any]
    """Axis path to value."""
    metrics: dict[Metric, float]
    """Means over its finished seeds, under this sweep's weights."""
    misses: dict[str, float] = Field(default_factory=dict)
    """By how much it misses the rules of this sweep's sentinels; above 0 where it breaks one."""


class EarlierPoints(FrozenModel):
    """What earlier sweeps know of this one's space; kept in its directory, so that it stays the same."""

    points: tuple[EarlierPoint, ...] = ()
    lines: tuple[str, ...] = ()
    """What was taken from each sweep, and what was not."""

    def write(self, directory: Path) -> None:
        """Write `warm_start.json` into the sweep directory, atomically."""
        write_text_atomically(directory / WARM_START_FILE, self.model_dump_json(indent=2) + "\n")

    @classmethod
    def read(cls, directory: Path) -> EarlierPoints | None:
        """What a sweep directory started with; None where it says nothing."""
        path = directory / WARM_START_FILE
        return cls.model_validate_json(path.read_text()) if path.is_file() else None

    def known(self, sweep: SweepFile) -> tuple[KnownPoint, ...]:
        """The points for a search, numbered backwards from -1: they are none of this sweep's."""
        return tuple(
            KnownPoint(
                -number,
                one.params,
                PointOutcome("finished", one.metrics, {}, one.misses),
                first_generation(sweep),
            )
            for number, one in enumerate(self.points, start=1)
        )


class _Judged(NamedTuple):
    """One finished trial of an earlier sweep."""

    record: TrialRecord
    metrics: dict[Metric, float]
    heard: list[SentinelRow]


def earlier_points(sweep: SweepFile) -> EarlierPoints:
    """Read the sweeps that `search.warm_start` names.

    Raises:
        UserError: one of them is no sweep, or was evaluated in another way.
    """
    points: list[EarlierPoint] = []
    lines: list[str] = []
    if sweep.search.warm_start:
        space = StudySpace(sweep, sweep.space)
        hashes = sweep_record(sweep).data_sha256
        for name in sweep.search.warm_start:
            directory = Path(name).expanduser()
            _require_comparable(sweep, hashes, directory, stored_sweep(directory))
            by_config: dict[str, list[_Judged]] = defaultdict(list)
            for judged in _finished(directory, sweep.objective):
                by_config[judged.record.config_hash].append(judged)
            taken = [
                EarlierPoint(
                    params=params,
                    metrics=_mean(seeds),
                    misses=dict(
                        configuration_misses([seed.heard for seed in seeds], sweep.objective.sentinels)
                    ),
                )
                for params, seeds in _inside(sweep, space, by_config)
            ]
            points += taken
            lines.append(
                f"starts with {len(taken)} of the {len(by_config)} points that finished in {directory}; the "
                "others do not lie in this space"
            )
    return EarlierPoints(points=tuple(points), lines=tuple(lines))


def _require_comparable(
    sweep: SweepFile, hashes: dict[str, str], directory: Path, earlier: SweepRecord
) -> None:
    """Raise UserError unless both sweeps evaluate alike."""
    here, there = sweep.objective, earlier.sweep.objective
    differing = [name for name in _SAME if getattr(here, name) != getattr(there, name)]
    if hashes["held_out"] != earlier.data_sha256.get("held_out"):
        differing.insert(0, "held-out data")
    if differing:
        raise UserError(
            f"search.warm_start must name sweeps that are evaluated like this one, got {directory} with "
            f"another {', another '.join(differing)}; leave it out"
        )


def _inside(
    sweep: SweepFile, space: StudySpace, by_config: dict[str, list[_Judged]]
) -> Iterator[tuple[dict[str, Any], list[_Judged]]]:
    """Those points that this sweep could have proposed, with their values on its axes."""
    for config_hash, seeds in by_config.items():
        record = seeds[0].record
        try:
            same = point(sweep, 0, params_of(sweep, record.config))
            space.frozen(KnownPoint(0, same.params))
        except ValueError:  # a value off its axis, or a point that is refused
            continue
        # The settings that are no axis must be the same too.
        if same.config_hash == config_hash:
            yield dict(same.params), seeds


def _finished(directory: Path, objective: ObjectiveConfig) -> Iterator[_Judged]:
    """The finished trials of a sweep, judged again from its ledger."""
    for folder in sorted(path.parent for path in directory.glob(f"trials/*/{TRIAL_FILE}")):
        try:
            record, result = TrialRecord.read(folder), ResultRecord.read(folder)
        except ValidationError as error:
            raise UserError(
                f"search.warm_start must name sweeps of this version, got {folder} of another; leave it out"
            ) from error
        if record.kind != "trial" or result is None or result.status != "finished":
            continue
        if LineageRecord.read(folder).changes:
            continue  # it ended as another point than it began
        rows = [
            row
            for path in sorted(folder.glob("ledger/*.parquet"))
            for row in pq.read_table(path, partitioning=None).to_pylist()
            if row["split"] == "held_out" and row["step"] == result.steps
        ]
        scored = [row for row in rows if row["unscored_reason"] is None]
        if scored:
            # A ledger of version 1 has nothing for the sentinels.
            heard = [SentinelRow(*(row.get(name) for name in SentinelRow._fields)) for row in rows]
            yield _Judged(record, _metrics(scored, objective, result.seconds), heard)


def _metrics(rows: list[dict[str, Any]], objective: ObjectiveConfig, seconds: float) -> dict[Metric, float]:
    """The metrics of one trial's last evaluation."""
    heard = [row["audio"] for row in rows if row["audio"] is not None]
    return {
        "held_out_objective": fmean(
            objective_value(row["format"], row["schema"], row["audio"], objective) for row in rows
        ),
        "validity": fmean(row["format"] == 1 and row["schema"] == 1 for row in rows),
        "audio_over_valid": fmean(heard) if heard else objective.audio_floor,
        "train_seconds": seconds,
    }


def _mean(seeds: list[_Judged]) -> dict[Metric, float]:
    return {name: fmean(seed.metrics[name] for seed in seeds) for name in seeds[0].metrics}
