"""Paths in a sweep file: relative ones are meant from the file's own folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from common.reward_config import CLAP_MODELS
from common.training_config import BASE_MODELS
from search_spaces.resources import EMBEDDED_DATA

__all__ = ["anchored"]

_MODEL_PATHS: Final = ("base_model", "grpo.reward.clap.model")
"""Settings that may name a local folder."""

_SQLITE: Final = "sqlite:///"


def anchored(content: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The dump of a sweep with every relative path made absolute.

    Args:
        content: `SweepFile.model_dump()`.
        folder: the sweep file's folder.
    """
    search, objective, base, space = (content[key] for key in ("search", "objective", "base", "space"))
    content["data"] = {
        split: name if name == EMBEDDED_DATA else _absolute(name, folder)
        for split, name in content["data"].items()
    }
    for clap in filter(None, (objective["scorer"], objective["eval_clap"])):
        clap["model"] = _model(clap["model"], folder)
    for path in _MODEL_PATHS:
        if path in base:
            base[path] = _model(base[path], folder)
        if "grid" in space.get(path, {}):
            space[path] = {"grid": [_model(value, folder) for value in space[path]["grid"]]}
    search["warm_start"] = [_absolute(name, folder) for name in search["warm_start"]]
    mirror = search["mirror"]
    if mirror and mirror.startswith(_SQLITE) and mirror != f"{_SQLITE}:memory:":
        search["mirror"] = _SQLITE + _absolute(mirror.removeprefix(_SQLITE), folder)
    return content


def _absolute(name: str, folder: Path) -> str:
    return str((folder / Path(name).expanduser()).resolve())


def _model(name: Any, folder: Path) -> Any:
    """A model's name; a local folder's or file's is made absolute, a known or hub name stays."""
    if not isinstance(name, str) or name in BASE_MODELS or name in CLAP_MODELS:
        return name
    local = folder / Path(name).expanduser()
    return str(local.resolve()) if name.startswith((".", "~")) or local.exists() else name
