"""The folder of one training run: nothing in it is lost to a mistake, and bad input leaves nothing in it."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from common.errors import UserError
from common.records import TRIAL_FILE, SFTRecord
from trainables.adapter_base import ADAPTER_FILE
from trainables.checkpoints import find_start
from trainables.run_record import RunRecord

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["claimed_output"]

_SIGNS_OF_A_RUN: Final = (RunRecord.FILE, TRIAL_FILE, SFTRecord.FILE, ADAPTER_FILE)


@contextmanager
def claimed_output(output: Path, *, overwrite: bool, goes_on: bool, holds: str = "") -> Iterator[None]:
    """Make a folder ready for a run.

    An earlier run that is to be replaced stands aside until the new one has ended, and comes back where the
    new one turns out to be refused, or is interrupted before there is anything to go on from.

    Args:
        output: the folder.
        overwrite: whether the run that it holds may be replaced.
        goes_on: whether that is this same run, which is to go on.
        holds: in what the run that it holds is another one, for the message.

    Raises:
        UserError: it holds something else, or cannot be written.
    """
    if output.exists() and not output.is_dir():
        raise UserError(f"--output must be a folder, got the file {str(output)!r}")
    is_empty = not output.is_dir() or not any(output.iterdir())
    before = None
    if not (is_empty or goes_on):
        if not overwrite:
            other = f", which has {holds}" if holds else ""
            raise UserError(
                f"--output must be empty or hold this same run, got {str(output)!r}{other}; name another "
                "folder or add --overwrite"
            )
        before = _set_aside(output)
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--output must be writable, got {str(output)!r}: {error.strerror}") from error
    try:
        yield
    except UserError:
        if is_empty or before:
            shutil.rmtree(output)
        if before:
            before.rename(output)
        raise
    except KeyboardInterrupt:
        # SFT has no checkpoints any more when its adapter is there.
        is_lost = find_start(output).checkpoint is None and not (output / ADAPTER_FILE).is_file()
        if before and is_lost:
            shutil.rmtree(output)
            before.rename(output)
        raise
    finally:
        if before:
            shutil.rmtree(before, ignore_errors=True)


def _set_aside(output: Path) -> Path:
    """Rename a run's folder; a folder that holds no run is not ours to delete."""
    folder = output.resolve()
    if folder == Path.cwd() or folder in Path.cwd().parents:
        raise UserError(
            f"--output must not hold the working directory, got {str(output)!r}; name a folder in it"
        )
    if not any((folder / name).is_file() for name in _SIGNS_OF_A_RUN):
        raise UserError(
            f"--overwrite replaces a training run only, got {str(output)!r}, which holds none; name another "
            "folder"
        )
    aside = folder.with_name(f".{folder.name}.replaced")
    shutil.rmtree(aside, ignore_errors=True)
    return folder.rename(aside)
