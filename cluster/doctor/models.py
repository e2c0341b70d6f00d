"""Models: the embedded ones whole, the published ones in the local cache, and the hub to load them from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cluster.doctor.finding import Finding, failed, passed, warned
from common.hub import Hub, is_cached
from trainables.checksums import damage_in

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

__all__ = ["check_cached_models", "check_embedded_models", "check_hub"]


def check_hub(hub: Hub) -> Finding:
    """Whether models can be downloaded, or are not meant to be; embedded and cached ones work without."""
    if hub.is_offline:
        return passed("hub", "offline mode: only embedded and cached models can be used")
    if hub.problem:
        return warned(
            "hub",
            f"{hub.endpoint} is not reached: {hub.problem}; only embedded and cached models can be used",
            "set HF_HUB_OFFLINE=1 if that is meant to be, else HTTPS_PROXY or HF_ENDPOINT",
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


def check_cached_models(
    models: Mapping[str, str], cache: Path, hub: Hub, needed: Collection[str] = ()
) -> Finding:
    """Which published models could be used without the hub; it fails where a needed one cannot be used.

    Args:
        models: name to hub id.
        cache: the hub's local cache.
        hub: from `ask_hub`.
        needed: the names of those that are to be used here.
    """
    missing = {name: hub_id for name, hub_id in models.items() if not is_cached(hub_id, cache)}
    if not missing:
        return passed("hub models", f"{', '.join(models)} are in {cache}")
    then = "the first use downloads them" if hub.can_load else "sweeps with them cannot start here"
    tell = failed if not hub.can_load and not missing.keys().isdisjoint(needed) else warned
    downloads = " && ".join(f"hf download {hub_id}" for hub_id in missing.values())
    return tell(
        "hub models",
        f"not in {cache}: {', '.join(missing)}; {then}",
        f"{downloads} (where the hub is reached; the cache can be copied)",
    )
