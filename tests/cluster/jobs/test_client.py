"""What Ray's job API answers, as Vibesweep's users read it."""

from __future__ import annotations

import json
import socket
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from cluster.jobs.client import Jobs
from common.errors import ClusterError, UserError

if TYPE_CHECKING:
    from collections.abc import Iterator


def details(job_id: str, started: int, **more: Any) -> dict[str, Any]:
    return {
        "type": "SUBMISSION", "submission_id": job_id, "status": "RUNNING", "entrypoint": "python x",
        "start_time": started, "runtime_env": {"working_dir": "gcs://p.zip", "env_vars": {"KEY": "planted"}},
    } | more  # fmt: skip


class Api(BaseHTTPRequestHandler):
    """Ray's, with three jobs and a driver that nobody submitted."""

    status: ClassVar[int] = 200
    JOBS: ClassVar[dict[str, dict[str, Any]]] = {
        "early": details("early", 1, metadata={"sweep": "s", "directory": "/d/s"}, driver_exit_code=1),
        "late": details("late", 3, driver_info={"id": "1", "node_ip_address": "x", "pid": "77"}),
        "helper": details("helper", 2, metadata={"vibesweep-helper": "1"}),
        "driver": details("driver", 4, type="DRIVER", submission_id=None),
    }

    def do_GET(self) -> None:
        *_, name = self.path.rstrip("/").split("/")
        answers = {"version": {"ray_version": "2.60.0"}, "jobs": list(self.JOBS.values())} | self.JOBS
        body = json.dumps(answers[name]) if name in answers else f"Job {name} does not exist"
        self.send_response((200 if name in answers else 404) if self.status == 200 else self.status)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: object) -> None:
        """Nothing on stderr."""


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    # What is given goes before the variables, which Ray alone would take; and they are put back.
    monkeypatch.setenv("RAY_API_SERVER_ADDRESS", "http://elsewhere:1")
    monkeypatch.setenv("RAY_ADDRESS", "elsewhere:2")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Api)
    Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_jobs_are_listed_latest_first_without_helpers_and_drivers(address: str) -> None:
    jobs = Jobs(address).all()
    assert [job.id for job in jobs] == ["late", "early"]
    assert (jobs[0].pid, jobs[0].sweep, jobs[0].exit_code) == (77, None, None)
    assert (jobs[1].pid, jobs[1].sweep, jobs[1].directory, jobs[1].exit_code) == (None, "s", "/d/s", 1)


def test_a_jobs_environment_goes_no_further(address: str) -> None:
    assert "planted" not in repr(Jobs(address).find("early"))


def test_a_job_that_is_not_there_is_the_users_error(address: str) -> None:
    with pytest.raises(
        UserError, match="must be one of the cluster's, got 'gone'; `vibesweep list` has them"
    ):
        Jobs(address).find("gone")


@pytest.mark.parametrize("status", [401, 403])
def test_a_missing_or_wrong_token_is_named(
    address: str, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Api, "status", status)
    with pytest.raises(ClusterError, match="asks for its token; export RAY_AUTH_MODE=token"):
        Jobs(address)


def test_a_cluster_that_does_not_answer_is_the_infrastructures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_API_SERVER_ADDRESS", "")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.raises(
        ClusterError, match=rf"Ray's job API at http://127\.0\.0\.1:{port} must answer, got: "
    ):
        Jobs(f"http://127.0.0.1:{port}")


def test_an_error_of_the_server_is_the_infrastructures(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = Jobs(address)
    monkeypatch.setattr(Api, "status", 500)
    with pytest.raises(ClusterError, match="must answer, got: Request failed with status code 500"):
        jobs.all()
