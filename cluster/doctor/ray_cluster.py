"""Ray: does it start here, and is the cluster reached, with the same version?"""

from __future__ import annotations

import json
import os
import socket
from typing import TYPE_CHECKING, Final, NamedTuple

from cluster.doctor.finding import Finding, failed, passed, warned
from cluster.ray_token import ray_token
from common.errors import ClusterError
from common.http import ask

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Cluster", "ask_cluster", "check_cluster", "check_local_ray", "started_ray"]

_PATIENCE_S: Final = 3.0
_REFUSED: Final = (401, 403)


class Cluster(NamedTuple):
    """What a cluster says of itself."""

    address: str
    version: str | None = None
    """Ray's; None where it did not say."""
    nodes: int | None = None
    """Nodes that are alive; None where it did not say."""
    problem: str = ""
    """Why it did not answer."""
    needs_token: bool = False
    """Whether it wants a token that it was not given."""
    is_open: bool = False
    """Whether it answers without a token."""


def ask_cluster(address: str, environment: Mapping[str, str] = os.environ) -> Cluster:
    """Ask a cluster for its version and nodes.

    Args:
        address: `http://host:port` of the dashboard, which is the job API's too; or `host:port` of the head
            as in RAY_ADDRESS, which is only seen to answer.
        environment: RAY_AUTH_MODE and where its token is, as Ray's own commands read them.
    """
    if not address.startswith(("http://", "https://")):
        return _only_reached(address)
    token = ray_token(environment)
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    base = address.rstrip("/")
    said = ask(f"{base}/api/version", timeout_s=_PATIENCE_S, headers=headers)
    if said.status != 200:
        reason = said.problem or f"HTTP status {said.status}"
        return Cluster(address, problem=reason, needs_token=said.status in _REFUSED)
    try:
        version = json.loads(said.body)["ray_version"]
    except (ValueError, KeyError, TypeError):
        return Cluster(address, problem="what answers there is not Ray")
    is_open = token is None or ask(f"{base}/api/version", timeout_s=_PATIENCE_S).status == 200
    nodes = ask(f"{base}/nodes?view=summary", timeout_s=_PATIENCE_S, headers=headers)
    try:
        summary = json.loads(nodes.body)["data"]["summary"]
        alive = sum(node["raylet"]["state"] == "ALIVE" for node in summary)
    except (ValueError, KeyError, TypeError):
        return Cluster(address, version, is_open=is_open)
    return Cluster(address, version, alive, is_open=is_open)


def check_cluster(cluster: Cluster, own_version: str) -> Finding:
    """Whether a job from here would be taken there, and means the same there."""
    if cluster.needs_token:
        return failed(
            "ray",
            f"{cluster.address} refuses: {cluster.problem}",
            "export RAY_AUTH_MODE=token and the cluster's RAY_AUTH_TOKEN (or RAY_AUTH_TOKEN_PATH)",
        )
    if cluster.problem:
        return failed(
            "ray",
            f"{cluster.address} is not reached: {cluster.problem}",
            "start the cluster, or forward its dashboard's port: ray dashboard cluster/aws.yaml",
        )
    if cluster.version is None:
        return warned(
            "ray",
            f"{cluster.address} answers; its version and nodes were not asked",
            "name its dashboard: --address http://HOST:8265",
        )
    if cluster.version != own_version:
        return failed(
            "ray",
            f"{cluster.address} runs ray {cluster.version}, and here is {own_version}",
            f"pip install 'ray[default,tune,train]=={cluster.version}' here, or {own_version} on every node",
        )
    if cluster.is_open:
        return warned(
            "ray",
            f"{cluster.address} takes jobs without a token: who reaches it can run anything on every node",
            "start it with RAY_AUTH_MODE=token, and keep its dashboard on loopback (docs/cluster.md)",
        )
    nodes = "" if cluster.nodes is None else f", {cluster.nodes} node{'s' * (cluster.nodes != 1)}"
    return passed("ray", f"{cluster.version} at {cluster.address}{nodes}")


def check_local_ray(version: str | None, trouble: str | None, *, was_started: bool) -> Finding:
    """Whether Ray can run on this machine.

    Args:
        version: of the installed ray; None where there is none.
        trouble: why it did not start; None where it did, or was not tried.
        was_started: whether it was tried.
    """
    if version is None:
        return failed("ray", "not installed", "pip install --constraint constraints.txt --editable .")
    if trouble is not None:
        return failed(
            "ray", f"{version} does not start: {trouble}", "free memory and /dev/shm, and see /tmp/ray"
        )
    return passed("ray", f"{version}, {'started' if was_started else 'not started (--start-ray tries it)'}")


def started_ray() -> str | None:
    """Start a Ray on this machine and end it again; why it did not, if it did not."""
    from cluster.session import ray_session  # noqa: PLC0415 - imports ray

    try:
        with ray_session():
            return None
    except ClusterError as error:
        return str(error)


def _only_reached(address: str) -> Cluster:
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not (host and port.isdecimal()):
        return Cluster(address, problem="it is neither http://HOST:PORT nor HOST:PORT")
    try:
        socket.create_connection((host, int(port)), timeout=_PATIENCE_S).close()
    except (OSError, OverflowError) as error:
        return Cluster(address, problem=str(error))
    return Cluster(address)
