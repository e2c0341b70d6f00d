"""What an autoscaler may add to the cluster, where Ray lets one know.

Ray's autoscalers keep their node types to themselves. A platform may tell the control store; `ray up` leaves
the file it was given on the head node; the autoscaler of version 2 says of a demand that no type can meet it.
Else there is only waiting.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import ray
import yaml
from ray._private.ray_constants import DEBUG_AUTOSCALING_STATUS
from ray._private.state import state
from ray.autoscaler.v2.utils import is_autoscaler_v2
from ray.core.generated.autoscaler_pb2 import GetClusterStatusReply
from ray.experimental.internal_kv import _internal_kv_get, internal_kv_get_gcs_client

from cluster.nodes import HEAD, Node

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Growth", "growth", "says_never"]

_FILE_OF_RAY_UP: Final = Path("~/ray_bootstrap_config.yaml")
"""Where `ray up` puts the cluster file on the head node, what it has found out of the machines filled in."""
_WITHOUT_AUTOSCALER: Final = "node_"
"""How Ray names the type of a node, before its id, where nobody adds nodes."""


class Growth(NamedTuple):
    """An autoscaler, and what it may make of the cluster."""

    nodes: tuple[Node, ...] | None
    """All nodes that there can be at once; None where that cannot be learned."""


def growth(living: Iterable[Node]) -> Growth | None:
    """What the cluster of this process may grow to; None where it has no autoscaler.

    Args:
        living: the nodes that are there.
    """
    if told := state.get_cluster_config():
        groups = told.node_group_configs
        if any(group.max_count < 0 for group in groups):  # as many as it takes
            return Growth(None)
        return Growth(tuple(Node(dict(each.resources)) for each in groups for _ in range(each.max_count)))
    if not _is_there():
        return None
    head = [node for node in living if HEAD in node.resources]
    here = ray.get_runtime_context().get_node_id()
    if any(node.labels.get("ray.io/node-id") == here for node in head):
        return Growth(_from_file(_FILE_OF_RAY_UP.expanduser(), head))
    return Growth(None)


def says_never() -> bool:
    """Whether an autoscaler of version 2 has found a demand that no type of node can meet."""
    found = _status().autoscaling_state
    return bool(found.infeasible_resource_requests or found.infeasible_gang_resource_requests)


def _is_there() -> bool:
    if is_autoscaler_v2(fetch_from_server=True):
        # Version 2 also watches clusters that nobody adds nodes to, and reports as much about them.
        return any(node.ray_node_type_name for node in _status().cluster_resource_state.node_states)
    said = _internal_kv_get(DEBUG_AUTOSCALING_STATUS)
    report: dict[str, Any] = (json.loads(said) if said else {}).get("autoscaler_report") or {}
    types = {*(report.get("active_nodes") or ()), *(report.get("pending_launches") or ())}
    return any(not name.startswith(_WITHOUT_AUTOSCALER) for name in types)


def _from_file(file: Path, head: Iterable[Node]) -> tuple[Node, ...] | None:
    """The head and every node that a cluster file allows; None where there is no such file.

    Types together may be more than the file's `max_workers`: what does not fit into these never will.
    """
    if not file.is_file():
        return None
    cluster = yaml.safe_load(file.read_text(encoding="utf-8"))
    in_all = cluster.get("max_workers", 0)
    return (
        *head,
        *(
            Node(kind.get("resources", {}), kind.get("labels", {}))
            for name, kind in cluster["available_node_types"].items()
            if name != cluster["head_node_type"]
            for _ in range(min(in_all, kind.get("max_workers", in_all)))
        ),
    )


def _status() -> GetClusterStatusReply:
    return GetClusterStatusReply.FromString(internal_kv_get_gcs_client().get_cluster_status())
