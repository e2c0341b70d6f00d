"""`vibesweep report`, and the report at a sweep's end."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cluster.sweep import SweepOutcome
from tests.analysis.conftest import SweepWriter
from vibesweep import sweep as sweep_commands
from vibesweep.cli import run


@pytest.fixture
def sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stored sweep, relative to the working directory."""
    writer = SweepWriter(tmp_path / "runs" / "small")
    writer.trial("a", {4: [0.1, 0.2, 0.3]})
    monkeypatch.chdir(tmp_path)
    return Path("runs/small")


def test_the_report_lies_in_the_sweep_and_its_path_is_printed(
    sweep: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["report", str(sweep)]) == 0
    assert capsys.readouterr().out == "runs/small/report/index.html\n"
    page = (sweep / "report" / "index.html").read_text()
    assert page.startswith("<!doctype html>")
    assert "vibesweep rank runs/small" in page
    # The report is a function of what is stored.
    assert run(["report", str(sweep), "--output", "again.html"]) == 0
    assert Path("again.html").read_text() == page


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "nowhere must be a sweep directory"),
        (["runs/small", "--output", "runs"], "--output must be a file, got the folder 'runs'"),
        (["s3://bucket/runs/small"], "--output must be given for a sweep in a bucket"),
    ],
)
def test_what_cannot_be_written_is_told_in_one_line(
    sweep: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert run(["report", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def outcome(directory: Path) -> SweepOutcome:
    """As a sweep without failures ends."""
    return SweepOutcome(directory, num_finished=1, failed=(), was_done=False)


def test_a_sweep_ends_with_its_report(sweep: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert sweep_commands._finish(outcome(sweep.resolve())) == 0
    assert "\nreport       runs/small/report/index.html\n" in capsys.readouterr().out
    assert (sweep / "report" / "index.html").is_file()


def test_a_report_that_fails_leaves_the_outcome_and_says_so(
    sweep: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(directory: Path) -> Path:
        raise OSError(os.strerror(28))

    monkeypatch.setattr(sweep_commands, "write_report", fails)
    assert sweep_commands._finish(outcome(sweep.resolve())) == 0
    captured = capsys.readouterr()
    assert "Best configuration: a" in captured.out
    assert "report  " not in captured.out
    assert captured.err == (
        "no report was written (OSError: No space left on device); "
        "try again with: vibesweep report runs/small\n"
    )
