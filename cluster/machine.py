"""What a sweep can use: cores and GPUs, and their kinds."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import NamedTuple

__all__ = ["Machine", "this_machine"]


class Machine(NamedTuple):
    """The machine, or the cluster of such machines, that a plan is made for."""

    cpus: float
    """Logical CPUs in all."""
    gpus: float
    """GPUs in all."""
    cpu_kind: str
    """Name of the processor."""
    gpu_kind: str | None
    """Name of the GPU; None where there is none."""

    def device(self, gpus: float) -> str:
        """What a process runs on that holds so many GPUs."""
        return self.gpu_kind or "gpu" if gpus > 0 else self.cpu_kind


def this_machine(cpus: float | None = None, gpus: float | None = None) -> Machine:
    """This machine; a cluster has as many CPUs and GPUs as are given here, of this machine's kinds."""
    import torch  # noqa: PLC0415 - seconds, and only a plan needs it

    kind = torch.cuda.get_device_name(0) if torch.cuda.is_available() else None
    return Machine(
        # What this process may use, which in a container is less than the machine has.
        cpus=len(os.sched_getaffinity(0)) if cpus is None else cpus,
        gpus=torch.cuda.device_count() if gpus is None else gpus,
        cpu_kind=_cpu_kind(),
        gpu_kind=kind,
    )


def _cpu_kind() -> str:
    """The processor's name where Linux says it, else its architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
