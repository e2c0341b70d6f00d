"""Reading only what is needed of a ledger, and writing it in other forms."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

from analysis import compute_ranking, load_sweep
from analysis.export import ledger_to_csv, ledger_to_pandas, ledger_to_parquet
from common.errors import UserError
from common.ledger import LEDGER_SCHEMA, ledger_version

if TYPE_CHECKING:
    from tests.analysis.conftest import NewSweep, SweepWriter


def test_columns_of_one_split_are_read_with_what_repeats_as_dictionaries(small_sweep: SweepWriter) -> None:
    rows = load_sweep(small_sweep.directory).rows(["trial_id", "audio"], "held_out")
    assert rows.schema.names == ["trial_id", "audio"]
    assert rows.schema.field("trial_id").type == pa.dictionary(pa.int32(), pa.string())
    assert rows.num_rows == load_sweep(small_sweep.directory).num_rows == 30


def test_the_last_evaluations_are_read_alone(small_sweep: SweepWriter) -> None:
    rows = load_sweep(small_sweep.directory).last_evaluations(["trial_id", "step"])
    # Two baselines with three rows of step 0, four trials with three rows of step 4.
    assert sorted(rows["step"].to_pylist()) == [0] * 6 + [4] * 12


def test_unread_files_may_be_anything_behind_a_good_footer(small_sweep: SweepWriter) -> None:
    before = compute_ranking(load_sweep(small_sweep.directory))
    # An earlier evaluation is needed by no ranking: its pages are not even looked at.
    for path in small_sweep.directory.glob("trials/lora*/ledger/held-out-000000.parquet"):
        content = path.read_bytes()
        path.write_bytes(b"PAR1" + b"\0" * 400 + content[404:])
    assert compute_ranking(load_sweep(small_sweep.directory)) == before


def test_a_damaged_file_that_is_needed_is_named(small_sweep: SweepWriter) -> None:
    path = next(small_sweep.directory.glob("trials/lora*s0/ledger/held-out-000004.parquet"))
    content = path.read_bytes()
    # The last eight bytes are the footer's length and a mark; the pages before the footer are lost.
    pages = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    path.write_bytes(b"PAR1" + b"\xff" * (pages - 4) + content[pages:])
    sweep = load_sweep(small_sweep.directory)
    with pytest.raises(UserError, match=r"000004.parquet must be a whole file, got one that is dam"):
        compute_ranking(sweep)


def test_a_sweep_is_read_from_a_url(small_sweep: SweepWriter) -> None:
    there = load_sweep(small_sweep.directory.as_uri())
    assert compute_ranking(there) == compute_ranking(load_sweep(small_sweep.directory))


@pytest.mark.parametrize(
    ("place", "said"),
    [
        (
            "ftp://server/runs/small",
            "a sweep's URL must start with file://, s3://, gs:// or hdfs://, got 'ftp:",
        ),
        (
            "s3://bucket/small?no=1",
            "URL must name a folder of its kind, got 's3://bucket/small?no=1' (Unexpected",
        ),
        ("", "a sweep's folder must be named, got ''; give"),
    ],
)
def test_what_names_no_folder_is_refused(place: str, said: str) -> None:
    with pytest.raises(UserError, match=re.escape(said)):
        load_sweep(place)


def test_a_bucket_that_cannot_be_reached_is_named_in_one_short_line() -> None:
    # Nothing listens there. With a region nothing is asked before the first file is.
    place = "s3://bucket/small?region=us-east-1&scheme=http&endpoint_override=127.0.0.1:1"
    with pytest.raises(
        UserError, match=r"bucket/small/sweep.json must be readable, got an error \("
    ) as error:
        load_sweep(place)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 400


def test_the_ledger_becomes_one_parquet_file(small_sweep: SweepWriter, tmp_path: Path) -> None:
    sweep = load_sweep(small_sweep.directory)
    assert ledger_to_parquet(sweep, tmp_path / "all.parquet") == 30
    written = pq.read_table(tmp_path / "all.parquet")
    assert written == sweep.ledger
    assert ledger_version(written.schema.metadata) == ledger_version(LEDGER_SCHEMA.metadata)


def test_the_ledger_becomes_csv(small_sweep: SweepWriter, tmp_path: Path) -> None:
    sweep = load_sweep(small_sweep.directory)
    assert ledger_to_csv(sweep, tmp_path / "all.csv", ["trial_id", "prompt_id", "audio"]) == 30
    read = pa_csv.read_csv(tmp_path / "all.csv")
    assert read.column_names == ["trial_id", "prompt_id", "audio"]
    assert read["audio"].to_pylist() == sweep.ledger["audio"].to_pylist()


def test_the_ledger_becomes_a_data_frame(small_sweep: SweepWriter) -> None:
    frame = ledger_to_pandas(load_sweep(small_sweep.directory), ["trial_id", "audio"], "held_out")
    assert (len(frame), str(frame["trial_id"].dtype)) == (30, "category")


def test_without_pandas_the_cure_is_said(small_sweep: SweepWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(UserError, match=r"pip install 'vibesweep\[notebooks\]'"):
        ledger_to_pandas(load_sweep(small_sweep.directory))


def test_an_empty_ledger_has_its_schema(new_sweep: NewSweep, tmp_path: Path) -> None:
    sweep = load_sweep(new_sweep().directory)
    assert ledger_to_parquet(sweep, tmp_path / "all.parquet") == 0
    assert pq.read_schema(tmp_path / "all.parquet").names == LEDGER_SCHEMA.names


def test_every_column_is_documented_with_its_type() -> None:
    text = (Path(__file__).parents[2] / "docs" / "ledger.md").read_text()
    documented = dict(re.findall(r"^\| `(\w+)` \| (\w+)\??", text, flags=re.MULTILINE))
    assert documented == {field.name: str(field.type) for field in LEDGER_SCHEMA}
