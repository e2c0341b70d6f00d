"""Whether every node sees the sweep directory: each is asked for a file that was just written there."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Final

import ray
from ray.exceptions import GetTimeoutError, RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from common.errors import UserError

__all__ = ["check_shared"]

_PATIENCE_S: Final = 120.0
"""A node that starts its first process imports our packages before it answers."""


def check_shared(directory: Path) -> None:
    """See that the nodes of the cluster have one folder in common, before a trial writes where nobody reads.

    Nodes that an autoscaler adds later are not asked; they are made like those that are there.

    Args:
        directory: the sweep's, absolute.

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
    token = directory / f".seen-{text}"
    token.write_text(text)
    try:
        blind = blind_nodes(token, list(others))
    finally:
        token.unlink()
    if blind:
        named = ", ".join(sorted({others[node] for node in blind})[:5])
        raise UserError(
            f"storage must be one folder on all {len(others) + 1} nodes, got {str(directory)!r}, which "
            f"{len(blind)} of them cannot read ({named}); mount a shared file system (NFS, EFS, Filestore) "
            "there under the same path, and give it with --storage"
        )


def blind_nodes(token: Path, nodes: list[str], patience_s: float = _PATIENCE_S) -> list[str]:
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
    file = Path(token)
    return file.is_file() and file.name.endswith(file.read_text())


def _said_yes(answer: ray.ObjectRef[bool]) -> bool:
    try:
        return bool(ray.get(answer, timeout=0))
    except (GetTimeoutError, RayError):
        return False  # gone, or too slow to work with
