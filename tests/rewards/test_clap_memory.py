"""Freed memory stays with the process, where the C library can be told so."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

COUNT_FAULTS = """
import resource, statistics, sys, torch
from rewards.clap.memory import keep_freed_memory
if sys.argv[1] == "keep":
    assert keep_freed_memory()
def faults_of_a_use():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.empty(16 << 20).fill_(1.0)  # 64 MiB: 16,384 pages of 4 KiB
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
print(statistics.median(faults_of_a_use() for _ in range(11)))
"""


def faults(how: str) -> float:
    """Page faults of using 64 MiB once, in the median.

    The first uses fault however freed memory is kept: something small that is allocated between two of them,
    such as the state of a thread, may take the beginning of what the first one freed.
    """
    done = subprocess.run(
        [sys.executable, "-c", COUNT_FAULTS, how], capture_output=True, text=True, check=True, timeout=120
    )
    return float(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told")
def test_memory_that_was_freed_is_used_again_without_page_faults() -> None:
    # Else the system may hand out large pages, 512 at a time: 32 faults at least for 64 MiB.
    assert faults("keep") < 25 < faults("as it is")
