"""What a planned sweep can tell from noise, where its noise floor was measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from search_spaces import SweepFile

__all__ = ["Detection", "planned_detection"]


class Detection(NamedTuple):
    """The smallest difference of two configurations that a sweep finds four times in five."""

    difference: float
    """In units of the objective."""
    seeds: int
    vibes: int
    num_compared: int
    """Configurations among which the best is picked; the intervals are corrected for it."""
    covers_seeds: bool
    """Whether the spread between training seeds was measured, and counts in it."""


def planned_detection(sweep: SweepFile, *, num_compared: int) -> Detection | None:
    """What a sweep can detect; None where the noise of its model and objective was not measured.

    Raises:
        UserError: the held-out data are not there, or the stored noise floors cannot be read.
    """
    from analysis.detectable import smallest_detectable  # noqa: PLC0415 - scipy
    from common.noise_floor import (  # noqa: PLC0415
        NoiseFloorKey,
        noise_floor_for,
        noise_floors_file,
        read_noise_floors,
    )
    from trainables.data import data_path, held_out_rows, load_rows  # noqa: PLC0415

    config, objective = sweep.base_config(), sweep.objective
    floor = noise_floor_for(
        NoiseFloorKey.of(config.base_model, objective), read_noise_floors(noise_floors_file())
    )
    if floor is None:
        return None
    path = data_path(sweep.data.held_out, "held_out")
    detection = Detection(
        difference=0.0,
        seeds=len(sweep.seeds),
        vibes=len(held_out_rows(load_rows(path, config.data), objective, path)),
        num_compared=max(1, num_compared),
        covers_seeds=floor.objective_seeds is not None,
    )
    difference = smallest_detectable(
        floor,
        seeds=detection.seeds,
        vibes=detection.vibes,
        samples=objective.samples,
        num_compared=detection.num_compared,
    )
    return detection._replace(difference=difference)
