"""Ray for one sweep: a local one that ends with the sweep, or the cluster that is already there."""

from __future__ import annotations

import logging
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import ray

from common.errors import ClusterError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["inside_ray_job", "ray_session"]

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
