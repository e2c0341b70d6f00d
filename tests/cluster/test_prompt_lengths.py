"""Token counts of the training prompts, as a trial's own check has them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from cluster.prompt_lengths import PromptLengths
from common.errors import UserError
from common.training_config import TrainingConfig, apply_overrides
from trainables.chat import PromptFormat
from trainables.data import data_path, load_rows
from trainables.noise import add_noise
from trainables.policy import load_policy

if TYPE_CHECKING:
    from pathlib import Path

TINY = apply_overrides(TrainingConfig(), {"base_model": "tiny", "seed": 3})


def test_lengths_are_those_that_the_trial_checks() -> None:
    path = data_path("tiny", "train")
    found = PromptLengths(path)(TINY)
    form = PromptFormat.of(load_policy("tiny").tokenizer, TINY.system_prompt)
    rows = add_noise(load_rows(path, TINY.data), TINY.noise, 3)
    assert list(found.lengths) == [len(form.token_ids(row.prompt)) for row in rows]
    assert (found.context, found.is_known) == (8192, True)


def test_the_seed_moves_the_noise_and_so_the_lengths() -> None:
    lengths = PromptLengths(data_path("tiny", "train"))
    assert lengths(TINY) != lengths(TINY.model_copy(update={"seed": 4}))
    assert lengths(TINY) == lengths(TINY)


def test_an_adapter_has_its_bases_tokenizer(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "tiny"}))
    lengths = PromptLengths(data_path("tiny", "train"))
    adapter = apply_overrides(TINY, {"base_model": str(tmp_path)})
    assert lengths(adapter) == lengths(TINY)


def test_a_tokenizer_that_is_not_here_is_not_fetched(tmp_path: Path) -> None:
    path = tmp_path / "vibes.jsonl"
    path.write_text('{"vibe_noisy": "rain"}\n{"vibe_noisy": "neon"}\n')
    found = PromptLengths(path)(apply_overrides(TINY, {"base_model": "nobody/has-this-model"}))
    assert found == ((0, 0), None, False)


def test_rows_without_the_prompt_field_are_refused() -> None:
    config = apply_overrides(TINY, {"data.prompt_field": "nowhere"})
    with pytest.raises(UserError, match=r"line 1: field 'nowhere' must be a non-empty text"):
        PromptLengths(data_path("tiny", "train"))(config)
