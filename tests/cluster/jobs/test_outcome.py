"""How a job ended, as Ray says it and as Vibesweep does."""

from __future__ import annotations

import pytest
from ray.job_submission import JobStatus

from cluster.jobs.client import Job
from cluster.jobs.outcome import exit_code_of, in_words, told_reasons

JOB = Job("j", JobStatus.FAILED, "python x", None, None, None, None, None, 0, None, None, None, None)


@pytest.mark.parametrize(
    ("state", "own", "trouble", "code", "words"),
    [
        (JobStatus.SUCCEEDED, 0, None, 0, "all trials ended"),
        (JobStatus.FAILED, 1, "ENTRYPOINT", 1, "some trials failed (exit code 1)"),
        (JobStatus.FAILED, 2, "ENTRYPOINT", 2, "something is to be corrected first (exit code 2)"),
        (JobStatus.FAILED, 3, "ENTRYPOINT", 3, "the budget is spent or too small (exit code 3)"),
        (JobStatus.FAILED, 4, "ENTRYPOINT", 4, "the cluster failed (exit code 4)"),
        # Killed, as by the kernel for memory: 128 + 9.
        (JobStatus.FAILED, 137, "ENTRYPOINT", 4, "its command died with exit code 137"),
        (JobStatus.FAILED, None, "RUNTIME_ENV_SETUP_FAILURE", 4, "RUNTIME_ENV_SETUP_FAILURE"),
        (JobStatus.STOPPED, None, None, 130, "it was stopped"),
    ],
)
def test_a_jobs_end_has_the_exit_code_of_its_sweep(
    state: JobStatus, own: int | None, trouble: str | None, code: int, words: str
) -> None:
    job = JOB._replace(state=state, exit_code=own, trouble=trouble)
    assert exit_code_of(job) == code
    assert words in in_words(job)


def test_a_job_that_has_not_ended_says_that() -> None:
    assert in_words(JOB._replace(state=JobStatus.PENDING)) == "waits to start"
    assert in_words(JOB._replace(state=JobStatus.RUNNING)) == "runs"


def test_the_reasons_are_the_lines_of_the_sweeps_own() -> None:
    log = "x: starting Ray\nfailed: t000-s0 (lora.r=4): out of memory\n  vibesweep: no\nvibesweep: bad\nend\n"
    assert told_reasons(log) == ["failed: t000-s0 (lora.r=4): out of memory", "vibesweep: bad"]
