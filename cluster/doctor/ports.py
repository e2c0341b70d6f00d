"""Ports of a Ray head on this machine: free for one that is to be started, or answering for one that runs."""

from __future__ import annotations

import socket
from typing import Final, Literal

from cluster.doctor.finding import Finding, passed, warned
from common.http import ask

__all__ = ["DASHBOARD_PORT", "HEAD_PORT", "PortState", "check_ports", "look_at_port"]

DASHBOARD_PORT: Final = 8265
"""Ray's default for the dashboard, which is the job API's too."""
HEAD_PORT: Final = 6379
"""Ray's default for what the nodes join."""

PortState = Literal["free", "ray", "open", "taken"]
"""`open`: a Ray dashboard that other machines reach too, and without a token."""

_PATIENCE_S: Final = 1.0


def look_at_port(port: int) -> PortState:
    """What listens on a port of this machine; `ray` is told by its HTTP answer, so only of the dashboard."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE_S).close()
    except OSError:
        return "free"
    outside = _own_address()
    if outside is not None:
        answer = ask(f"http://{outside}:{port}/api/version", timeout_s=_PATIENCE_S)
        if answer.status == 200 and b"ray_version" in answer.body:
            return "open"
    answer = ask(f"http://127.0.0.1:{port}/api/version", timeout_s=_PATIENCE_S)
    return "ray" if b"ray_version" in answer.body or answer.status in {401, 403} else "taken"


def check_ports(dashboard: PortState, head: PortState) -> Finding:
    """Whether `ray start --head` can have its default ports. A local sweep needs neither of them."""
    if dashboard == "ray":
        return passed("ports", f"a Ray dashboard answers on {DASHBOARD_PORT}")
    if dashboard == "open":
        return warned(
            "ports",
            f"a Ray dashboard answers on {DASHBOARD_PORT} to other machines, and without a token: who "
            "reaches it can run anything here",
            "start it again with RAY_AUTH_MODE=token and --dashboard-host=127.0.0.1",
        )
    taken = [
        (port, option)
        for port, option, state in (
            (DASHBOARD_PORT, "--dashboard-port", dashboard),
            (HEAD_PORT, "--port", head),
        )
        if state != "free"
    ]
    if taken:
        return warned(
            "ports",
            f"{' and '.join(str(port) for port, _ in taken)} taken by something else than a Ray dashboard",
            f"ray start --head {' '.join(f'{option}=OTHER' for _, option in taken)}",
        )
    return passed("ports", f"{DASHBOARD_PORT} (dashboard and jobs) and {HEAD_PORT} (head) are free")


def _own_address() -> str | None:
    """An address of this machine that is not loopback; None where it has no network."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        try:
            asking.connect(("192.0.2.1", 9))  # sends nothing: it only chooses the way
        except OSError:
            return None
        address = str(asking.getsockname()[0])
    return None if address.startswith("127.") else address
