"""Which sweeps can be one population."""

from __future__ import annotations

from typing import TYPE_CHECKING

from common.errors import UserError
from search_spaces.designs import enumerate_points
from search_spaces.perturbation import CHANGEABLE, perturbable
from search_spaces.search_config import SMALLEST_POPULATION
from trainables.checkpoints import save_interval

if TYPE_CHECKING:
    from common.training_config import TrainingConfig
    from search_spaces.sweep_file import SweepFile

__all__ = ["check_population"]


def check_population(sweep: SweepFile) -> None:
    """See that the sweep's trials can be one population.

    Raises:
        UserError: they cannot.
    """
    every, listed = sweep.scheduler.turning_steps, sweep.search.mode in ("grid", "random")
    points = enumerate_points(sweep).points if listed else ()
    size = len(points) if listed else sweep.search.trials or 0
    if not size >= SMALLEST_POPULATION:
        raise UserError(
            f"a population must have >= {SMALLEST_POPULATION} points with pbt, got {size}; add trials"
        )
    if len(sweep.seeds) > 1:
        raise UserError(
            f"seeds must be one with pbt, got {len(sweep.seeds)}; a configuration that changes while it "
            "trains changes in another way with each seed: run the sweep once for each, under two names"
        )
    if sweep.resources.max_concurrent_trials is not None:
        raise UserError(
            "resources.max_concurrent_trials must be left out with pbt, got "
            f"{sweep.resources.max_concurrent_trials}; trials that wait for the others would take the places "
            "of those: raise base.infra.cpus_per_trial to run fewer at once"
        )
    if not perturbable(sweep.space):
        raise UserError(
            f"space must have an axis that can change while a trial trains with pbt, got "
            f"{', '.join(sweep.space) or 'none'}; add one of {', '.join(CHANGEABLE)}"
        )
    for config in [sweep.base_config(), *(one.config for one in points)]:
        _check_steps(config, every)


def _check_steps(config: TrainingConfig, every: int) -> None:
    """Raise UserError unless a trial has a checkpoint at each step where it may be copied."""
    stored = save_interval(config.logging.save_steps, config.off_policy_depth)
    if config.logging.save_strategy == "no" or every % stored:
        raise UserError(
            f"scheduler.perturbation_steps must be a multiple of the steps between checkpoints with pbt, got "
            f"{every} and a checkpoint every {stored} steps with save_strategy "
            f"{config.logging.save_strategy!r}; set base.logging.save_steps"
        )
    if config.max_steps is not None and not every < config.max_steps:
        raise UserError(
            f"scheduler.perturbation_steps must be < max_steps {config.max_steps} with pbt, got {every}; "
            "nothing would change"
        )
