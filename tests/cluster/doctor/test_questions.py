"""What the doctor asks of servers, answered by one on this machine."""

from __future__ import annotations

import json
import socket
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Final

import pytest

from cluster.doctor import ports
from cluster.doctor.ports import look_at_port
from cluster.doctor.ray_cluster import Cluster, ask_cluster
from common.hub import Hub, ask_hub

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NODES: Final = [{"raylet": {"state": state}} for state in ("ALIVE", "DEAD", "ALIVE")]


class Dashboard(BaseHTTPRequestHandler):
    """Answers like Ray's, and wants a token unless it is open."""

    TOKEN: Final = "0" * 64
    is_open = False

    def do_GET(self) -> None:
        if not self.is_open and self.headers["Authorization"] != f"Bearer {self.TOKEN}":
            self.send_error(401, "Unauthorized")
            return
        found = {
            "/api/version": {"ray_version": "2.60.0"},
            "/nodes?view=summary": {"data": {"summary": NODES}},
        }
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(found[self.path]).encode())

    def do_HEAD(self) -> None:
        self.send_error(404)

    def log_message(self, *_: object) -> None:
        """Nothing on stderr."""


@pytest.fixture
def port() -> Iterator[int]:
    """That of a dashboard."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Dashboard)
    Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_cluster_says_its_version_and_how_many_nodes_are_alive(port: int, tmp_path: Path) -> None:
    address = f"http://127.0.0.1:{port}"
    by_value = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": Dashboard.TOKEN}
    assert ask_cluster(f"{address}/", by_value) == Cluster(f"{address}/", "2.60.0", 2)
    (tmp_path / "token").write_text(f"{Dashboard.TOKEN}\n")
    by_file = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(tmp_path / "token")}
    assert ask_cluster(address, by_file) == Cluster(address, "2.60.0", 2)


def test_a_cluster_that_answers_without_a_token_is_open(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Dashboard, "is_open", True)
    address = f"http://127.0.0.1:{port}"
    for environment in ({}, {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": Dashboard.TOKEN}):
        assert ask_cluster(address, environment).is_open


def test_a_dashboard_that_other_machines_reach_without_a_token_is_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # 127.0.0.2 is the outside here: no test can count on a network.
    monkeypatch.setattr(ports, "_own_address", lambda: "127.0.0.2")
    with ThreadingHTTPServer(("0.0.0.0", 0), Dashboard) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        port = server.server_address[1]
        assert look_at_port(port) == "ray"
        monkeypatch.setattr(Dashboard, "is_open", True)
        assert look_at_port(port) == "open"
        server.shutdown()


@pytest.mark.parametrize(
    "environment",
    [{}, {"RAY_AUTH_TOKEN": Dashboard.TOKEN}, {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "1" * 64}],
)
def test_a_token_that_is_missing_wrong_or_switched_off_is_told(
    port: int, environment: dict[str, str]
) -> None:
    found = ask_cluster(f"http://127.0.0.1:{port}", environment)
    assert found.needs_token
    assert found.version is None


def test_what_does_not_answer_is_a_problem(closed_port: int) -> None:
    assert "refused" in ask_cluster(f"http://127.0.0.1:{closed_port}", {}).problem
    assert "refused" in ask_cluster(f"127.0.0.1:{closed_port}", {}).problem
    assert "neither" in ask_cluster("auto", {}).problem


def test_a_heads_own_port_is_only_seen_to_answer(port: int) -> None:
    assert ask_cluster(f"127.0.0.1:{port}", {}) == Cluster(f"127.0.0.1:{port}")


def test_a_port_is_free_or_rays_or_taken(port: int, closed_port: int) -> None:
    assert look_at_port(closed_port) == "free"
    assert look_at_port(port) == "ray"
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert look_at_port(silent.getsockname()[1]) == "taken"


def test_a_hub_that_answers_anything_is_reached_and_one_that_is_offline_not_asked(
    port: int, closed_port: int
) -> None:
    endpoint = f"http://127.0.0.1:{port}"
    assert ask_hub({"HF_ENDPOINT": endpoint}) == Hub(endpoint)
    assert "refused" in ask_hub({"HF_ENDPOINT": f"http://127.0.0.1:{closed_port}"}).problem
    offline = ask_hub({"HF_ENDPOINT": f"http://127.0.0.1:{closed_port}", "HF_HUB_OFFLINE": "1"})
    assert offline.is_offline
    assert not offline.problem
