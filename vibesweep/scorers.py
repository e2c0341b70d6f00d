"""Where a command scores: in its own process, or with actors on a Ray."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

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
        ClusterError: Ray or the scorers do not start, or the cluster has no room for them.
    """
    if not scorers:
        from rewards import audio_backend  # noqa: PLC0415 - imports torch

        backend = audio_backend("clap", clap, None)
        assert backend is not None, "clap has audio"
        yield backend
        return
    from cluster.capacity import Demand, check_room  # noqa: PLC0415 - imports ray
    from cluster.scoring.keys import ScorerKey  # noqa: PLC0415
    from cluster.scoring.pool import ScoringPool  # noqa: PLC0415
    from cluster.session import ray_session  # noqa: PLC0415
    from search_spaces.resources import PoolLimits, Resources  # noqa: PLC0415

    limits = PoolLimits(queue=max(4096, batch), deadline_s=max(300.0, _SECONDS_PER_LINE * batch / scorers))
    resources = Resources(scorers=scorers, gpus_per_scorer=gpus_per_scorer, pool=limits)
    with ray_session() as is_local:
        cure = "take fewer --scorers or --gpus-per-scorer" + ", or set RAY_ADDRESS" * is_local
        check_room(Demand(resources, None), is_local=is_local, cure=cure, say=_say)
        pool = ScoringPool(resources, "rewards.backends:audio_backend", "score")
        try:
            key = ScorerKey(clap=clap)
            pool.check([key])
            yield pool.address.connect(key, "score")
        finally:
            pool.shutdown()


def _say(text: str) -> None:
    print(text, file=sys.stderr)
