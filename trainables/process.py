"""What a trial sets in its process, and takes back: seeds, threads and the libraries' singletons."""

from __future__ import annotations

import gc
import math
from contextlib import contextmanager
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
    # Accelerate keeps its state for the life of the process. A trial that was stopped in the middle of an
    # epoch leaves its data loader in it, and the next trial would take that one's end for its own.
    GradientState._reset_state()
    AcceleratorState._reset_state(reset_partial_state=True)
    threads = torch.get_num_threads()
    torch.set_num_threads(math.ceil(config.infra.cpus_per_worker) or 1)
    set_seed(config.seed)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        # A trainer and its callbacks refer to each other: without this its model outlives it.
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
