"""Ray for one sweep: a local one that ends with the sweep, or the cluster that is already there."""

from __future__ import annotations

import logging
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import ray

from common.errors import ClusterError, UserError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from common.training_config import InfraConfig
    from search_spaces.sweep_file import Resources

__all__ = ["check_capacity", "inside_ray_job", "places_in_cluster", "ray_session", "trial_resources"]

_OBJECT_STORE_BYTES: Final = 128 * 2**20
"""A sweep moves configs and scores through Ray, a few kilobytes each; audio never leaves its actor."""

_SETTINGS: Final[Mapping[str, str]] = {
    # Trials keep their own records, TensorBoard files and checkpoints; Tune's copies would be second truths.
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    # Ctrl-C reaches the sweep, which ends what it started, instead of Tune, which returns as if done.
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    # Trials report no fixed set of metrics, and the ranking reads the ledger.
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    # No network for a local run.
    "RAY_USAGE_STATS_ENABLED": "0",
    # A trial without GPUs must not see the ones that others hold.
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "1",
}


def inside_ray_job() -> bool:
    """Whether this process is the entry point of a submitted job (Ray's job manager sets the variable)."""
    return "RAY_JOB_CONFIG_JSON_ENV_VAR" in os.environ


@contextmanager
def ray_session() -> Iterator[bool]:
    """The Ray of this process, else of RAY_ADDRESS, else one started on this machine and ended afterwards.

    Yields:
        Whether it is our own.

    Raises:
        ClusterError: it does not start, or is not there.
    """
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    # Notices would tear the display, and Tune logs a page for every crash, which the display tells in a
    # line and the trial's record keeps. What Ray itself cannot do comes as an exception.
    logging.getLogger("ray").setLevel(logging.ERROR)
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    if ray.is_initialized():
        yield False
        return
    is_local = "RAY_ADDRESS" not in os.environ
    local_only = {"include_dashboard": False, "object_store_memory": _OBJECT_STORE_BYTES} if is_local else {}
    try:
        ray.init(
            address="local" if is_local else None,
            configure_logging=True,
            logging_level=logging.ERROR,
            log_to_driver=False,
            **local_only,
        )
    except Exception as error:
        # Ray raises bare exceptions of many kinds here; each means that there is no cluster to work on.
        where = "this machine" if is_local else f"RAY_ADDRESS {os.environ['RAY_ADDRESS']}"
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ClusterError(
            f"Ray must start on or be reached at {where}, got: {reason[:200]}; see whether the machine has "
            "room, and run the same command again"
        ) from error
    try:
        yield is_local
    finally:
        ray.shutdown()


def trial_resources(infra: InfraConfig) -> dict[str, float]:
    """One trial's bundle for Ray. A sliver of the accelerator's own resource pins the type."""
    bundle = {"CPU": infra.cpus_per_trial, "GPU": infra.gpus_per_trial}
    if infra.gpu_type is not None:
        bundle[f"accelerator_type:{infra.gpu_type}"] = 0.001
    return {name: amount for name, amount in bundle.items() if amount > 0}


def places_in_cluster(scorers: Resources, trial: Mapping[str, float]) -> int:
    """Trials that fit beside the scorers into the cluster as it is; at least one, for nodes may come."""
    there = ray.cluster_resources()
    taken = {"CPU": scorers.cpus_per_scorer, "GPU": scorers.gpus_per_scorer}
    return max(
        1,
        min(
            int((there.get(name, 0.0) - scorers.scorers * taken.get(name, 0.0)) // amount)
            for name, amount in trial.items()
        ),
    )


def check_capacity(scorers: Resources, trial: Mapping[str, float]) -> None:
    """See that the scorers and one trial fit, instead of waiting for ever.

    Raises:
        UserError: they do not.
    """
    there = ray.cluster_resources()
    taken = {
        "CPU": scorers.scorers * scorers.cpus_per_scorer,
        "GPU": scorers.scorers * scorers.gpus_per_scorer,
    }
    for name in {*taken, *trial}:
        needed = taken.get(name, 0.0) + trial.get(name, 0.0)
        if needed > there.get(name, 0.0):
            raise UserError(
                f"{name}: {scorers.scorers} scorers and one trial need {needed:g}, got "
                f"{there.get(name, 0.0):g} in the cluster; lower resources or base.infra, or add nodes"
            )
