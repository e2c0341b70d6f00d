"""Ray's job API as Vibesweep uses it: one line for what goes wrong, and no environment in what is shown."""

from __future__ import annotations

import asyncio
import logging
import os
import shlex
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NamedTuple

import requests
from ray.exceptions import AuthenticationError
from ray.job_submission import JobStatus, JobSubmissionClient

from common.errors import ClusterError, UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from ray.job_submission import JobDetails

__all__ = ["Job", "Jobs"]

_HELPER: Final = "vibesweep-helper"
"""Metadata of the short jobs that ask or signal; lists leave them out."""
_LOOK_EVERY_S: Final = 0.5
_HELPER_PATIENCE_S: Final = 120.0


class Job(NamedTuple):
    """A job as far as it is anyone's business: what Ray says beside this has the environment in it."""

    id: str
    state: JobStatus
    command: str
    sweep: str | None
    """The sweep's name; None where `vibesweep submit` did not send it."""
    directory: str | None
    """The sweep's folder on the cluster; None where `vibesweep submit` did not send it."""
    fingerprint: str | None
    """The sweep's; None where its data were not there when it was submitted."""
    exit_code: int | None
    """Of its command; None while it runs, and where it was stopped or never ran."""
    trouble: str | None
    """Ray's name for what kept its command from running or ended it; None where nothing did."""
    started_ms: int | None
    ended_ms: int | None
    """Both in milliseconds since 1970."""
    pid: int | None
    """Of the process that drives the sweep, on its node; None before it has reached Ray."""
    node_id: str | None
    package: str | None
    """Where Ray keeps its working directory."""


class Jobs:
    """The jobs of one cluster."""

    def __init__(self, address: str) -> None:
        """Connect.

        Args:
            address: `http://host:port` of the cluster's dashboard; its token is taken from the environment,
                as Ray's commands take it.

        Raises:
            ClusterError: nothing answers there, or not without another token.
        """
        self.address = address
        # Ray lets its variables win over the address that it is given.
        os.environ["RAY_API_SERVER_ADDRESS"] = address
        for part in ("dashboard_sdk", "job.sdk"):
            logging.getLogger(f"ray.dashboard.modules.{part}").setLevel(logging.WARNING)
        with self._asking():
            self._client = JobSubmissionClient(address)

    def submit(
        self,
        command: list[str],
        *,
        job_id: str,
        package: Path,
        environment: Mapping[str, str],
        opener: str,
        metadata: Mapping[str, str],
    ) -> str:
        """Start a job.

        Args:
            command: its entry point, in words.
            job_id: what it will be called.
            package: zip file of its working directory.
            environment: variables of all its processes. Ray shows them to everybody who may list jobs.
            opener: `module.function` that Ray calls first in each of its worker processes.
            metadata: what Ray keeps of it beside.

        Returns:
            Its id.

        Raises:
            ClusterError: Ray does not take it.
        """
        with self._asking():
            return str(
                self._client.submit_job(
                    entrypoint=shlex.join(command),
                    submission_id=job_id,
                    runtime_env={
                        "working_dir": str(package),
                        "env_vars": dict(environment),
                        "worker_process_setup_hook": opener,
                    },
                    metadata=dict(metadata),
                )
            )

    def find(self, job_id: str) -> Job:
        """One job.

        Raises:
            UserError: the cluster knows none of that id.
            ClusterError: it does not answer.
        """
        with self._asking(job_id):
            return _job(self._client.get_job_info(job_id))

    def all(self) -> list[Job]:
        """Everything that was submitted to the cluster, latest first."""
        with self._asking():
            found = self._client.list_jobs()
        own = [one for one in found if one.submission_id and _HELPER not in (one.metadata or {})]
        return sorted(map(_job, own), key=lambda job: -(job.started_ms or 0))

    def log(self, job_id: str) -> str:
        """What a job has printed so far."""
        with self._asking(job_id):
            return str(self._client.get_job_logs(job_id))

    def follow(self, job_id: str, show: Callable[[str], None]) -> None:
        """Show what a job prints, from its beginning, until it has ended."""

        async def tail() -> None:
            async for text in self._client.tail_job_logs(job_id):
                show(text)

        self.find(job_id)  # the tail of one that is not there would end as if it had nothing to say
        with self._asking(job_id):
            asyncio.run(tail())

    def stop(self, job_id: str) -> None:
        """Have Ray send SIGTERM to a job's command; what it does then is the command's."""
        with self._asking(job_id):
            self._client.stop_job(job_id)

    def signal_again(self, job: Job) -> None:
        """Send SIGTERM to the process that drives a job's sweep: Ray itself does so once and no more.

        Raises:
            ClusterError: it could not be sent.
        """
        self._help(f"kill -TERM {job.pid}", node_id=job.node_id)

    def ask(self, command: list[str], *, package: str | None) -> str:
        """What a short command prints on the cluster's head.

        Raises:
            ClusterError: it could not be run there, or failed.
        """
        return self._help(shlex.join(command), package=package)

    def _help(self, command: str, *, node_id: str | None = None, package: str | None = None) -> str:
        with self._asking():
            job_id = self._client.submit_job(
                entrypoint=command,
                runtime_env={"working_dir": package} if package else {},
                metadata={_HELPER: "1"},
                entrypoint_label_selector={"ray.io/node-id": node_id} if node_id else None,
            )
            until = time.monotonic() + _HELPER_PATIENCE_S
            while not (info := self._client.get_job_info(job_id)).status.is_terminal():
                if time.monotonic() > until:
                    raise ClusterError(f"{self.address} did not run a short command within {until:.0f} s")
                time.sleep(_LOOK_EVERY_S)
            log = str(self._client.get_job_logs(job_id))
        if info.status != JobStatus.SUCCEEDED:
            last = next((line for line in reversed(log.splitlines()) if line.strip()), info.error_type)
            raise ClusterError(f"a short command failed on the cluster: {last}")
        return log

    @contextmanager
    def _asking(self, job_id: str | None = None) -> Iterator[None]:
        try:
            yield
        except AuthenticationError as error:
            raise ClusterError(
                f"{self.address} asks for its token; export RAY_AUTH_MODE=token and the cluster's "
                "RAY_AUTH_TOKEN (or RAY_AUTH_TOKEN_PATH)"
            ) from error
        except (OSError, requests.RequestException, ValueError, RuntimeError) as error:
            if isinstance(error, UserError | ClusterError):
                raise
            reason = " ".join(str(error).split()).rstrip(".")
            if job_id is not None and ("does not exist" in reason or "404" in reason):
                raise UserError(
                    f"the job must be one of the cluster's, got {job_id!r}; `vibesweep list` has them"
                ) from error
            raise ClusterError(
                f"Ray's job API at {self.address} must answer, got: {reason[:300]}; see whether it is "
                "forwarded to here: `vibesweep doctor --address …` says what is wrong"
            ) from error


def _job(info: JobDetails) -> Job:
    told = info.metadata or {}
    environment = info.runtime_env or {}
    return Job(
        id=info.submission_id,
        state=info.status,
        command=info.entrypoint,
        sweep=told.get("sweep"),
        directory=told.get("directory"),
        fingerprint=told.get("fingerprint"),
        exit_code=info.driver_exit_code,
        trouble=info.error_type,
        started_ms=info.start_time,
        ended_ms=info.end_time,
        pid=int(info.driver_info.pid) if info.driver_info else None,
        node_id=info.driver_node_id,
        package=environment.get("working_dir"),
    )
