"""What a trial sets in its process, and takes back: seeds, threads and the libraries' singletons."""

from __future__ import annotations

import gc
import math
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

import torch
from accelerate.state import AcceleratorState, GradientState
from transformers import set_seed

from trainables.quiet import silence_libraries

if TYPE_CHECKING:
    from collections.abc import Iterator

    from common.training_config import TrainingConfig

__all__ = ["trial_process"]


@contextmanager
def trial_process(config: TrainingConfig) -> Iterator[None]:
    """Make this process the same at the start of every trial, whatever ran in it before.

    The number of threads decides how sums are split, and so the last bits of every result: it comes from
    the configuration, not from the machine.
    """
    silence_libraries()
    _leave_imports_out_of_garbage_collection()
    _clean_up()
    threads = torch.get_num_threads()
    torch.set_num_threads(math.ceil(config.infra.cpus_per_worker) or 1)
    set_seed(config.seed)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        _clean_up()


def _clean_up() -> None:
    """Before a trial as well as after it: who failed left when its error, which held everything, was gone."""
    # Accelerate keeps its state for the life of the process. A trial that was stopped in the middle of an
    # epoch leaves its data loader in it, and the next trial would take that one's end for its own.
    GradientState._reset_state()
    AcceleratorState._reset_state(reset_partial_state=True)
    # A trainer and its callbacks refer to each other: without this its model outlives it.
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


@cache
def _leave_imports_out_of_garbage_collection() -> None:
    """Once per process: torch, transformers and TRL are a million objects that stay for good.

    A trial collects garbage three times, and took a second each time to go through all of them.
    """
    gc.collect()
    gc.freeze()
