"""Where on a node the copies of a sweep in a bucket lie: one for the driver, one for each trial's process."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import socket
from pathlib import Path, PurePosixPath
from typing import Final
from urllib.parse import urlsplit

from common.records import write_text_atomically

__all__ = ["CACHE_VARIABLE", "clear_left_behind", "driver_folder", "node_name", "sweep_cache", "trial_folder"]

CACHE_VARIABLE: Final = "VIBESWEEP_CACHE"
"""Names another folder for the copies, with room for the checkpoints of the trials that run on the node."""

_TRIALS: Final = "at-work"


def sweep_cache(url: str) -> Path:
    """This node's folder for all copies of the sweep at a URL."""
    return _cache() / "sweeps" / hashlib.sha256(url.encode()).hexdigest()[:16]


def driver_folder(url: str) -> Path:
    """Where the sweep's driver works; its name is the sweep's, as in the bucket."""
    return sweep_cache(url) / "driver" / PurePosixPath(urlsplit(url).path).name


def trial_folder(url: str, trial_id: str) -> Path:
    """Where this process works on a trial."""
    return sweep_cache(url) / _TRIALS / f"{socket.gethostname()}-{os.getpid()}" / trial_id


def clear_left_behind(url: str) -> None:
    """Remove the copies of this node's processes that died at work: what they had pushed is what counts."""
    for folder in sweep_cache(url).glob(f"{_TRIALS}/{socket.gethostname()}-*"):
        if not Path("/proc", folder.name.rpartition("-")[2]).exists() and Path("/proc/self").exists():
            shutil.rmtree(folder, ignore_errors=True)


def node_name() -> str:
    """What tells this node from others: whoever sees its cache sees its locks too. Host names do not tell."""
    file = _cache() / "node"
    if not file.is_file():
        write_text_atomically(file, secrets.token_hex(4))
    return f"{socket.gethostname()}-{file.read_text()}"


def _cache() -> Path:
    named = os.environ.get(CACHE_VARIABLE)
    return Path(named).expanduser().absolute() if named else Path.home() / ".cache" / "vibesweep"
