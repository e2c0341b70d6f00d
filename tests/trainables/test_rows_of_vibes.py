"""Reading JSONL rows, and the errors that name the line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from common.errors import UserError
from common.objective import ObjectiveConfig
from common.training_config import PROJECT_ROOT, DataConfig
from trainables.data import VibeRow, data_path, held_out_rows, load_responses, load_rows, split_rows

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FIELDS = DataConfig()


def write(path: Path, *lines: str | Mapping[str, object]) -> Path:
    path.write_text("\n".join(x if isinstance(x, str) else json.dumps(x) for x in lines) + "\n")
    return path


def test_the_reward_compares_with_the_reference_and_with_the_prompt_where_there_is_none(
    tmp_path: Path,
) -> None:
    path = write(
        tmp_path / "v.jsonl",
        {"vibe_noisy": "lat nigt", "vibe_original": "late night"},
        "",
        {"vibe_noisy": "rain"},
        {"vibe_noisy": "snow", "vibe_original": None},
    )
    rows = load_rows(path, FIELDS)
    assert [(r.prompt, r.reference) for r in rows] == [
        ("lat nigt", "late night"),
        ("rain", "rain"),
        ("snow", "snow"),
    ]


def test_a_repeated_row_gets_an_id_of_its_own_and_ids_do_not_depend_on_the_order(tmp_path: Path) -> None:
    one, two = {"vibe_noisy": "rain"}, {"vibe_noisy": "snow"}
    first = [row.prompt_id for row in load_rows(write(tmp_path / "a.jsonl", one, two, one), FIELDS)]
    second = [row.prompt_id for row in load_rows(write(tmp_path / "b.jsonl", two, one), FIELDS)]
    assert first == [second[1], second[0], f"{second[1]}-2"]
    assert len(second[0]) == 12


def test_a_response_may_be_text_or_an_object(tmp_path: Path) -> None:
    path = write(
        tmp_path / "v.jsonl",
        {"vibe_noisy": "rain", "config_payload": {"title": "Régn", "b": 1}},
        {"vibe_noisy": "snow", "config_payload": '{"title": "x"}'},
    )
    assert load_responses(path, FIELDS) == ['{"title":"Régn","b":1}', '{"title": "x"}']


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"vibe_noisy": "a"', r"v.jsonl line 2 must be one JSON object, got '\{\"vibe_noisy\": \"a\"'"),
        ("[1]", r"v.jsonl line 2 must be one JSON object, got '\[1\]'"),
        ("[" * 100_000, r"v.jsonl line 2 must be one JSON object"),
        (
            '{"vibe": "a"}',
            r"v.jsonl line 2: field 'vibe_noisy' must be a non-empty text, got None.*the row has vibe",
        ),
        ('{"vibe_noisy": 3}', r"v.jsonl line 2: field 'vibe_noisy' must be a non-empty text, got 3"),
        ('{"vibe_noisy": " "}', r"v.jsonl line 2: field 'vibe_noisy' must be a non-empty text, got ' '"),
        (
            '{"vibe_noisy": "a", "vibe_original": 1}',
            r"line 2: field 'vibe_original' must be .*data.reference_field",
        ),
    ],
)
def test_a_line_that_cannot_be_used_is_named(tmp_path: Path, line: str, message: str) -> None:
    path = write(tmp_path / "v.jsonl", {"vibe_noisy": "rain"}, line)
    with pytest.raises(UserError, match=message):
        load_rows(path, FIELDS)


def test_a_missing_response_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "v.jsonl", {"vibe_noisy": "rain"})
    with pytest.raises(UserError, match=r"line 1: field 'config_payload' must be .*data.response_field"):
        load_responses(path, FIELDS)


def test_a_file_that_is_missing_empty_or_not_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"data must be a readable UTF-8 JSONL file, got .*none.jsonl"):
        load_rows(tmp_path / "none.jsonl", FIELDS)
    with pytest.raises(UserError, match="must have at least one row"):
        load_rows(write(tmp_path / "empty.jsonl", "", " "), FIELDS)
    (tmp_path / "binary.jsonl").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="data must be a readable UTF-8 JSONL file"):
        load_rows(tmp_path / "binary.jsonl", FIELDS)


def test_tiny_is_the_embedded_corpus(tmp_path: Path) -> None:
    assert data_path("tiny", "train") == PROJECT_ROOT / "tiny/data/vibes_train.jsonl"
    assert data_path("tiny", "held_out") == PROJECT_ROOT / "tiny/data/vibes_held_out.jsonl"
    assert data_path("/data/x.jsonl", "train").as_posix() == "/data/x.jsonl"


def test_the_first_num_vibes_rows_are_held_out_and_all_without_it(tmp_path: Path) -> None:
    path = write(tmp_path / "v.jsonl", *({"vibe_noisy": vibe} for vibe in "abc"))
    rows = load_rows(path, FIELDS)
    assert [r.prompt for r in held_out_rows(rows, ObjectiveConfig(num_vibes=2), path)] == ["a", "b"]
    assert held_out_rows(rows, ObjectiveConfig(), path) == rows
    with pytest.raises(UserError, match=r"num_vibes must be <= the rows of .*got 4 > 3"):
        held_out_rows(rows, ObjectiveConfig(num_vibes=4), path)


def row(text: str, number: int = 0) -> VibeRow:
    return VibeRow(f"{text}{number}", f"{text} {number}", text)


def test_spellings_of_one_vibe_are_on_one_side_of_a_split() -> None:
    rows = [row(text, number) for number in range(2) for text in "abcde"]
    for seed in range(20):
        train, held = split_rows(rows, 0.3, seed)
        # 3 of 10 rows are asked for, and vibes come in twos.
        assert (len(train), len(held)) == (6, 4)
        assert sorted(train + held) == list(range(10))
        assert not {rows[index].reference for index in train} & {rows[index].reference for index in held}
    assert len({tuple(split_rows(rows, 0.3, seed)[1]) for seed in range(20)}) > 5


def test_a_row_more_moves_no_other_across_the_split() -> None:
    rows = [row(text) for text in "abcdefghijklmnopqrst"]
    _, held = split_rows(rows, 0.25, 7)
    _, later = split_rows([*rows, row("u")], 5 / 21, 7)
    assert len(held) == len(later) == 5
    assert len({*held} & {*later}) >= 4
    assert split_rows(rows, 0.0, 7) == (list(range(20)), [])
    assert len(split_rows(rows, 1e-9, 7)[1]) == 1
