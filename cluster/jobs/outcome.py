"""How a job ended, in words and as an exit code: its command's own, where it had one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ray.job_submission import JobStatus

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cluster.jobs.client import Job

__all__ = ["exit_code_of", "in_words", "told_reasons"]

_STOPPED: Final = 130
_INFRASTRUCTURE: Final = 4
_MEANINGS: Final[Mapping[int, str]] = {
    0: "all trials ended",
    1: "some trials failed",
    2: "something is to be corrected first",
    3: "the budget is spent or too small",
    4: "the cluster failed",
    70: "it met a bug, and its log has the traceback",
    _STOPPED: "it was stopped",
}
_MOST_REASONS: Final = 20


def exit_code_of(job: Job) -> int:
    """The exit code that `sweep run` would have ended with here.

    Ray calls every job FAILED whose command did not exit with 0. One that was stopped is 130, and one whose
    command never ran or died of something else, such as a lost head node, is the infrastructure's 4.
    """
    if job.state == JobStatus.SUCCEEDED:
        return 0
    if job.state == JobStatus.STOPPED:
        return _STOPPED
    code = job.exit_code
    return code if code is not None and code in _MEANINGS else _INFRASTRUCTURE


def in_words(job: Job) -> str:
    """How a job is or ended, in a line.

    Args:
        job: at any time of its life.
    """
    if not job.state.is_terminal():
        return {JobStatus.PENDING: "waits to start"}.get(job.state, "runs")
    if job.state in (JobStatus.SUCCEEDED, JobStatus.STOPPED):
        return _MEANINGS[exit_code_of(job)]
    if job.exit_code is not None:
        if meaning := _MEANINGS.get(job.exit_code):
            return f"{meaning} (exit code {job.exit_code})"
        return f"its command died with exit code {job.exit_code}: submit it again to go on"
    reason = job.trouble or "Ray gives no reason"
    return f"its command did not run to an end ({reason}): submit it again"


def told_reasons(log: str) -> list[str]:
    """The lines in which a sweep says what went wrong: which trials failed, and what ended it."""
    told = [line for line in log.splitlines() if line.startswith(("vibesweep: ", "failed: ", "stopped"))]
    return told[-_MOST_REASONS:]
