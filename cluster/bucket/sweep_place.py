"""A sweep's place by what a user calls it: a folder to work in, or a URL, worked in through copies."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from cluster.bucket.driver import opened_bucket
from cluster.bucket.places import driver_folder
from cluster.bucket.remote import Remote
from cluster.bucket.url import checked_url, is_url
from cluster.keeping import Keeping
from cluster.sweep_directory import stored_sweep
from common.errors import UserError
from search_spaces.sweep_record import SWEEP_RECORD

if TYPE_CHECKING:
    from collections.abc import Iterator

    from search_spaces.sweep_file import SweepFile
    from search_spaces.sweep_record import SweepRecord

__all__ = ["existing_sweep", "kept_at", "put_report", "stored_at", "working_directory"]


@contextmanager
def kept_at(sweep: SweepFile, place: Path | str) -> Iterator[Keeping]:
    """Where a driver of the sweep works, and what moves its files.

    Raises:
        UserError: a URL that cannot be written or has a driver, or a sweep that a bucket cannot hold.
        ClusterError: the bucket does not answer any more.
    """
    if not is_url(place):
        yield Keeping(Path(place))
        return
    if sweep.base_config().infra.workers > 1:
        raise UserError(
            f"trials of several workers must share a folder, got {place} with infra.workers > 1, where each "
            "node has a copy of its own; mount a folder on all nodes and give its path with --storage"
        )
    with opened_bucket(str(place)) as copy:
        yield copy


def existing_sweep(place: Path | str) -> Path | str:
    """A sweep's place as `run_sweep` takes it: an absolute path, or a URL.

    Raises:
        UserError: a URL of no kind that a sweep may be kept at.
    """
    return checked_url(str(place)) if is_url(place) else Path(place).resolve()


def working_directory(place: Path | str) -> Path:
    """The directory that the driver of an existing sweep works in."""
    return driver_folder(checked_url(str(place))) if is_url(place) else Path(place).resolve()


def stored_at(place: Path | str) -> SweepRecord:
    """The record of an existing sweep.

    Raises:
        UserError: there is none.
        ClusterError: the bucket does not answer.
    """
    if not is_url(place):
        return stored_sweep(Path(place))
    remote = Remote.at(str(place))
    content = remote.read(SWEEP_RECORD)
    if content is None:
        raise UserError(f"{remote} must be a sweep, got nothing named {SWEEP_RECORD} there; check the URL")
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / SWEEP_RECORD).write_bytes(content)
        return stored_sweep(Path(folder))


def put_report(url: str, directory: Path, report: Path) -> None:
    """Put a report that was written into a sweep's copy beside the sweep.

    Raises:
        ClusterError: the bucket does not take it.
    """
    Remote.at(url).upload(report, report.relative_to(directory).as_posix())
