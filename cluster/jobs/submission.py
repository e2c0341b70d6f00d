"""A sweep file made into a job: checked here, packed, and sent with the command that drives it."""

from __future__ import annotations

import secrets
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from cluster.bucket.url import below, checked_url, is_url
from cluster.jobs.credentials import OPENER, sealed
from cluster.jobs.package import IGNORE_FILES, write_package
from cluster.plan import check_sweep
from cluster.ray_token import ray_token
from cluster.stopping import GRACE_VARIABLE, grace_s
from cluster.sweep_directory import sweep_record
from common.errors import UserError
from search_spaces.resources import EMBEDDED_DATA

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cluster.jobs.client import Jobs
    from cluster.jobs.package import PackedFile
    from search_spaces.sweep_file import SweepFile

__all__ = ["Checked", "check_here", "job_folder", "packed", "send"]

_MODELS: Final = ("base_model", "grpo.reward.clap.model")
"""Settings that may name a model's folder."""


class Checked(NamedTuple):
    """What was found out about a sweep before it is sent."""

    fingerprint: str | None
    """None where its data or models are not here, so that it could not be worked out."""
    not_sent: tuple[str, ...]
    """Paths that the sweep names outside the working directory: every node must have them."""


def job_folder(sweep: SweepFile, storage: str | None) -> str:
    """The sweep's folder on the cluster, or its URL.

    Raises:
        UserError: a URL of no kind that a sweep may be kept at, or the storage is relative,
            and a job's working directory does not last.
    """
    folder = storage or sweep.storage
    if folder is not None and is_url(folder):
        return below(checked_url(folder), sweep.name)
    if folder is None or not folder.startswith("/"):
        raise UserError(
            f"storage must be absolute for a job, whose working directory is deleted after it, got "
            f"{folder or 'none'!r}; add --storage /a/shared/folder"
        )
    return f"{folder.rstrip('/')}/{sweep.name}"


def check_here(sweep: SweepFile, working_dir: Path, files: Sequence[PackedFile]) -> Checked:
    """See before anything is sent that a sweep can work, as far as this machine can tell.

    Args:
        sweep: as it was read, with its paths absolute.
        working_dir: whose files are sent, absolute and without links.
        files: those.

    Raises:
        UserError: a point, a model or the data cannot work, or a file that the sweep needs stays behind.
    """
    sent = {file.name for file in files}
    data, models = _data_paths(sweep), _model_paths(sweep)
    for what, path in data.items():
        inside = path.is_relative_to(working_dir) and path.exists()
        if inside and path.relative_to(working_dir).as_posix() not in sent:
            raise UserError(
                f"{what} must be sent with the job, got {str(path)!r}, which is left out by "
                f"{', '.join(IGNORE_FILES)} or by submit itself; put it on the shared storage, and name it "
                "by its path there"
            )
    for what, path in models.items():
        if path.is_relative_to(working_dir):
            # A trial is what its configuration says, and a job unpacks what is sent somewhere else each time.
            raise UserError(
                f"{what} must not lie in the working directory of a job, got {str(path)!r}; copy the model "
                "to the shared storage, and name it by its path there"
            )
    named = {str(path): path for path in (*data.values(), *models.values())}
    not_sent = tuple(name for name, path in named.items() if not path.is_relative_to(working_dir))
    if not all(path.exists() for path in named.values() if not path.is_relative_to(working_dir)):
        return Checked(None, not_sent)
    check_sweep(sweep)
    return Checked(sweep_record(sweep).fingerprint, not_sent)


def send(
    jobs: Jobs,
    sweep: SweepFile,
    command: list[str],
    *,
    folder: str,
    package: Path,
    credentials: Mapping[str, str],
    fingerprint: str | None,
) -> str:
    """Start the job, and give its id.

    Args:
        jobs: the cluster's.
        sweep: what it runs.
        command: what runs it.
        folder: the sweep's, on the cluster.
        package: from `package`.
        credentials: values by name; sealed before they leave this process.
        fingerprint: the sweep's.

    Raises:
        UserError: a job works on the same folder already, or the cluster has no token to seal with.
        ClusterError: Ray does not take it.
    """
    for job in jobs.all():
        if job.directory == folder and not job.state.is_terminal():
            raise UserError(
                f"{folder} must have one driver, and has the job {job.id}; `vibesweep stop {job.id}` ends it"
            )
    token = ray_token()
    assert token is not None or not credentials, "the command asks for a token before"
    metadata = {"sweep": sweep.name, "directory": folder}
    return jobs.submit(
        command,
        # Two sweeps of one name may be sent in the same second.
        job_id=f"{sweep.name}-{datetime.now(UTC):%m%d-%H%M%S}-{secrets.token_hex(2)}",
        package=package,
        environment={GRACE_VARIABLE: str(grace_s())} | sealed(credentials, token or ""),
        opener=OPENER,
        metadata=metadata | ({"fingerprint": fingerprint} if fingerprint else {}),
    )


def packed(files: list[PackedFile]) -> tuple[Path, int]:
    """The package of these files in a temporary folder of its own, and its size in bytes."""
    target = Path(tempfile.mkdtemp(prefix="vibesweep-")) / "working_dir.zip"
    return target, write_package(files, target)


def _data_paths(sweep: SweepFile) -> dict[str, Path]:
    data = {"data.train": sweep.data.train, "data.held_out": sweep.data.held_out}
    return {what: Path(name) for what, name in data.items() if name != EMBEDDED_DATA}


def _model_paths(sweep: SweepFile) -> dict[str, Path]:
    """The models that are folders or files; a sweep that was read names those by absolute paths."""
    models = {f"base.{path}": sweep.base.get(path, "") for path in _MODELS}
    for place in ("scorer", "eval_clap"):
        if clap := getattr(sweep.objective, place):
            models[f"objective.{place}.model"] = clap.model
    for path in _MODELS:
        for number, value in enumerate(getattr(sweep.space.get(path), "grid", ())):
            models[f"space.{path}[{number}]"] = value
    return {what: Path(name) for what, name in models.items() if str(name).startswith("/")}
