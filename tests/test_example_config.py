"""The README's example config is a whole payload, and the one that its text says."""

from __future__ import annotations

import json

from common.music_schema import MusicConfigPayload
from common.training_config import PROJECT_ROOT


def test_the_example_config_keeps_the_contract() -> None:
    text = (PROJECT_ROOT / "docs" / "example_config.json").read_text()
    assert MusicConfigPayload.model_validate_json(text).title == "working garage"
    row = json.loads((PROJECT_ROOT / "tiny/data/sft_sample.jsonl").read_text().splitlines()[0])
    assert row["vibe_original"] == "music for working in the garage"
    assert json.loads(text) == json.loads(row["config_payload"])
