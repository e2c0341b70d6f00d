"""The driver's side of the pool: makes the dispatcher, checks it, ends it.

Placement is why the driver makes it: an actor made inside a trial lives in the trial's placement group and
dies with the trial that made it.
"""

from __future__ import annotations

import random
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import ray
from ray.exceptions import GetTimeoutError, RayActorError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from cluster.scoring.book import Question
from cluster.scoring.client import PoolAddress
from cluster.scoring.dispatcher import ScoringDispatcher
from cluster.scoring.report import PoolReport
from cluster.scoring.watch import PoolWatch
from cluster.scoring.worker import LOAD_DEADLINE_S, one_line
from common.errors import ClusterError, UserError
from common.music_schema import canonical_json, config_hash
from common.random_configs import random_config

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from ray.actor import ActorHandle

    from cluster.scoring.keys import ScorerKey
    from search_spaces.resources import Resources
    from search_spaces.sweep_file import SweepFile

__all__ = ["ScoringPool", "running_pool"]

_CONCURRENT_CALLS: Final = 10_000
"""Calls that the dispatcher has open at once; its book bounds what they hold."""


@contextmanager
def running_pool(
    sweep: SweepFile, directory: Path, backend_factory: str, keys: Sequence[ScorerKey]
) -> Iterator[PoolAddress | None]:
    """The pool of a sweep, checked and watched, from before its first trial until after its last.

    Yields:
        Where trials find it; None where the sweep has no scorers and each trial scores for itself.

    Raises:
        UserError: a scorer's model, renderer or callable cannot be loaded.
        ClusterError: a scorer does not start, or scores nothing.
    """
    if not sweep.resources.scorers:
        yield None
        return
    # What an earlier driver's pool did must not pass for this one's.
    (directory / PoolReport.FILE).unlink(missing_ok=True)
    pool = ScoringPool(sweep.resources, backend_factory, sweep.name)
    try:
        pool.check(keys)
        with PoolWatch(pool, directory):
            yield pool.address
    finally:
        pool.shutdown()


class ScoringPool:
    """Scorers that all trials of a sweep share, gone with the driver that made them."""

    def __init__(self, resources: Resources, backend_factory: str, sweep: str) -> None:
        """Start the dispatcher, which starts the scorers when it is first called.

        Args:
            resources: how many scorers, the CPUs and GPUs of each, and the pool's limits.
            backend_factory: `module:callable` with the signature of `rewards.audio_backend`.
            sweep: whose pool it is, for the metrics.
        """
        # Not soft: from a head without CPUs Ray moves two of three such actors to another node all the same
        # (seen with 2.60), and the pool would go with that node. Without its own the driver is lost anyway.
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        self.dispatcher: ActorHandle[ScoringDispatcher] = (
            ray.remote(ScoringDispatcher)
            .options(num_cpus=0, max_restarts=-1, max_concurrency=_CONCURRENT_CALLS, scheduling_strategy=here)
            .remote(resources, backend_factory, sweep)
        )

        self.address = PoolAddress(self.dispatcher, resources.pool.deadline_s)

    def check(self, keys: Sequence[ScorerKey]) -> None:
        """Wait until every scorer has scored one config for every key.

        Raises:
            UserError: a scorer's model, renderer or callable cannot be loaded.
            ClusterError: a scorer does not start, or scores nothing.
        """
        config = random_config(random.Random(0))
        probe = Question("health check", config_hash(config), canonical_json(config))
        for key in keys:
            try:
                ray.get(
                    self.dispatcher.check.remote(key.model_dump_json(), probe), timeout=3 * LOAD_DEADLINE_S
                )
            except RayTaskError as error:
                if isinstance(error.cause, UserError | ClusterError):
                    raise type(error.cause)(str(error.cause)) from error
                raise
            except (GetTimeoutError, RayActorError) as error:
                raise ClusterError(f"the scoring pool does not start: {one_line(error)}") from error

    def report(self) -> PoolReport:
        """How the pool is doing.

        Raises:
            RayError: it does not answer.
        """
        report: PoolReport = ray.get(self.dispatcher.report.remote(), timeout=10)
        return report

    def shutdown(self) -> None:
        """End the dispatcher, and the scorers with it."""
        ray.kill(self.dispatcher)
