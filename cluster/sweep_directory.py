"""The sweep directory: where it is, whose it is, and one driver at a time."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pydantic import ValidationError

from cluster.bucket.url import below, checked_url, is_url
from cluster.driver_lease import BOOKKEEPING, driver_lease
from cluster.session import inside_ray_job
from common.errors import UserError
from common.records import TRIAL_FILE
from common.training_config import PROJECT_ROOT
from search_spaces.sweep_record import SWEEP_RECORD, SweepRecord, fingerprint
from trainables.data import data_path

if TYPE_CHECKING:
    from collections.abc import Iterator

    from search_spaces.sweep_file import SweepFile

__all__ = ["claimed", "stored_sweep", "sweep_directory", "sweep_record"]

_RECORDED_VERSIONS: Final = (
    "vibesweep", "ray", "torch", "transformers", "trl", "peft", "optuna", "pyarrow", "numpy",
)  # fmt: skip


def sweep_directory(sweep: SweepFile, storage: str | Path | None = None) -> Path | str:
    """The sweep's own folder, absolute: `<storage>/<name>`; or its URL, where the storage is one.

    Args:
        sweep: its `storage` counts where none is given here, and `runs` where neither gives one.
        storage: folder that holds the folders of sweeps, or its URL.

    Raises:
        UserError: a URL of another kind or with a secret in it, or a relative folder inside a submitted job,
            whose working directory does not last.
    """
    folder = str(storage or sweep.storage or "runs")
    if sweep.storage and is_url(sweep.storage):
        checked_url(sweep.storage)  # also where another is given: the sweep's record has it
    if is_url(folder):
        return below(checked_url(folder), sweep.name)
    directory = Path(folder).expanduser() / sweep.name
    if inside_ray_job() and not directory.is_absolute():
        raise UserError(
            f"storage must be absolute inside a submitted job, got {folder!r}; the job's working directory "
            "is deleted after it: add --storage /a/shared/folder"
        )
    return directory.resolve()


def sweep_record(sweep: SweepFile) -> SweepRecord:
    """What `sweep.json` says about this sweep, here and now."""
    paths = {
        "train": data_path(sweep.data.train, "train"),
        "held_out": data_path(sweep.data.held_out, "held_out"),
    }
    hashes = {split: hashlib.sha256(path.read_bytes()).hexdigest() for split, path in paths.items()}
    return SweepRecord(
        sweep=sweep,
        data_sha256=hashes,
        versions={name: version(name) for name in _RECORDED_VERSIONS},
        git_revision=_git_revision(),
        fingerprint=fingerprint(sweep, hashes),
    )


def stored_sweep(directory: Path) -> SweepRecord:
    """The record of an existing sweep directory.

    Raises:
        UserError: it is none.
    """
    try:
        record = SweepRecord.read(directory)
    except ValidationError as error:
        raise UserError(
            f"{directory / SWEEP_RECORD} must be a sweep record of this version, got another; go on with the "
            "version that wrote it, or start again with --overwrite"
        ) from error
    if record is None:
        found = f"a folder without {SWEEP_RECORD}" if directory.is_dir() else "no folder"
        raise UserError(f"{directory} must be a sweep directory, got {found}; check the path")
    return record


@contextmanager
def claimed(directory: Path, record: SweepRecord, *, overwrite: bool) -> Iterator[None]:
    """Make the directory this sweep's, or find that it is already, and keep other drivers out.

    Raises:
        UserError: the directory holds something else, is in use, or cannot be written.
    """
    _refuse_other(directory, record, overwrite=overwrite)
    with ExitStack() as stack:
        try:
            directory.mkdir(parents=True, exist_ok=True)
            stack.enter_context(driver_lease(directory))
        except OSError as error:
            raise UserError(
                f"storage must be a folder that can be written, got {str(directory)!r} ({error.strerror}); "
                "give another with --storage"
            ) from error
        _refuse_other(directory, record, overwrite=overwrite)
        if overwrite or not (directory / SWEEP_RECORD).is_file():
            _clear(directory)
            record.write(directory)
        elif (stored := stored_sweep(directory)).sweep != record.sweep:
            # The same search with another budget, say; versions and revision stay those of its start.
            stored.model_copy(update={"sweep": record.sweep}).write(directory)
        try:
            yield
        except BaseException:
            if all(path.name == TRIAL_FILE for path in directory.glob("trials/*/*")):
                # Nothing has run yet, so nothing is lost and nothing half-written stays.
                _clear(directory)
            raise


def _refuse_other(directory: Path, record: SweepRecord, *, overwrite: bool) -> None:
    """Raise UserError unless the directory is empty, holds the same sweep, or one that may be overwritten."""
    content = _content(directory)
    if not content:
        return
    if not (directory / SWEEP_RECORD).is_file():
        raise UserError(
            f"storage must be empty or a sweep directory, got {str(directory)!r} with {content[0].name!r} "
            f"and no {SWEEP_RECORD}; give another --storage"
        )
    if not overwrite and stored_sweep(directory).fingerprint != record.fingerprint:
        raise UserError(
            f"{directory} must hold this same sweep, got another one or other data; give another --storage, "
            "or delete what is there with --overwrite"
        )


def _content(directory: Path) -> list[Path]:
    """What lies in the directory beside what says who drives it."""
    if directory.is_file():
        raise UserError(f"storage must be a folder, got the file {str(directory)!r}; give another --storage")
    if not directory.is_dir():
        return []
    return sorted(entry for entry in directory.iterdir() if entry.name not in BOOKKEEPING)


def _clear(directory: Path) -> None:
    for entry in _content(directory):
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def _git_revision() -> str | None:
    try:
        revision = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
            cwd=PROJECT_ROOT,
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return revision.stdout.strip()
