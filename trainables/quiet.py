"""The one place that keeps the libraries off the terminal."""

from __future__ import annotations

import logging
import warnings

import datasets
import transformers
from huggingface_hub import constants
from huggingface_hub.utils.tqdm import disable_progress_bars

__all__ = ["silence_libraries"]


def silence_libraries() -> None:
    """No progress bars, no notices and no telemetry from transformers, TRL, datasets and the hub.

    A sweep runs many trials at once and shows one display; hundreds of interleaved bars would bury it
    and the errors that matter. Errors still show. TRL reports its use to the hub at every trainer, which
    an offline machine retries in vain.
    """
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    datasets.disable_progress_bars()
    disable_progress_bars()
    constants.HF_HUB_DISABLE_TELEMETRY = True
    for name in ("trl", "accelerate", "datasets"):
        logging.getLogger(name).setLevel(logging.ERROR)
    # Every fallback of torch's data loader and of PEFT to a default is a warning of its own.
    for module in ("torch", "trl", "peft", "transformers"):
        warnings.filterwarnings("ignore", module=rf"{module}\..*")
