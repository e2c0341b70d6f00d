"""`vibesweep space list`, and the README's table beside it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from common.training_config import PROJECT_ROOT
from search_spaces.table_text import COLUMNS, cells, markdown_table
from search_spaces.tables import TABLE, row
from vibesweep.cli import run

if TYPE_CHECKING:
    from pathlib import Path

ROWS_FILE = """
from search_spaces import SpaceRow

ROWS = [SpaceRow(path="optimizer.max_grad_norm", kind="float", scale="log", low=0.1, high=10)]
"""


def listed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert run(["space", "list", *arguments]) == 0
    return capsys.readouterr().out


def test_json_has_every_row_with_its_nine_fields(capsys: pytest.CaptureFixture[str]) -> None:
    rows = json.loads(listed(capsys, "--json"))
    assert [entry["path"] for entry in rows] == [entry.path for entry in TABLE]
    assert rows[0] == {
        "path": "grpo.beta",
        "kind": "float",
        "scale": "log",
        "default": 0.04,
        "low": 0.01,
        "high": 0.16,
        "choices": None,
        "priority": "high",
        "impact": "KL divergence penalty",
    }
    assert rows[5] | {"impact": ""} == {
        "path": "lora.r",
        "kind": "int",
        "scale": "power_of_two",
        "default": 16,
        "low": 4,
        "high": 64,
        "choices": None,
        "priority": "high",
        "impact": "",
    }


def test_the_table_for_people_names_every_setting(capsys: pytest.CaptureFixture[str]) -> None:
    text = listed(capsys)
    assert all(entry.path in text for entry in TABLE)
    assert text.split()[: len(COLUMNS)] == list(COLUMNS)
    # Brackets are text here, not markup.
    assert "[q_proj," in text


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("rows.py", ROWS_FILE),
        ("sweep.yaml", "rows: {optimizer.max_grad_norm: {kind: float, scale: log, low: 0.1, high: 10}}"),
    ],
)
def test_a_users_rows_are_listed_behind_ours(
    name: str, content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).write_text(content)
    rows = json.loads(listed(capsys, "--json", "--rows", str(tmp_path / name)))
    assert len(rows) == len(TABLE) + 1
    assert rows[-1] == {
        "path": "optimizer.max_grad_norm",
        "kind": "float",
        "scale": "log",
        "default": 1.0,
        "low": 0.1,
        "high": 10,
        "choices": None,
        "priority": "user",
        "impact": "",
    }


def test_a_rows_file_that_does_not_run_is_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "rows.py"
    file.write_text("ROWS = [1 / 0]")
    assert run(["space", "list", "--rows", str(file)]) == 2
    assert capsys.readouterr().err.splitlines() == [
        f"vibesweep: rows_file {file} must run, got ZeroDivisionError: division by zero"
    ]


def test_the_readme_holds_the_table() -> None:
    text = (PROJECT_ROOT / "README.md").read_text()
    inside = text.partition("<!-- space-table -->\n")[2].partition("<!-- /space-table -->")[0]
    assert inside == markdown_table(TABLE), "put the output of `vibesweep space list --markdown` there"


def test_a_row_in_a_few_words() -> None:
    assert cells(row("lora.r")) == (
        "lora.r",
        "16",
        "4 to 64",
        "int, power of two",
        "high",
        "Adapter capacity",
    )
    assert cells(row("lora.target_modules"))[1:3] == (
        "[q_proj, k_proj, ... 7 in all]",
        "[q_proj, v_proj], [q_proj, k_proj, ... 4 in all], [q_proj, k_proj, ... 7 in all]",
    )
