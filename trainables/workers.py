"""The data-parallel processes of one trial: which of them this is, and what they tell each other.

Every function here is collective: all workers call it, in the same order. In a trial of one process, where no
process group exists, each is what it is for one.
"""

from __future__ import annotations

import sys
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, Final, TypeVar

from common.errors import RewardError, TrialError, UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import torch.distributed as dist

__all__ = ["everyones", "first_does", "is_first", "num_workers", "share", "wait_for_all"]

T = TypeVar("T")

_LONGEST_WAIT: Final = timedelta(days=7)
"""The first worker scores while the others wait; infra.timeout_hours ends a trial that takes too long."""


def _torch_distributed() -> Any:
    """`torch.distributed` where this is one of several processes, else None.

    A process that never imported it, such as a sweep's driver, is none of several and need not load torch.
    """
    module = sys.modules.get("torch.distributed")
    return module if module is not None and module.is_initialized() else None


def num_workers() -> int:
    """Processes of this trial."""
    several = _torch_distributed()
    return several.get_world_size() if several else 1


def _rank() -> int:
    several = _torch_distributed()
    return several.get_rank() if several else 0


def is_first() -> bool:
    """Whether this is the process that writes the trial's files."""
    return _rank() == 0


def share(rows: Sequence[T]) -> Sequence[T]:
    """This worker's part of what all have: consecutive, as even as it goes."""
    count, rank = num_workers(), _rank()
    return rows[len(rows) * rank // count : len(rows) * (rank + 1) // count]


def everyones(rows: Sequence[T]) -> list[T]:
    """The parts of all workers, one after the other."""
    if num_workers() == 1:
        return list(rows)
    parts: list[Sequence[T]] = [()] * num_workers()
    _torch_distributed().all_gather_object(parts, list(rows), group=_group())
    return [row for part in parts for row in part]


def first_does(work: Callable[[], T]) -> T:
    """Do something in the first worker, for all of them.

    Returns:
        What it gave, in every worker.

    Raises:
        UserError, TrialError, RewardError: its error, in every worker: none is left waiting for the others.
    """
    if num_workers() == 1:
        return work()
    told: list[Any] = [None, None]
    if is_first():
        try:
            told[0] = work()
        except (UserError, TrialError, RewardError) as failure:
            told[1] = failure
    _torch_distributed().broadcast_object_list(told, src=0, group=_group())
    result: T = told[0]
    error: Exception | None = told[1]
    if error is not None:
        raise error
    return result


def wait_for_all() -> None:
    """Go on when all workers are here."""
    if num_workers() > 1:
        _torch_distributed().barrier(group=_group())


@cache
def _group() -> dist.ProcessGroup:
    """A group for objects, on the CPU: the trainer's own moves tensors between GPUs, and gives up sooner."""
    group: dist.ProcessGroup = _torch_distributed().new_group(backend="gloo", timeout=_LONGEST_WAIT)
    return group
