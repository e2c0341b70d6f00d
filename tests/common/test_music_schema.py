from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from common.music_schema import (
    CONFIG_LABELS,
    MusicConfig,
    MusicConfigPayload,
    Palette,
    canonical_json,
    config_hash,
)
from common.random_configs import random_config

CONTRACT = Path(__file__).parents[3] / "shared" / "music-config.schema.json"


def palette(*shades: str) -> dict[str, Any]:
    weights = ("xxl", "xl", "lg", "md", "sm")
    return {"colors": [{"hex": shade, "weight": w} for shade, w in zip(shades, weights, strict=True)]}


FIVE = ("#000000", "#111111", "#222222", "#333333", "#444444")


def payload(**changes: Any) -> dict[str, Any]:
    config = random_config(random.Random(0)).model_dump()
    return {"thinking": "", "title": "Night", "config": config, "palettes": [palette(*FIVE)] * 3} | changes


def without_titles(node: Any) -> Any:
    """A JSON schema without the titles and descriptions that pydantic adds, its config part renamed."""
    if isinstance(node, dict):
        dropped = {"title", "description", "$comment"}
        return {key: without_titles(value) for key, value in node.items() if key not in dropped}
    if isinstance(node, list):
        return [without_titles(item) for item in node]
    return "#/$defs/MusicConfigPrompt" if node == "#/$defs/MusicConfig" else node


def test_the_config_has_34_fields_and_183_labels() -> None:
    assert len(CONFIG_LABELS) == 34
    assert sum(len(labels) for labels in CONFIG_LABELS.values()) == 183
    assert CONFIG_LABELS["depth"] == (False, True)
    assert CONFIG_LABELS["register_min_oct"] == (1, 2, 3, 4, 5, 6, 7, 8)


@pytest.mark.skipif(not CONTRACT.is_file(), reason="the contract's file is not beside this checkout")
def test_the_models_agree_with_the_contract_field_by_field_and_label_by_label() -> None:
    contract = json.loads(CONTRACT.read_text())
    ours = MusicConfigPayload.model_json_schema()
    for schema in (contract, ours):
        # "title" is also a property of the payload, so it is compared before titles are dropped.
        title = schema["properties"].pop("title")
        assert {k: title[k] for k in ("type", "minLength", "maxLength")} == {
            "type": "string",
            "minLength": 1,
            "maxLength": 60,
        }
    ours["$defs"]["MusicConfigPrompt"] = ours["$defs"].pop("MusicConfig")
    assert without_titles(ours) == without_titles(contract)
    assert list(ours["$defs"]["MusicConfigPrompt"]["properties"]) == list(
        contract["$defs"]["MusicConfigPrompt"]["properties"]
    )


def test_a_whole_payload_is_accepted_and_survives_json() -> None:
    first = MusicConfigPayload.model_validate(payload())
    assert MusicConfigPayload.model_validate_json(first.model_dump_json()) == first


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"title": ""}, "at least 1 character"),
        ({"title": "one two three four five six seven"}, "title must have <= 6 words"),
        ({"title": "x" * 61}, "at most 60 characters"),
        ({"thinking": "x" * 1001}, "at most 1000 characters"),
        ({"palettes": [palette(*FIVE)] * 2}, "at least 3 items"),
        ({"palettes": [palette(*FIVE)] * 4}, "at most 3 items"),
        ({"mood": "blue"}, "Extra inputs are not permitted"),
        ({"palettes": [palette("#00000", *FIVE[1:])] * 3}, "should match pattern"),
    ],
)
def test_a_payload_that_breaks_a_rule_is_refused(changes: dict[str, Any], rule: str) -> None:
    with pytest.raises(ValidationError, match=rule):
        MusicConfigPayload.model_validate(payload(**changes))


@pytest.mark.parametrize(
    ("field", "value"),
    [("tempo", "allegro"), ("density", "4"), ("density", 7), ("depth", 1), ("register_min_oct", 4.0)],
)
def test_a_label_outside_the_contract_is_refused(field: str, value: object) -> None:
    config = random_config(random.Random(1)).model_dump()
    with pytest.raises(ValidationError, match=field):
        MusicConfig.model_validate(config | {field: value})


def test_registers_out_of_order_are_refused() -> None:
    config = random_config(random.Random(2)).model_dump()
    with pytest.raises(ValidationError, match=r"register_min_oct must be <= register_max_oct, got 5 > 3"):
        MusicConfig.model_validate(config | {"register_min_oct": 5, "register_max_oct": 3})


def test_colours_that_repeat_or_are_out_of_order_are_refused() -> None:
    with pytest.raises(ValidationError, match="must be distinct"):
        Palette.model_validate(palette(*FIVE[:4], FIVE[0]))
    swapped = palette(*FIVE)["colors"]
    swapped[0], swapped[4] = swapped[4], swapped[0]
    with pytest.raises(ValidationError, match="ordered by weight, xxl first"):
        Palette.model_validate({"colors": swapped})


def test_the_hash_depends_on_labels_and_not_on_their_order() -> None:
    config = random_config(random.Random(3))
    reordered = MusicConfig.model_validate(dict(reversed(config.model_dump().items())))
    assert canonical_json(config) == canonical_json(reordered)
    assert config_hash(config) == config_hash(reordered)
    other = config.model_dump() | {"depth": not config.depth}
    assert config_hash(MusicConfig.model_validate(other)) != config_hash(config)


def test_random_configs_are_valid_and_seeded() -> None:
    first = [random_config(random.Random(7)) for _ in range(2)]
    assert first[0] == first[1]
    drawn = [random_config(rng) for rng in [random.Random(8)] for _ in range(300)]
    for name, labels in CONFIG_LABELS.items():
        if not name.startswith("register"):
            assert {getattr(config, name) for config in drawn} == set(labels), name
