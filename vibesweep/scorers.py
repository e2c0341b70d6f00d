"""Where a command scores: in its own process, or with actors on a Ray."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from common.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from common.reward_config import ClapScorerConfig
    from rewards import AudioBackend

__all__ = ["audio_backend_of"]

_SECONDS_PER_LINE: Final = 60.0
"""Of one scorer, for the deadline: no CLAP on any machine takes as long."""


@contextmanager
def audio_backend_of(
    clap: ClapScorerConfig, *, scorers: int, gpus_per_scorer: float, batch: int
) -> Iterator[AudioBackend]:
    """A CLAP scorer, ready.

    Args:
        clap: which.
        scorers: actors of a pool, on the cluster of RAY_ADDRESS or this job, else on a Ray of this machine
            that ends with the command; 0 scores in this process.
        gpus_per_scorer: of each; fractions share a GPU.
        batch: most configs that are asked for at once.

    Raises:
        UserError: the model cannot be loaded, or this machine has no room for so many scorers.
        ClusterError: Ray or the scorers do not start.
    """
    if not scorers:
        from rewards import audio_backend  # noqa: PLC0415 - imports torch

        backend = audio_backend("clap", clap, None)
        assert backend is not None, "clap has audio"
        yield backend
        return
    import ray  # noqa: PLC0415

    from cluster.scoring.keys import ScorerKey  # noqa: PLC0415
    from cluster.scoring.pool import ScoringPool  # noqa: PLC0415
    from cluster.session import ray_session  # noqa: PLC0415
    from search_spaces.resources import PoolLimits, Resources  # noqa: PLC0415

    limits = PoolLimits(queue=max(4096, batch), deadline_s=max(300.0, _SECONDS_PER_LINE * batch / scorers))
    resources = Resources(scorers=scorers, gpus_per_scorer=gpus_per_scorer, pool=limits)
    with ray_session() as is_local:
        room = ray.cluster_resources()
        if is_local and (scorers > room["CPU"] or scorers * gpus_per_scorer > room.get("GPU", 0.0)):
            raise UserError(
                f"--scorers must fit on this machine, {room['CPU']:g} CPUs and {room.get('GPU', 0):g} GPUs, "
                f"got {scorers} of 1 CPU and {gpus_per_scorer:g} GPUs each; take fewer, or set RAY_ADDRESS"
            )
        pool = ScoringPool(resources, "rewards.backends:audio_backend", "score")
        try:
            key = ScorerKey(clap=clap)
            pool.check([key])
            yield pool.address.connect(key, "score")
        finally:
            pool.shutdown()
