"""How the points of a space are chosen, which trials may be stopped early, and what a sweep may cost."""

from __future__ import annotations

from typing import Annotated, Final, Literal, Self

from pydantic import Field, model_validator

from common.model import FrozenModel
from common.objective import OBJECTIVE_NAME

__all__ = [
    "SAMPLERS",
    "SMALLEST_POPULATION",
    "BudgetConfig",
    "Metric",
    "Mode",
    "Sampler",
    "SchedulerConfig",
    "SearchConfig",
    "Seed",
]

Seed = Annotated[int, Field(ge=0, lt=2**32)]

Mode = Literal["grid", "random", "optuna", "mixed"]
Sampler = Literal["uniform", "sobol", "halton", "tpe", "gp", "cmaes", "nsga2"]

SAMPLERS: Final[dict[Mode, tuple[Sampler, ...]]] = {
    "grid": (),
    "random": ("sobol", "halton", "uniform"),
    "optuna": ("tpe", "gp", "cmaes", "nsga2"),
    "mixed": ("tpe", "gp", "cmaes", "nsga2"),
}
"""The samplers of each mode, the default first."""

Metric = Literal["held_out_objective", "validity", "audio_over_valid", "train_seconds"]
"""What a search may look at: all from the held-out evaluation, and the time that training took."""

SMALLEST_POPULATION: Final = 4
"""Trials without which population based training has nobody to compare."""

_SEVERAL_METRICS: Final = ("tpe", "nsga2")


class SearchConfig(FrozenModel):
    """How the points of the space are chosen."""

    mode: Mode = "grid"
    """`grid` takes listed values, `random` spreads points over the space, `optuna` learns from each
    outcome, `mixed` runs one Optuna search for each cell of the grid axes."""
    design: Literal["factorial", "one_at_a_time"] = "factorial"
    """A grid's points: every combination, or the base and each axis's values with all else at the base."""
    sampler: Sampler | None = None
    """`sobol`, `halton` or `uniform` for random; `tpe`, `gp`, `cmaes` or `nsga2` for optuna and mixed."""
    trials: Annotated[int, Field(ge=1)] | None = None
    """Number of points where they are not listed; each runs once per seed. Mixed shares them evenly."""
    seed: Seed = 0
    """Seed of the sampler."""
    metrics: Annotated[tuple[Metric, ...], Field(min_length=1)] = (OBJECTIVE_NAME,)
    """What Optuna maximizes (`train_seconds`: minimizes). The ranking is by the held-out objective."""
    mirror: str | None = None
    """Storage URL of a study that is only written, such as `sqlite:///study.db`, for optuna-dashboard."""
    warm_start: tuple[str, ...] = ()
    """Directories of earlier sweeps whose outcomes an Optuna search starts with."""

    @property
    def method(self) -> Sampler | None:
        """The sampler that runs: the one named, or the mode's default; None for a grid."""
        return self.sampler or next(iter(SAMPLERS[self.mode]), None)

    @property
    def learns(self) -> bool:
        """Whether points are chosen from the outcomes of earlier ones."""
        return self.mode in ("optuna", "mixed")

    @model_validator(mode="after")
    def _parts_fit_the_mode(self) -> Self:
        if (self.mode == "grid") != (self.trials is None):
            raise ValueError(
                f"trials must be given exactly when mode is not 'grid', got mode {self.mode!r} and trials "
                f"{self.trials}; a grid runs all of its points"
            )
        if self.sampler is not None and self.sampler not in SAMPLERS[self.mode]:
            known = ", ".join(SAMPLERS[self.mode]) or "left out"
            raise ValueError(f"sampler of mode {self.mode!r} must be {known}, got {self.sampler!r}")
        if self.mode != "grid" and self.design != "factorial":
            raise ValueError(f"design is a grid's, got {self.design!r} with mode {self.mode!r}; leave it out")
        if len(set(self.metrics)) != len(self.metrics):
            raise ValueError(f"metrics must differ, got {list(self.metrics)}")
        for key, given in (("mirror", self.mirror), ("warm_start", self.warm_start)):
            if given and not self.learns:
                raise ValueError(
                    f"{key} needs mode 'optuna' or 'mixed', got mode {self.mode!r}; leave it out"
                )
        if self.metrics != (OBJECTIVE_NAME,) and not self.learns:
            raise ValueError(f"metrics need mode 'optuna' or 'mixed', got mode {self.mode!r}; leave them out")
        if len(self.metrics) > 1 and self.method not in _SEVERAL_METRICS:
            raise ValueError(
                f"several metrics need the sampler {' or '.join(_SEVERAL_METRICS)}, got {self.method!r}"
            )
        return self


class SchedulerConfig(FrozenModel):
    """Which trials are stopped, or changed, before their end. Steps are optimizer steps."""

    type: Literal["none", "asha", "median", "hyperband", "pbt"] = "none"
    """Ray Tune's asynchronous halving, median stopping, HyperBand or population based training."""
    eval_steps: Annotated[int, Field(ge=1)] | None = None
    """A trial is evaluated, and may be stopped, every so many steps."""
    grace_steps: Annotated[int, Field(ge=1)] | None = None
    """No trial is stopped, or changed, before; `eval_steps` where not given."""
    reduction_factor: Annotated[int, Field(ge=2)] = 3
    """asha, hyperband: one trial of so many goes on from each rung."""
    perturbation_steps: Annotated[int, Field(ge=1)] | None = None
    """pbt: trials wait for each other every so many steps, and the worst take over the best ones' weights;
    `eval_steps` by default."""
    quantile: Annotated[float, Field(gt=0, le=0.5)] = 0.25
    """pbt: the share of trials that copy, and that are copied."""

    @property
    def turning_steps(self) -> int:
        """pbt: the steps between two rounds.

        Raises:
            ValueError: there is no scheduler.
        """
        steps = self.perturbation_steps or self.eval_steps
        if steps is None:
            raise ValueError("type must be a scheduler, got 'none'; it has no rounds")
        return steps

    @model_validator(mode="after")
    def _has_an_interval(self) -> Self:
        if (self.type == "none") != (self.eval_steps is None):
            raise ValueError(
                f"eval_steps must be given exactly with a scheduler, got type {self.type!r} and eval_steps "
                f"{self.eval_steps}; a trial can only be stopped where it is evaluated"
            )
        for key in ("grace_steps", "perturbation_steps"):
            steps = getattr(self, key)
            if steps is not None and (self.eval_steps is None or steps % self.eval_steps):
                raise ValueError(f"{key} must be a multiple of eval_steps {self.eval_steps}, got {steps}")
        return self


class BudgetConfig(FrozenModel):
    """What a sweep may cost in all; the first limit reached stops it, and what it has is kept."""

    trials: Annotated[int, Field(ge=1)] | None = None
    """Trials, each seed counted, without the baselines."""
    hours: Annotated[float, Field(gt=0)] | None = None
    """Wall-clock hours."""
    gpu_hours: Annotated[float, Field(gt=0)] | None = None
    """Hours of GPUs held by trials and scorers."""
    money: Annotated[float, Field(gt=0)] | None = None
    """In the currency of the prices."""
    price_per_gpu_hour: Annotated[float, Field(gt=0)] | None = None
    """Required by `money`."""

    @model_validator(mode="after")
    def _money_has_a_price(self) -> Self:
        if self.money is not None and self.price_per_gpu_hour is None:
            raise ValueError(f"money needs price_per_gpu_hour, got money {self.money:g} without a price")
        return self
