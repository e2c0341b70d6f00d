"""The model hub: whether it answers, what the local cache has of it, and what to do where neither helps.

Asked once, with a short patience: the hub's own client would try each of a model's files six times, for
minutes, before it says that there is no network.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from huggingface_hub import constants

from common.errors import UserError
from common.http import ask

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Hub", "ask_hub", "expect_model", "is_cached"]

_PATIENCE_S: Final = 2.0
_OFFLINE: Final = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
_TRUE: Final = frozenset({"1", "true", "yes", "on"})
_CONFIGURATIONS: Final = ("config.json", "adapter_config.json")
_WEIGHTS: Final = ("*.safetensors", "*.bin")


class Hub(NamedTuple):
    """The model hub, as it is seen from here."""

    endpoint: str
    is_offline: bool = False
    """Whether HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE keeps everything from asking it."""
    problem: str = ""
    """Why it did not answer."""

    @property
    def can_load(self) -> bool:
        """Whether a model can be downloaded."""
        return not (self.is_offline or self.problem)


def ask_hub(environment: Mapping[str, str] = os.environ) -> Hub:
    """Whether the hub answers at all, unless it is not to be asked."""
    endpoint = environment.get("HF_ENDPOINT") or "https://huggingface.co"
    if any(environment.get(name, "").lower() in _TRUE for name in _OFFLINE):
        return Hub(endpoint, is_offline=True)
    answer = ask(endpoint, timeout_s=_PATIENCE_S, method="HEAD")
    return Hub(endpoint, problem="" if answer.status is not None else answer.problem)


def is_cached(hub_id: str, folder: Path) -> bool:
    """Whether a snapshot of a model or an adapter has configuration and weights.

    A link to nothing does not count.

    Args:
        hub_id: `owner/name`.
        folder: the hub's local cache.
    """
    snapshots = folder / f"models--{hub_id.replace('/', '--')}" / "snapshots"
    return any(
        configuration.is_file()
        and any(file.is_file() for kind in _WEIGHTS for file in configuration.parent.glob(kind))
        for name in _CONFIGURATIONS
        for configuration in snapshots.glob(f"*/{name}")
    )


def expect_model(hub_id: str, name: str, setting: str) -> None:
    """See that a hub's model can be loaded; where the hub is not reached, the cache is all that is asked.

    Args:
        hub_id: `owner/name`.
        name: as the user gave it.
        setting: what names the model, for the message.

    Raises:
        UserError: neither the cache has it, nor is the hub reached.
    """
    hub = Hub("", is_offline=True) if constants.HF_HUB_OFFLINE else _hub()
    if hub.can_load:
        return
    folder = Path(constants.HF_HUB_CACHE)
    if not is_cached(hub_id, folder):
        why = f"{hub.endpoint} is not reached: {hub.problem}" if hub.problem else "HF_HUB_OFFLINE is set"
        is_short = "" if name == hub_id else f" ({hub_id})"
        raise UserError(
            f"{setting} must be on this machine where the model hub is not reached, got {name!r}{is_short}, "
            f"which is not in {folder} ({why}); run `hf download {hub_id}` where there is a network, copy "
            "the cache here and set HF_HUB_OFFLINE=1, or take 'tiny'"
        )
    constants.HF_HUB_OFFLINE = True


@cache
def _hub() -> Hub:
    """As it was when this process first asked."""
    return ask_hub()
