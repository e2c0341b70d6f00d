"""GPUs: does torch's CUDA fit the driver, and which slices of a GPU are there?"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import re
import subprocess
from collections import Counter
from pathlib import Path
from typing import Final, NamedTuple

from cluster.doctor.finding import Finding, failed, passed, warned

__all__ = ["Gpus", "check_gpus", "look_at_gpus"]

_NVIDIA_SMI_S: Final = 3.0
_GPU: Final = re.compile(r"^GPU \d+: (.+?) \(UUID", re.MULTILINE)
_SLICE: Final = re.compile(r"^\s+MIG (\S+)\s+Device", re.MULTILINE)
_TORCH_CUDA: Final = re.compile(r"^cuda\b[^=]*= *'([\d.]+)'", re.MULTILINE)


class Gpus(NamedTuple):
    """What the driver and torch say."""

    torch_cuda: str | None
    """CUDA that torch is built for, such as `13.0`; None for a CPU build, or without torch."""
    driver_cuda: int | None
    """Newest CUDA that the driver runs, as 1000 times major plus 10 times minor; None without a driver."""
    listing: str = ""
    """What `nvidia-smi -L` prints: a line for each GPU, and one below it for each of its MIG slices."""
    problem: str = ""
    """What nvidia-smi says where it fails."""
    visible: str | None = None
    """CUDA_VISIBLE_DEVICES."""


def look_at_gpus() -> Gpus:
    """What this machine has; torch is not imported."""
    try:
        done = subprocess.run(
            ["nvidia-smi", "-L"], capture_output=True, text=True, timeout=_NVIDIA_SMI_S, check=False
        )
        listing, problem = (done.stdout, "") if done.returncode == 0 else ("", done.stdout + done.stderr)
    except OSError:
        listing, problem = "", ""
    except subprocess.TimeoutExpired:
        listing, problem = "", f"nvidia-smi did not answer within {_NVIDIA_SMI_S:g} s"
    return Gpus(
        torch_cuda=_cuda_of_torch(),
        driver_cuda=_cuda_of_driver(),
        listing=listing,
        problem=" ".join(problem.split()),
        visible=os.environ.get("CUDA_VISIBLE_DEVICES"),
    )


def check_gpus(gpus: Gpus) -> Finding:
    """Whether a trial or scorer that is given a GPU can use it."""
    names = Counter(_GPU.findall(gpus.listing))
    there = _counted(names)
    if trouble := _trouble(gpus, there):
        return failed("gpu", trouble.what, trouble.cure)
    if not names:
        return passed("gpu", "none; trials and scorers take CPUs")
    found = f"{there}, torch for CUDA {gpus.torch_cuda}, driver for {_version(gpus.driver_cuda)}"
    if gpus.visible is not None and gpus.visible.strip() in {"", "-1"}:
        return warned("gpu", f"{found}; CUDA_VISIBLE_DEVICES hides them", "unset CUDA_VISIBLE_DEVICES")
    slices = Counter(_SLICE.findall(gpus.listing))
    if slices:
        found = f"{found}; MIG: {_counted(slices)}"
    if slices and "MIG-" not in (gpus.visible or ""):
        return warned(
            "gpu",
            f"{found}; Ray counts whole GPUs",
            f"to use each slice: CUDA_VISIBLE_DEVICES=MIG-…,MIG-… ray start --num-gpus={slices.total()} …",
        )
    return passed("gpu", found)


class _Trouble(NamedTuple):
    what: str
    cure: str


def _trouble(gpus: Gpus, there: str) -> _Trouble | None:
    """What keeps the GPUs from being used, if something does."""
    if gpus.problem:
        return _Trouble(
            f"nvidia-smi fails: {gpus.problem[:200]}",
            "restart the machine after an update of the driver; give a container its GPUs (--gpus all)",
        )
    if not there:
        return None
    if gpus.torch_cuda is None:
        return _Trouble(f"{there}, but torch is a build for CPUs", "install PyPI's torch, which has CUDA")
    if gpus.driver_cuda is None:
        return _Trouble(
            f"{there}, but libcuda.so.1 is not found",
            "install the driver's library; in a container set NVIDIA_DRIVER_CAPABILITIES=compute,utility",
        )
    # Within one major version of CUDA an older driver runs what a newer toolkit has compiled.
    major = gpus.driver_cuda // 1000
    if major < int(gpus.torch_cuda.partition(".")[0]):
        newest = _version(gpus.driver_cuda)
        return _Trouble(
            f"{there}; torch is built for CUDA {gpus.torch_cuda}, and the driver runs {newest} at most",
            f"update the driver, or install a torch that is built for CUDA {major}",
        )
    return None


def _version(cuda: int | None) -> str:
    """The driver's number as people write it: 13000 is 13.0."""
    return "none" if cuda is None else f"{cuda // 1000}.{cuda % 1000 // 10}"


def _counted(names: Counter[str]) -> str:
    return ", ".join(f"{count} x {name}" for name, count in sorted(names.items()))


def _cuda_of_torch() -> str | None:
    """What torch's own version file says; importing torch would take seconds."""
    spec = importlib.util.find_spec("torch")
    if spec is None or spec.origin is None:
        return None
    try:
        text = Path(spec.origin).with_name("version.py").read_text(encoding="utf-8")
    except OSError:
        return None
    found = _TORCH_CUDA.search(text)
    return found.group(1) if found else None


def _cuda_of_driver() -> int | None:
    try:
        library = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return None
    version = ctypes.c_int()
    return version.value if library.cuDriverGetVersion(ctypes.byref(version)) == 0 else None
