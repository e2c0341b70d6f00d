"""All checks, looking at the same time, so that the slowest one decides how long it takes."""

from __future__ import annotations

import time
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from huggingface_hub.constants import HF_HUB_CACHE

from cluster.doctor.gpu import check_gpus, look_at_gpus
from cluster.doctor.models import check_cached_models, check_embedded_models, check_hub
from cluster.doctor.ports import DASHBOARD_PORT, HEAD_PORT, check_ports, look_at_port
from cluster.doctor.ray_cluster import Cluster, ask_cluster, check_cluster, check_local_ray, started_ray
from cluster.doctor.software import check_packages, check_pairs, check_python, look_at_software
from cluster.doctor.storage import check_storage, look_at_storage
from common.hub import Hub, ask_hub
from common.reward_config import CLAP_MODELS
from common.training_config import BASE_MODELS, PROJECT_ROOT, resolve_model

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cluster.doctor.finding import Finding

__all__ = ["examine"]

T = TypeVar("T")

_PATIENCE_S: Final = 4.0
"""After which a server that is still being looked for counts as not reached: its name may never resolve."""


def examine(
    storage: str, address: str | None = None, *, start_ray: bool = False, models: Sequence[str] = ()
) -> tuple[Finding, ...]:
    """Look at everything that a sweep from here would use.

    Args:
        storage: names the folder that holds, or will hold, the folders of sweeps.
        address: of a Ray cluster, as `ask_cluster` takes it; this machine alone where there is none.
        start_ray: whether to start a Ray here, which takes some seconds; not with an address.
        models: base and CLAP models that are to be used; without one of these a check fails, without another
            that is known it warns.

    Raises:
        UserError: a model that is neither known, nor a folder, nor shaped like a hub id.
    """
    known = BASE_MODELS | CLAP_MODELS
    targets = {name: resolve_model(name, known) for name in models}
    needed = {name: target for name, target in targets.items() if not Path(target).is_absolute()}
    hub_looked, cluster_looked = (
        _Look(ask_hub),
        None if address is None else _Look(lambda: ask_cluster(address)),
    )
    gpus = look_at_gpus()
    software = look_at_software()
    silent = f"no answer within {_PATIENCE_S:g} s"
    hub = hub_looked.result(Hub("the hub", problem=silent))
    cluster = None
    if cluster_looked is not None and address is not None:
        cluster = cluster_looked.result(Cluster(address, problem=silent))
    ray_version = software.installed.get("ray")
    if cluster is not None:
        ray = check_cluster(cluster, ray_version or "none")
    else:
        trouble = started_ray() if start_ray and ray_version is not None else None
        ray = check_local_ray(ray_version, trouble, was_started=start_ray)
    published = {name: target for name, target in known.items() if name != "tiny"}
    embedded = {"policy": PROJECT_ROOT / BASE_MODELS["tiny"], "CLAP": PROJECT_ROOT / CLAP_MODELS["tiny"]}
    return (
        check_python(software),
        check_packages(software),
        check_pairs(software),
        check_gpus(gpus),
        ray,
        check_ports(look_at_port(DASHBOARD_PORT), look_at_port(HEAD_PORT)),
        check_storage(look_at_storage(storage), None if cluster is None else cluster.nodes),
        check_hub(hub),
        check_embedded_models(embedded),
        check_cached_models(published | needed, Path(HF_HUB_CACHE), hub, needed),
    )


class _Look(Thread, Generic[T]):
    """A question in a thread of its own, which cannot keep the process from ending."""

    def __init__(self, ask: Callable[[], T]) -> None:
        super().__init__(daemon=True)
        self._ask = ask
        self._until = time.monotonic() + _PATIENCE_S
        self._found: list[T] = []
        self.start()

    def run(self) -> None:
        self._found.append(self._ask())

    def result(self, otherwise: T) -> T:
        self.join(max(0.0, self._until - time.monotonic()))
        return self._found[0] if self._found else otherwise
