"""What an adapter was trained on: for us in a file of its own, and for PEFT in the way that PEFT finds it.

PEFT's own field has a hub id or an absolute path, so that plain PEFT loads the adapter of a published base.
The file beside it keeps a short name, which another machine resolves to its own folder, and of a folder also
where it lies from the adapter, so that the two can be moved together.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import ClassVar, Final

from common.model import FrozenModel
from common.records import write_text_atomically
from common.training_config import BASE_MODELS, resolve_model

__all__ = ["ADAPTER_FILE", "BaseRecord", "base_of_adapter"]

ADAPTER_FILE: Final = "adapter_config.json"


class BaseRecord(FrozenModel):
    """The base of an adapter, beside it."""

    FILE: ClassVar[str] = "base.json"

    name: str
    """A key of BASE_MODELS, a hub id, or the absolute path of a folder."""
    relative: str | None = None
    """Where that folder lies from the adapter's."""

    @classmethod
    def of(cls, base_model: str, adapter: Path) -> BaseRecord:
        """The record of an adapter that lies in a folder and was trained on what `load_policy` takes."""
        if base_model in BASE_MODELS:
            return cls(name=base_model)
        target = resolve_model(base_model, BASE_MODELS)
        if not Path(target).is_absolute():
            return cls(name=target)
        return cls(name=target, relative=os.path.relpath(target, adapter.resolve()))

    def write(self, adapter: Path) -> None:
        """Write the file, atomically."""
        write_text_atomically(adapter / self.FILE, self.model_dump_json(indent=2) + "\n")

    def found_from(self, adapter: Path) -> str:
        """The base, as `load_policy` takes it; a folder that was moved with the adapter's is found."""
        if self.relative is not None and not Path(self.name).is_dir():
            moved = (adapter / self.relative).resolve()
            return str(moved) if moved.is_dir() else self.name
        return self.name


def base_of_adapter(adapter: Path) -> str | None:
    """What the adapter in a folder was trained on; None where the folder holds no adapter.

    An adapter that others have made says it in PEFT's file.
    """
    if not (adapter / ADAPTER_FILE).is_file():
        return None
    record = adapter / BaseRecord.FILE
    if record.is_file():
        return BaseRecord.model_validate_json(record.read_text()).found_from(adapter)
    named: str = json.loads((adapter / ADAPTER_FILE).read_text(encoding="utf-8"))["base_model_name_or_path"]
    return named
