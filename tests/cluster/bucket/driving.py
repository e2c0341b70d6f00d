"""Sweeps of stand-ins with drivers of their own, each with a node's cache of its own, and what they leave."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
from pyarrow.fs import FileSelector, FileSystem, FileType

from common.records import ResultRecord, TrialRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from search_spaces.sweep_file import SweepFile

FOLDER = Path(__file__).parent.parent
ROOT = FOLDER.parent.parent
TIMINGS = ("generate_s", "score_s")


def start(
    sweep: SweepFile,
    place: Path | str,
    tmp_path: Path,
    *,
    trial: str,
    step_s: float = 0.0,
    cache: str = "cache",
) -> subprocess.Popen[str]:
    """A driver of the sweep at a place."""
    file = tmp_path / "sweep.json"
    file.write_text(sweep.model_dump_json())
    return subprocess.Popen(
        [sys.executable, str(FOLDER / "drive_sweep.py"), str(file), str(place), trial],
        env=os.environ
        | {
            "PYTHONPATH": os.pathsep.join(map(str, (FOLDER, ROOT))),
            "TRIVIAL_STEP_S": str(step_s),
            "VIBESWEEP_CACHE": str(tmp_path / cache),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def run(sweep: SweepFile, place: Path | str, tmp_path: Path, *, trial: str) -> str:
    """What a driver prints that works to the end."""
    printed, errors = start(sweep, place, tmp_path, trial=trial).communicate(timeout=300)
    assert printed, errors
    return printed


def wait_for(condition: Callable[[], bool], seconds: float = 180.0) -> None:
    """Return when it holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.1)


def names(place: Path | str) -> set[str]:
    """All files of a sweep but those of Tune, by path below it."""
    filesystem, root = FileSystem.from_uri(place if isinstance(place, str) else place.as_uri())
    found = filesystem.get_file_info(FileSelector(root, recursive=True, allow_not_found=True))
    files = {entry.path[len(root) + 1 :] for entry in found if entry.type == FileType.File}
    return {name for name in files if not name.startswith("tune/")}


def fetched(place: Path | str, folder: Path) -> Path:
    """A copy of a sweep without its markers of drivers, to be compared."""
    filesystem, root = FileSystem.from_uri(place if isinstance(place, str) else place.as_uri())
    for name in names(place):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        with filesystem.open_input_stream(f"{root}/{name}") as content:
            (folder / name).write_bytes(content.read())
    return folder


def outcome(folder: Path) -> dict[str, dict[str, Any]]:
    """Every trial's record and result, timings left out."""
    return {path.parent.name: dict(_of_trial(path.parent)) for path in folder.glob("trials/*/trial.json")}


def _of_trial(folder: Path) -> Iterator[tuple[str, Any]]:
    yield "record", TrialRecord.read(folder)
    result = ResultRecord.read(folder)
    yield "result", result and result.model_copy(update={"seconds": 0.0})


def ledger(folder: Path) -> dict[tuple[Any, ...], dict[str, Any]]:
    """The rows of a sweep by their key, timings left out."""
    rows: dict[tuple[Any, ...], dict[str, Any]] = {}
    for part in sorted(folder.glob("trials/*/ledger/*.parquet")):
        for row in pq.read_table(part).drop_columns(list(TIMINGS)).to_pylist():
            key = tuple(row[name] for name in ("trial_id", "step", "split", "prompt_id", "sample"))
            assert key not in rows
            rows[key] = row
    return rows


def actors_below(pid: int) -> Iterator[int]:
    """The processes of trials below a driver."""
    for child in map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()):
        if Path(f"/proc/{child}/cmdline").read_text().startswith("ray::ImplicitFunc"):
            yield child
        yield from actors_below(child)


def is_alive(pid: int) -> bool:
    """Whether a process works."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
