"""Weights & Biases, offline, with the real package: what lies on the disk, read record by record."""

from __future__ import annotations

import json
import os
import socket
import struct
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from common.records import TrialRecord
from tests.trainables.conftest import VIBES
from trainables.sft import run_sft
from trainables.trial import run_trial

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from common.training_config import TrainingConfig
    from rewards.scorer import Scorer
    from trainables.spec import Progress, TrialSpec

wandb = pytest.importorskip("wandb", reason="needs the extra wandb: pip install 'vibesweep[wandb]'")
from wandb.proto.wandb_internal_pb2 import Record  # noqa: E402 - where the package is there

pytestmark = pytest.mark.slow  # its service takes two seconds to start


class Run(NamedTuple):
    """What one of W&B's files says."""

    id: str
    name: str
    group: str
    project: str
    config: dict[str, Any]
    history: list[dict[str, Any]]
    exit_code: int


def records(path: Path) -> Iterator[Any]:
    """The records of a `.wandb` file: LevelDB's log, blocks of 32 KiB behind a header of 7 bytes."""
    content, at, parts = path.read_bytes(), 7, b""
    while at < len(content):
        if 32768 - at % 32768 < 7:
            at += 32768 - at % 32768
            continue
        _, length, kind = struct.unpack("<IHB", content[at : at + 7])
        parts += content[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # a whole record, or the last part of one
            yield Record.FromString(parts)
            parts = b""


def runs(directory: str | Path) -> list[Run]:
    """The runs in a trial's folder, oldest first."""
    found = []
    for path in sorted(Path(directory).glob("wandb/offline-run-*/*.wandb"), key=os.path.getmtime):
        all_records = list(records(path))
        run = next(record.run for record in all_records if record.HasField("run"))
        config = {item.key: json.loads(item.value_json) for item in run.config.update}
        history = [
            {
                (item.key or "/".join(item.nested_key)): json.loads(item.value_json)
                for item in record.history.item
            }
            for record in all_records
            if record.HasField("history")
        ]
        exit_code = next(record.exit.exit_code for record in all_records if record.HasField("exit"))
        found.append(
            Run(run.run_id, run.display_name, run.run_group, run.project, config, history, exit_code)
        )
    return found


@pytest.fixture
def listener(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[list[bytes]]:
    """Stands in for the network: what anybody says to the proxy of every address."""
    heard: list[bytes] = []
    server = socket.create_server(("127.0.0.1", 0))

    def listen() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            heard.append(connection.recv(200))
            connection.close()

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    proxy = f"http://127.0.0.1:{server.getsockname()[1]}"
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, proxy)
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("WANDB_MODE", "offline")
    for name in ("WANDB_DIR", "WANDB_CACHE_DIR", "WANDB_DATA_DIR", "WANDB_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    yield heard
    wandb.teardown()
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    thread.join(5)


class StoppedError(Exception):
    """What a killed trial is to its code."""


def quiet(progress: Progress) -> None:
    pass


def test_a_trial_is_a_run_under_its_own_name_and_the_next_one_another(
    make_spec: Callable[..., TrialSpec], stub_scorer: Scorer, listener: list[bytes], tmp_path: Path
) -> None:
    settings = {"max_steps": 2, "logging__eval_steps": 1, "logging__wandb_project": "vibes"}
    first, second = make_spec("t000-s1", **settings), make_spec("t001-s1", **settings, grpo__beta=0.5)
    results = [run_trial(spec, stub_scorer, stub_scorer, quiet) for spec in (first, second)]

    stored = [runs(spec.directory) for spec in (first, second)]
    assert [[run.name for run in found] for found in stored] == [["t000-s1"], ["t001-s1"]]
    for spec, result, [run] in zip((first, second), results, stored, strict=True):
        assert (run.project, run.group, run.exit_code) == ("vibes", "test", 0)
        config = TrialRecord.read(Path(spec.directory)).config.model_dump(mode="json")
        assert {key: run.config[key] for key in config} == config
        objective = {
            row["step"]: row["held_out/objective"] for row in run.history if "held_out/objective" in row
        }
        assert sorted(objective) == [0, 1, 2]
        assert objective[2] == result.objective
        assert [row["step"] for row in run.history if "train/reward" in row] == [1, 2]
        shown = [row["completion/1/_type"] for row in run.history if "completion/1/_type" in row]
        assert shown == ["html-file"] * 3
    assert stored[0][0].id != stored[1][0].id
    assert listener == []
    # Nothing of it lies anywhere else.
    assert [path for path in (tmp_path / "home").rglob("*") if path.is_file()] == []
    assert "WANDB_CACHE_DIR" not in os.environ


def test_a_trial_that_goes_on_continues_its_run(
    make_spec: Callable[..., TrialSpec], stub_scorer: Scorer, listener: list[bytes]
) -> None:
    spec = make_spec(max_steps=4, logging__wandb_project="vibes")

    def stop_at_three(progress: Progress) -> None:
        if progress.step == 3:
            raise StoppedError

    with pytest.raises(StoppedError):
        run_trial(spec, stub_scorer, stub_scorer, stop_at_three)
    run_trial(spec, stub_scorer, stub_scorer, quiet)
    stopped, resumed = runs(spec.directory)
    assert stopped.id == resumed.id
    assert (stopped.exit_code, resumed.exit_code) == (1, 0)
    assert [row["step"] for row in resumed.history if "train/reward" in row] == [3, 4]


def test_sft_is_a_run_too(
    make_config: Callable[..., TrainingConfig], listener: list[bytes], tmp_path: Path
) -> None:
    data = tmp_path / "sft.jsonl"
    data.write_text("".join(json.dumps({"vibe_noisy": v, "config_payload": "{}"}) + "\n" for v in VIBES))
    config = make_config(max_steps=2, logging__wandb_project="vibes")
    run_sft(config, str(data), str(tmp_path / "sft"), quiet)
    [run] = runs(tmp_path / "sft")
    assert (run.name, run.exit_code) == ("sft", 0)
    assert [row["step"] for row in run.history if "train/loss" in row] == [1, 2]
