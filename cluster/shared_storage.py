"""Whether every node sees the sweep directory: each is asked for a file that was just written there."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Final

import ray
from ray.exceptions import GetTimeoutError, RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from cluster.bucket.remote import Remote
from cluster.bucket.url import below, is_url
from common.errors import ClusterError, UserError

__all__ = ["check_shared"]

_PATIENCE_S: Final = 120.0
"""A node that starts its first process imports our packages before it answers."""


def check_shared(place: Path | str) -> None:
    """See that the nodes of the cluster have one folder in common, before a trial writes where nobody reads.

    Nodes that an autoscaler adds later are not asked; they are made like those that are there.

    Args:
        place: the sweep's directory, absolute, or its URL.

    Raises:
        UserError: a node does not see it.
    """
    here = ray.get_runtime_context().get_node_id()
    others = {
        node["NodeID"]: node["NodeManagerAddress"]
        for node in ray.nodes()
        if node["Alive"] and node["NodeID"] != here
    }
    if not others:
        return
    text = secrets.token_hex(8)
    name = f".seen-{text}"
    if is_url(place):
        remote = Remote.at(str(place))
        remote.write(name, text.encode())
        try:
            blind = blind_nodes(below(str(place), name), list(others))
        finally:
            remote.delete(name)
    else:
        token = Path(place) / name
        token.write_text(text)
        try:
            blind = blind_nodes(token, list(others))
        finally:
            token.unlink()
    if blind:
        named = ", ".join(sorted({others[node] for node in blind})[:5])
        if is_url(place):
            raise UserError(
                f"storage must be a bucket that all {len(others) + 1} nodes can read, got {str(remote)!r}, "
                f"which {len(blind)} of them cannot ({named}); give those nodes a role or credentials for "
                "it, and a way to reach it"
            )
        raise UserError(
            f"storage must be one folder on all {len(others) + 1} nodes, got {str(place)!r}, which "
            f"{len(blind)} of them cannot read ({named}); mount a shared file system (NFS, EFS, Filestore) "
            "there under the same path, and give it with --storage"
        )


def blind_nodes(token: Path | str, nodes: list[str], patience_s: float = _PATIENCE_S) -> list[str]:
    """Those of some nodes that do not see a file whose text is the end of its name."""
    asked = {
        node: ray.remote(_sees)
        .options(num_cpus=0, scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False))
        .remote(str(token))
        for node in nodes
    }
    ray.wait(list(asked.values()), num_returns=len(asked), timeout=patience_s)
    return [node for node, answer in asked.items() if not _said_yes(answer)]


def _sees(token: str) -> bool:
    if is_url(token):
        place, _, name = token.partition("?")[0].rpartition("/")
        query = token.partition("?")[2]
        try:
            found = Remote.at(f"{place}?{query}" if query else place).read(name)
        except (ClusterError, UserError):
            return False
        return found is not None and name.endswith(found.decode())
    file = Path(token)
    return file.is_file() and file.name.endswith(file.read_text())


def _said_yes(answer: ray.ObjectRef[bool]) -> bool:
    try:
        return bool(ray.get(answer, timeout=0))
    except (GetTimeoutError, RayError):
        return False  # gone, or too slow to work with
