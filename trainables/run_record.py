"""What one training run was asked for, kept in its folder: the same command goes on with it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import ValidationError

from common.model import FrozenModel
from common.records import write_text_atomically
from common.training_config import BASE_MODELS, TrainingConfig, flatten, resolve_model

__all__ = ["FileRecord", "RunRecord", "weights_of"]

_LONGEST = 40
"""Characters of a value that a difference shows."""


class FileRecord(FrozenModel):
    """A file as it was when the run began."""

    path: str
    sha256: str

    @classmethod
    def of(cls, path: Path) -> FileRecord:
        """The record of a file that is there."""
        with path.open("rb") as content:
            return cls(path=str(path), sha256=hashlib.file_digest(content, "sha256").hexdigest())


class RunRecord(FrozenModel):
    """Everything that decides where a run of `vibesweep train` ends."""

    FILE: ClassVar[str] = "run.json"

    command: Literal["sft", "grpo"]
    config: TrainingConfig
    data: FileRecord
    weights: dict[str, str]
    """Name to SHA-256 of the weight files that lie in the folder of `base_model`; none for a hub id."""
    eval_data: FileRecord | None = None
    eval_vibes: int | None = None
    validation_share: float = 0.0
    packing: bool = False

    def write(self, folder: Path) -> None:
        """Write the file, atomically."""
        write_text_atomically(folder / self.FILE, self.model_dump_json(indent=2) + "\n")

    @classmethod
    def read(cls, folder: Path) -> RunRecord | None:
        """The record in a folder; None where there is none, or one of another version."""
        path = folder / cls.FILE
        try:
            return cls.model_validate_json(path.read_text()) if path.is_file() else None
        except ValidationError:
            return None

    def differences(self, asked: RunRecord) -> list[str]:
        """What this run has that differs from another one, a few words each; none where it is the same run.

        `infra` may differ: it does not decide where a run ends, and its time limit may be raised. So may the
        path of a file.
        """
        if self.command != asked.command:
            return [f"`train {self.command}`, not `train {asked.command}`"]
        was, now = self._settings(), asked._settings()
        found = [
            f"{name} {_short(was.get(name))}, not {_short(now.get(name))}"
            for name in sorted({*was, *now})
            if was.get(name) != now.get(name)
        ]
        if self.data.sha256 != asked.data.sha256:
            found.append(f"other rows in --data, {self.data.path}")
        if self.eval_data and asked.eval_data and self.eval_data.sha256 != asked.eval_data.sha256:
            found.append(f"other vibes in --eval-data, {self.eval_data.path}")
        if self.weights != asked.weights and was["base_model"] == now["base_model"]:
            found.append(f"other weights in --model, {self.config.base_model}")
        return found

    def _settings(self) -> dict[str, Any]:
        """Name as the user gives it, to value."""
        return flatten(self.config.model_dump(mode="json", exclude={"infra"})) | {
            "--eval-vibes": self.eval_vibes,
            "--validation-share": self.validation_share,
            "--packing": self.packing,
        }


def weights_of(base_model: str) -> dict[str, str]:
    """`RunRecord.weights` of a base model."""
    folder = Path(resolve_model(base_model, BASE_MODELS))
    files = sorted(folder.glob("*.safetensors")) if folder.is_absolute() else []
    return {file.name: FileRecord.of(file).sha256 for file in files}


def _short(value: Any) -> str:
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
