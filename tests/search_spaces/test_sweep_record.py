"""What makes two sweeps the same."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from search_spaces.sweep_file import SweepFile
from search_spaces.sweep_record import SweepRecord, fingerprint

if TYPE_CHECKING:
    from pathlib import Path

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
        {"budget": {"hours": 3}},
        {"objective": {"sentinels": {"min_distinct_share": 0.5}}},
        {"objective": {"greedy": True, "constrained": True}},
        {"rows": {"grpo.beta": {"kind": "float", "low": 0, "high": 1}}},
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
        {"objective": {"sentinels": {"stop": True}}},
        {"name": "y"},
        {"derived": {"lora.alpha": "lora.r"}},
        {"constraints": ["lora.r < 9"]},
        {"scheduler": {"type": "asha", "eval_steps": 2}},
        {"search": {"mode": "random", "trials": 2}},
        {"search": {"design": "one_at_a_time"}},
        {"hashes": DATA | {"held_out": "c" * 64}},
    ],
)
def test_what_is_searched_and_the_content_of_the_data_do(content: dict[str, Any]) -> None:
    assert of(**content) != of()


@pytest.mark.parametrize("mode", ["random", "optuna", "mixed"])
def test_a_sweep_may_be_extended_with_more_trials(mode: str) -> None:
    space = {"lora.r": [1, 2], "grpo.beta": "guide"}
    few = of(space=space, search={"mode": mode, "trials": 4})
    assert of(space=space, search={"mode": mode, "trials": 8}) == few
    assert of(space=space, search={"mode": mode, "trials": 4, "seed": 1}) != few


def test_a_population_may_not_grow() -> None:
    content: dict[str, Any] = {
        "space": {"grpo.beta": "guide"},
        "scheduler": {"type": "pbt", "eval_steps": 2},
    }
    four = of(**content, search={"mode": "random", "trials": 4})
    assert of(**content, search={"mode": "random", "trials": 5}) != four


def test_a_mirror_does_not_make_another_sweep() -> None:
    search = {"mode": "optuna", "trials": 4}
    assert of(search=search | {"mirror": "sqlite:////x.db"}) == of(search=search)


def test_a_record_that_noted_a_sampler_for_a_grid_is_read(tmp_path: Path) -> None:
    record = SweepRecord(
        sweep=SweepFile(name="old"), data_sha256={}, versions={}, git_revision=None, fingerprint=""
    )
    content = record.model_dump(mode="json")
    content["sweep"]["search"] |= {"mode": "grid", "sampler": "tpe"}
    (tmp_path / "sweep.json").write_text(json.dumps(content))
    read = SweepRecord.read(tmp_path)
    assert read is not None
    assert read.sweep.search.sampler is None
