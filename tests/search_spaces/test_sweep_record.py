"""What makes two sweeps the same."""

from __future__ import annotations

from typing import Any

import pytest

from search_spaces.sweep_file import SweepFile
from search_spaces.sweep_record import fingerprint

DATA = {"train": "a" * 64, "held_out": "b" * 64}


def of(hashes: dict[str, str] = DATA, **content: Any) -> str:
    return fingerprint(SweepFile.model_validate({"name": "x", "space": {"lora.r": [1, 2]}} | content), hashes)


@pytest.mark.parametrize(
    "content",
    [
        {"resources": {"scorers": 4}},
        {"storage": "/elsewhere"},
        {"data": {"train": "/another/place.jsonl"}},
        {"base": {"infra.max_retries": 0}},
        {"space": {"lora.r": {"grid": [1, 2]}}},
    ],
)
def test_where_and_on_what_a_sweep_runs_does_not_make_it_another(content: dict[str, Any]) -> None:
    assert of(**content) == of()


@pytest.mark.parametrize(
    "content",
    [
        {"base": {"grpo.beta": 0.1}},
        {"space": {"lora.r": [2, 1]}},
        {"seeds": [1]},
        {"objective": {"num_vibes": 3}},
        {"name": "y"},
        {"hashes": DATA | {"held_out": "c" * 64}},
    ],
)
def test_what_is_searched_and_the_content_of_the_data_do(content: dict[str, Any]) -> None:
    assert of(**content) != of()
