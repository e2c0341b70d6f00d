"""YAML reads as people mean it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from common.errors import UserError
from search_spaces.yaml_text import read_yaml

if TYPE_CHECKING:
    from pathlib import Path


def read(tmp_path: Path, text: str) -> dict[str, Any]:
    path = tmp_path / "sweep.yaml"
    path.write_text(text)
    return read_yaml(path)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-4", 1e-4),
        ("2E5", 2e5),
        ("1.5", 1.5),
        (".5", 0.5),
        ("-3", -3),
        ("0", 0),
        ("true", True),
        ("null", None),
        ("~", None),
        ("no", "no"),
        ("off", "off"),
        ("1:30", "1:30"),
        ("2026-01-02", "2026-01-02"),
        ("'1e-4'", "1e-4"),
    ],
)
def test_scalars_follow_yaml_1_2(tmp_path: Path, text: str, value: object) -> None:
    read_value = read(tmp_path, f"key: {text}\n")["key"]
    assert read_value == value
    assert type(read_value) is type(value)


def test_a_key_given_twice_is_refused_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"sweep.yaml: line 2: the key 'a' must be given once"):
        read(tmp_path, "a: 1\na: 2\n")


def test_anchors_and_merge_keys_still_work(tmp_path: Path) -> None:
    content = read(tmp_path, "one: &one {a: 1, b: 2}\ntwo: {<<: *one, b: 3}\n")
    assert content["two"] == {"a": 1, "b": 3}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1", r"line 2: expected ',' or '\]'"),
        ("- 1\n- 2", r"must be a mapping, got list"),
        ("", r"must be a mapping, got NoneType"),
        ("a: !!python/object:os.system x", r"could not determine a constructor"),
    ],
)
def test_what_is_no_mapping_is_refused_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        read(tmp_path, text + "\n")
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere.yaml: cannot be read \(No such file or directory\)"):
        read_yaml(tmp_path / "nowhere.yaml")
