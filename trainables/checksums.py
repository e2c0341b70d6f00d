"""A folder's checksums, kept in it: written when it is whole, asked before anything in it is used."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from pydantic import ValidationError

from common.durable import sync
from common.model import FrozenModel
from common.records import write_text_atomically

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["CHECKSUMS_FILE", "damage_in", "sync_files", "write_checksums"]

CHECKSUMS_FILE: Final = "checksums.json"


class _Checksums(FrozenModel):
    sha256: dict[str, str]
    """Path within the folder to the hex digest of the file's content."""


def sync_files(folder: Path) -> list[Path]:
    """Wait until every file in a folder is on the disk, and list them."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    for file in files:
        sync(file)
    return files


def write_checksums(folder: Path) -> None:
    """Put every file of a folder on the disk, and last the file that says what they are."""
    files = [file for file in sync_files(folder) if file.name != CHECKSUMS_FILE]
    checksums = _Checksums(sha256={file.relative_to(folder).as_posix(): _sha256(file) for file in files})
    write_text_atomically(folder / CHECKSUMS_FILE, checksums.model_dump_json(indent=2) + "\n")


def damage_in(folder: Path) -> str | None:
    """What keeps a folder from being used, in a few words; None where every file is as it was written."""
    try:
        checksums = _Checksums.model_validate_json((folder / CHECKSUMS_FILE).read_bytes())
    except FileNotFoundError:
        return f"it was not completely written ({CHECKSUMS_FILE} is missing)"
    except ValidationError:
        return f"{CHECKSUMS_FILE} is damaged"
    for name, expected in checksums.sha256.items():
        try:
            found = _sha256(folder / name)
        except FileNotFoundError:
            return f"{name} is missing"
        except OSError as error:
            return f"{name} cannot be read ({error.strerror})"
        if found != expected:
            return f"{name} is damaged"
    return None


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
