"""Loading a sweep directory, also one that was killed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow.parquet as pq
import pytest

from analysis import load_sweep
from common.errors import UserError
from common.ledger import LEDGER_SCHEMA

if TYPE_CHECKING:
    from pathlib import Path

    from tests.analysis.conftest import NewSweep, SweepWriter


def test_a_sweep_is_loaded_with_its_trials_and_rows(small_sweep: SweepWriter) -> None:
    sweep = load_sweep(str(small_sweep.directory))
    assert (sweep.name, sweep.objective.audio_floor, len(sweep.trials)) == ("small", -1, 6)
    # Two baselines with three rows, four trials with two evaluations of three.
    assert sweep.ledger.num_rows == 2 * 3 + 4 * 2 * 3
    assert sweep.ledger.schema == LEDGER_SCHEMA
    assert sweep.torn_files == ()


def test_a_sweep_that_just_started_is_empty(new_sweep: NewSweep) -> None:
    sweep = load_sweep(new_sweep().directory)
    assert (sweep.trials, sweep.ledger.num_rows) == ((), 0)


def test_a_folder_that_is_no_sweep_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"must be a sweep directory, got a path without sweep.json; give"):
        load_sweep(tmp_path)
    with pytest.raises(UserError, match=r"must be a sweep directory"):
        load_sweep(tmp_path / "nothing")


def test_a_broken_sweep_file_is_refused(new_sweep: NewSweep) -> None:
    directory = new_sweep().directory
    (directory / "sweep.json").write_text('{"sweep": ')
    with pytest.raises(
        UserError, match=r"sweep.json must be a sweep record of this version, got another \(Invalid JSON"
    ):
        load_sweep(directory)


def test_a_record_of_another_version_is_refused(new_sweep: NewSweep) -> None:
    path = new_sweep().directory / "sweep.json"
    path.write_text(path.read_text().replace('"format": "1"', '"format": "0"'))
    with pytest.raises(UserError, match=r"got another \(format: Input should be '1'\)"):
        load_sweep(path.parent)


@pytest.mark.parametrize("name", ["trial.json", "result.json", "ledger/held-out-000004.parquet"])
def test_a_torn_file_is_skipped_and_named(small_sweep: SweepWriter, name: str) -> None:
    folder = next(small_sweep.directory.glob("trials/lora.r=8*s0"))
    torn = folder / name
    torn.write_bytes(torn.read_bytes()[:40])
    assert load_sweep(small_sweep.directory).torn_files == (str(torn),)


def test_a_part_that_is_being_written_is_not_read(small_sweep: SweepWriter) -> None:
    folder = next(small_sweep.directory.glob("trials/lora.r=8*s0"))
    (folder / "ledger" / "held-out-000008.tmp77").write_bytes(b"PAR1")
    assert load_sweep(small_sweep.directory).torn_files == ()


def test_a_ledger_of_another_version_is_refused(small_sweep: SweepWriter) -> None:
    part = next(small_sweep.directory.glob("trials/*/ledger/held-out-000004.parquet"))
    table = pq.read_table(part).replace_schema_metadata({"vibesweep.ledger_version": "0"})
    pq.write_table(table, part)
    with pytest.raises(UserError, match="ledger version must be 1 to 2, got 0"):
        load_sweep(small_sweep.directory)


def test_a_ledger_of_the_first_version_is_read_without_what_it_lacks(small_sweep: SweepWriter) -> None:
    today = load_sweep(small_sweep.directory).ledger
    later = ["similarity", "mismatched", "level_db", "clipped", "flatness", "music_config"]
    later += ["eval_clap_similarity", "eval_clap_id"]
    for part in small_sweep.directory.glob("trials/*/ledger/held-out-000004.parquet"):
        table = pq.read_table(part).drop_columns(later)
        pq.write_table(table.replace_schema_metadata({"vibesweep.ledger_version": "1"}), part)
    assert load_sweep(small_sweep.directory).ledger == today
