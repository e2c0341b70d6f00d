"""A trained adapter as a folder of its own, whole and with checksums."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from peft.utils import CONFIG_NAME, SAFETENSORS_WEIGHTS_NAME
from safetensors import SafetensorError, safe_open

from common.errors import UserError
from trainables.checksums import write_checksums

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["export_adapter"]


def export_adapter(adapter: Path, folder: Path, card: str) -> None:
    """Copy an adapter, with a model card beside it and the checksums of both.

    Args:
        adapter: what a trial has left.
        folder: new.
        card: Markdown, for README.md.

    Raises:
        UserError: the adapter is not there or not whole.
    """
    for name in (CONFIG_NAME, SAFETENSORS_WEIGHTS_NAME):
        if not (adapter / name).is_file():
            raise UserError(f"{adapter} must be a whole adapter, got one without {name}; train it again")
    try:
        # Its header says how long the file must be.
        with safe_open(adapter / SAFETENSORS_WEIGHTS_NAME, framework="np"):
            pass
    except SafetensorError as error:
        raise UserError(
            f"{adapter / SAFETENSORS_WEIGHTS_NAME} must be whole, got a damaged file ({error}); train it "
            "again"
        ) from error
    shutil.copytree(adapter, folder)
    (folder / "README.md").write_text(card, encoding="utf-8")
    write_checksums(folder)
