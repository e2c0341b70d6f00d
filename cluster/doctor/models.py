"""Models: the embedded ones whole, the published ones in the local cache, and the hub to load them from."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, NamedTuple

from cluster.doctor.finding import Finding, failed, passed, warned
from cluster.doctor.http import ask
from trainables.checksums import damage_in

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["Hub", "ask_hub", "check_cached_models", "check_embedded_models", "check_hub", "is_cached"]

_PATIENCE_S: Final = 2.0
_OFFLINE: Final = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
_TRUE: Final = frozenset({"1", "true", "yes", "on"})
_WEIGHTS: Final = ("*.safetensors", "*.bin")


class Hub(NamedTuple):
    """The model hub, as it is seen from here."""

    endpoint: str
    is_offline: bool = False
    """Whether HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE keeps everything from asking it."""
    problem: str = ""
    """Why it did not answer."""


def ask_hub(environment: Mapping[str, str] = os.environ) -> Hub:
    """Whether the hub answers at all, unless it is not to be asked."""
    endpoint = environment.get("HF_ENDPOINT") or "https://huggingface.co"
    if any(environment.get(name, "").lower() in _TRUE for name in _OFFLINE):
        return Hub(endpoint, is_offline=True)
    answer = ask(endpoint, timeout_s=_PATIENCE_S, method="HEAD")
    return Hub(endpoint, problem="" if answer.status is not None else answer.problem)


def check_hub(hub: Hub) -> Finding:
    """Whether models can be downloaded, or are not meant to be."""
    if hub.is_offline:
        return passed("hub", "offline mode: only embedded and cached models can be used")
    if hub.problem:
        return failed(
            "hub",
            f"{hub.endpoint} is not reached: {hub.problem}",
            "set HF_HUB_OFFLINE=1 if that is meant to be (each file would be tried for minutes), else "
            "HTTPS_PROXY or HF_ENDPOINT",
        )
    return passed("hub", f"{hub.endpoint} answers")


def check_embedded_models(folders: Mapping[str, Path]) -> Finding:
    """Whether every file of the models that lie in the repository is as it was written.

    Args:
        folders: what a model is called here, to where it lies.
    """
    damages = [f"{name}: {damage}" for name, folder in folders.items() if (damage := damage_in(folder))]
    if damages:
        return failed("tiny models", "; ".join(damages), "git checkout -- tiny/weights, or install again")
    return passed("tiny models", f"{' and '.join(folders)}, as their checksums say")


def check_cached_models(models: Mapping[str, str], cache: Path, hub: Hub) -> Finding:
    """Which published models could be used without the hub.

    Args:
        models: short name to hub id.
        cache: the hub's local cache.
        hub: from `ask_hub`.
    """
    missing = {name: hub_id for name, hub_id in models.items() if not is_cached(hub_id, cache)}
    if not missing:
        return passed("hub models", f"{', '.join(models)} are in {cache}")
    can_load = not (hub.is_offline or hub.problem)
    then = "the first use downloads them" if can_load else "sweeps with them cannot start here"
    return warned(
        "hub models",
        f"not in {cache}: {', '.join(missing)}; {then}",
        f"hf download {next(iter(missing.values()))} (where the hub is reached; the cache can be copied)",
    )


def is_cached(hub_id: str, cache: Path) -> bool:
    """Whether a snapshot of a model has configuration and weights; a link to nothing does not count."""
    snapshots = cache / f"models--{hub_id.replace('/', '--')}" / "snapshots"
    return any(
        config.is_file() and any(file.is_file() for kind in _WEIGHTS for file in config.parent.glob(kind))
        for config in snapshots.glob("*/config.json")
    )
