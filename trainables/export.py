"""A trained policy as a model folder of its own, for programs that know nothing of adapters."""

from __future__ import annotations

import shutil
from pathlib import Path

from common.errors import UserError
from common.records import SFTRecord
from common.training_config import BASE_MODELS, resolve_model
from trainables.policy import load_policy

__all__ = ["export_merged"]


def export_merged(name: str, folder: Path) -> None:
    """Merge an adapter, and those below it, into the base, and save model and tokenizer.

    Args:
        name: an adapter folder, or any model that `load_policy` takes.
        folder: new or empty. Plain transformers loads it, with the logits of `load_policy(name)`, its chat
            template and its end tokens.

    Raises:
        UserError: there is no such model, or the folder holds something.
    """
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise UserError(f"the model's folder must be new or empty, got {str(folder)!r}; name another")
    policy = load_policy(name)
    policy.model.save_pretrained(folder)
    policy.tokenizer.save_pretrained(folder)
    record = Path(resolve_model(name, BASE_MODELS)) / SFTRecord.FILE
    if record.is_absolute() and record.is_file():
        # The policy is still what SFT left, and a sweep that starts from it says so.
        shutil.copyfile(record, folder / SFTRecord.FILE)
