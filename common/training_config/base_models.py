"""Which models a short name stands for, and where a model's name leads."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from common.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["BASE_MODELS", "PROJECT_ROOT", "resolve_model"]

PROJECT_ROOT: Final = Path(__file__).resolve().parent.parent.parent
"""Where the rooms lie; the embedded models are found below it in every process, on every node."""

BASE_MODELS: Final[dict[str, str]] = {
    "tiny": "tiny/weights/policy",
    "gemma3-270m": "google/gemma-3-270m-it",
    "qwen3-600m": "Qwen/Qwen3-0.6B",
}
"""Short names of base models; a value below `tiny/` is a folder of this project."""


def resolve_model(name: str, known: Mapping[str, str]) -> str:
    """The folder or hub id that a model name stands for.

    Args:
        name: a key of `known`, a local folder, or a hub id `owner/name`. The folder of a training run stands
            for the adapter that it has left in `adapter/`.
        known: BASE_MODELS or CLAP_MODELS.

    Raises:
        UserError: neither known, nor a folder, nor shaped like a hub id.
    """
    target = known.get(name, name)
    if target.startswith("tiny/"):
        return str(PROJECT_ROOT / target)
    looks_local = target.startswith((".", "/", "~")) or target.count("/") != 1
    folder = Path(target).expanduser()
    if folder.is_dir():
        has_model = any((folder / name).is_file() for name in ("config.json", "adapter_config.json"))
        if not has_model and (folder / "adapter" / "adapter_config.json").is_file():
            folder /= "adapter"
        return str(folder.resolve())
    if looks_local:
        raise UserError(
            f"model must be one of {', '.join(known)}, a hub id owner/name or an existing folder, "
            f"got {name!r}; check the path"
        )
    return target
