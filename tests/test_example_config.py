"""The README's example config is a whole payload, and the one that its text says."""

from __future__ import annotations

import json

from common.music_schema import MusicConfigPayload
from common.training_config import PROJECT_ROOT, TrainingConfig


def test_the_settings_for_a_small_machine_are_a_training_config() -> None:
    text = (PROJECT_ROOT / "examples" / "gemma_270m_cpu.json").read_text()
    config = TrainingConfig.model_validate_json(text)
    assert (config.batch.batch_size, config.steps_per_generation) == (2, 1)
    assert "{" not in config.system_prompt  # without the schema


def test_the_example_config_keeps_the_contract() -> None:
    text = (PROJECT_ROOT / "docs" / "example_config.json").read_text()
    assert MusicConfigPayload.model_validate_json(text).title == "working garage"
    row = json.loads((PROJECT_ROOT / "tiny/data/sft_sample.jsonl").read_text().splitlines()[0])
    assert row["vibe_original"] == "music for working in the garage"
    assert json.loads(text) == json.loads(row["config_payload"])
