"""The working directory as a package for the cluster: what is sent, and what stays behind."""

from __future__ import annotations

import os
import stat
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final, NamedTuple
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from pathspec import GitIgnoreSpec
from ray._private.ray_constants import DASHBOARD_CLIENT_MAX_SIZE

from common.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["IGNORE_FILES", "LIMIT_BYTES", "PackedFile", "biggest", "in_mib", "packed_files", "write_package"]

IGNORE_FILES: Final = (".gitignore", ".rayignore", ".vibesweepignore")
"""Read in every folder, each for what lies below it; a later one's rules go before an earlier one's."""

LIMIT_BYTES: Final[int] = DASHBOARD_CLIENT_MAX_SIZE
"""The largest body that Ray's job API takes: 100 MiB in 2.60, where its own packer allows 512."""

_NEVER: Final = GitIgnoreSpec.from_lines(
    [
        ".git", ".venv", ".venv-*/", "venv/", "__pycache__/", "*.egg-info/", ".*_cache/",
        # What sweeps and trainings leave, and what they are run again to make.
        "runs/", "checkpoints/", "checkpoint-*/", "wandb/",
        # Secrets go by name, with --env-var.
        ".env", ".env.*", ".netrc",
    ]
)  # fmt: skip
"""Stays behind whatever the ignore files say."""

_SHOWN: Final = 5
_CHUNK_BYTES: Final = 2**20
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
"""Every file's time in a package, so that the same content is the same package and is not sent twice."""


class PackedFile(NamedTuple):
    """A file that is sent."""

    name: str
    """Its path below the working directory, with slashes."""
    path: Path
    size: int
    """In bytes."""


def packed_files(folder: Path) -> list[PackedFile]:
    """The files of a working directory that are sent, by name; what ignore files leave out is not looked at.

    Links are followed, each folder once.

    Raises:
        UserError: no such folder, or nothing in it to send.
    """
    if not folder.is_dir():
        raise UserError(f"--working-dir must be a folder, got {str(folder)!r}; check the path")
    found = sorted(_below(folder, PurePosixPath(), [], {folder.resolve()}))
    if not found:
        raise UserError(f"--working-dir must hold a file that is not ignored, got none in {str(folder)!r}")
    return found


def write_package(files: list[PackedFile], target: Path) -> int:
    """Write a zip that Ray unpacks as a job's working directory; equal files give equal bytes.

    Args:
        files: from `packed_files`.
        target: where it goes, ending in `.zip`.

    Returns:
        Its size in bytes.

    Raises:
        UserError: it is larger than the job API takes. No more of it is written than that.
    """
    with ZipFile(target, "w", ZIP_DEFLATED, compresslevel=1) as package:
        for file in files:
            entry = ZipInfo(file.name, _EPOCH)
            entry.compress_type = ZIP_DEFLATED
            entry.external_attr = stat.S_IMODE(file.path.stat().st_mode) << 16
            with file.path.open("rb") as content, package.open(entry, "w", force_zip64=True) as packed:
                while chunk := content.read(_CHUNK_BYTES):
                    packed.write(chunk)
                    if target.stat().st_size > LIMIT_BYTES:
                        raise _too_large(files)
    size = target.stat().st_size
    if size > LIMIT_BYTES:
        raise _too_large(files)
    return size


def biggest(files: list[PackedFile]) -> list[PackedFile]:
    """The largest few, largest first."""
    return sorted(files, key=lambda file: -file.size)[:_SHOWN]


def in_mib(size: int) -> str:
    """Bytes in words.

    >>> in_mib(1_572_864), in_mib(2_000)
    ('1.5 MiB', '2 KiB')
    """
    return f"{size / 2**20:.1f} MiB" if size >= 2**20 // 10 else f"{size / 2**10:.0f} KiB"


def _too_large(files: list[PackedFile]) -> UserError:
    shown = ", ".join(f"{file.name} ({in_mib(file.size)})" for file in biggest(files))
    return UserError(
        f"the working directory must pack into {in_mib(LIMIT_BYTES)}, the most that Ray's job API takes, "
        f"got {in_mib(sum(file.size for file in files))} in {len(files)} files; the biggest are {shown}; "
        "name what the job does not need in .vibesweepignore, and put data and models on the shared storage"
    )


def _below(
    folder: Path, place: PurePosixPath, rules: list[tuple[PurePosixPath, GitIgnoreSpec]], seen: set[Path]
) -> Iterator[PackedFile]:
    """The files below a folder.

    Args:
        folder: to look into.
        place: the same below the working directory.
        rules: of the folders above, each with its folder's place.
        seen: the folders that were looked into, for links that lead back.
    """
    lines = [
        line
        for name in IGNORE_FILES
        if (folder / name).is_file()
        for line in (folder / name).read_text(encoding="utf-8", errors="replace").splitlines()
    ]
    rules = [*rules, (place, GitIgnoreSpec.from_lines(lines))] if lines else rules
    for entry in os.scandir(folder):
        at = place / entry.name
        is_folder = entry.is_dir()
        if _is_ignored(at, rules, is_folder=is_folder):
            continue
        if not is_folder:
            if entry.is_file():  # and neither a socket nor a link to nothing
                yield PackedFile(str(at), Path(entry.path), entry.stat().st_size)
        elif (real := Path(entry.path).resolve()) not in seen:
            seen.add(real)
            yield from _below(Path(entry.path), at, rules, seen)


def _is_ignored(
    at: PurePosixPath, rules: list[tuple[PurePosixPath, GitIgnoreSpec]], *, is_folder: bool
) -> bool:
    slash = "/" if is_folder else ""
    if _NEVER.match_file(f"{at}{slash}"):
        return True
    verdict: bool | None = None
    for place, spec in rules:  # the innermost that says anything counts, as in git
        said = spec.check_file(f"{at.relative_to(place)}{slash}").include
        verdict = verdict if said is None else said
    return bool(verdict)
