"""The schema component: leaf rules and renderable configs."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from common.music_schema import CONFIG_LABELS, WEIGHTS, MusicConfig, MusicConfigPayload
from common.random_configs import random_config
from rewards.schema import NUM_RULES, leaf_rules, renderable_config, schema_score

RULES = 86  # payload 4; config 34 labels + keys + order; palettes 1 + 3 x (10 leaves + 5)
GONE = object()


def payload(seed: int = 0) -> dict[str, Any]:
    """A complete payload whose registers are 3 and 5, so that either can be swapped or broken."""
    config = random_config(random.Random(seed)).model_dump() | {"register_min_oct": 3, "register_max_oct": 5}
    colors = [{"hex": f"#0000{shade:02x}", "weight": WEIGHTS[5 - shade]} for shade in range(5)]
    return {
        "thinking": "slow and wide",
        "title": "Night Rain",
        "config": config,
        "palettes": [{"colors": copy.deepcopy(colors)} for _ in range(3)],
    }


def changed(path: tuple[str | int, ...], value: object) -> dict[str, Any]:
    """The complete payload with one value replaced, or taken out."""
    whole = payload()
    node: Any = whole
    for step in path[:-1]:
        node = node[step]
    if value is GONE:
        del node[path[-1]]
    else:
        node[path[-1]] = value
    return whole


def lost(candidate: object) -> list[str]:
    return [name for name, holds in leaf_rules(candidate) if not holds]


def accepted(candidate: object) -> bool:
    try:
        MusicConfigPayload.model_validate(candidate)
    except ValidationError:
        return False
    return True


def test_the_contract_has_86_leaf_rules() -> None:
    assert NUM_RULES == RULES
    assert len({name for name, _ in leaf_rules({})}) == RULES


@given(st.integers(0, 2**32))
def test_a_complete_payload_scores_exactly_one(seed: int) -> None:
    assert schema_score(payload(seed)) == 1.0
    assert schema_score(json.loads(json.dumps(payload(seed)))) == 1.0
    assert schema_score(MusicConfigPayload.model_validate(payload(seed)).model_dump()) == 1.0


@pytest.mark.parametrize(
    "blank",
    [
        {},
        None,
        [],
        "text",
        3,
        {"a": 1},
        {"config": {}},
        {"config": [], "palettes": {}, "title": 1, "thinking": None},
    ],
)
def test_a_blank_scores_next_to_nothing(blank: object) -> None:
    assert schema_score(blank) <= 1 / RULES
    assert schema_score({}) == 0.0


@pytest.mark.parametrize("name", list(CONFIG_LABELS))
@pytest.mark.parametrize("value", ["nonsense", None, 99, 2.5, [], {}, GONE])
def test_a_broken_config_field_loses_exactly_its_leaf(name: str, value: object) -> None:
    candidate = changed(("config", name), value)
    assert lost(candidate) == [f"config.{name}: one of its labels"]
    assert schema_score(candidate) == (RULES - 1) / RULES


@pytest.mark.parametrize(
    ("path", "value", "leaf"),
    [
        (("extra",), 1, "payload: no unknown keys"),
        (("thinking",), "x" * 1001, "thinking: at most 1000 characters"),
        (("thinking",), GONE, "thinking: at most 1000 characters"),
        (("thinking",), 5, "thinking: at most 1000 characters"),
        (("title",), "x" * 61, "title: 1 to 60 characters"),
        (("title",), "", "title: 1 to 60 characters"),
        (("title",), "half a pair \ud83c", "title: 1 to 60 characters"),
        (("title",), "one two three four five six seven", "title: at most 6 words"),
        (("config", "extra"), 1, "config: no unknown keys"),
        (("config", "register_min_oct"), 6, "config: registers in order"),
        (("config", "register_min_oct"), True, "config.register_min_oct: one of its labels"),
        (("config", "density"), 4.5, "config.density: one of its labels"),
        (("config", "depth"), 1, "config.depth: one of its labels"),
        (("palettes", 1, "extra"), 1, "palettes.1: no unknown keys"),
        (("palettes", 0, "colors", 4, "extra"), 1, "palettes.0: no unknown keys in its colours"),
        (("palettes", 2, "colors", 0, "hex"), "#12345", "palettes.2.0.hex: #rrggbb"),
        (("palettes", 2, "colors", 0, "hex"), "#123456\n", "palettes.2.0.hex: #rrggbb"),
        (("palettes", 2, "colors", 0, "hex"), GONE, "palettes.2.0.hex: #rrggbb"),
        (("palettes", 2, "colors", 0, "hex"), "#000001", "palettes.2: distinct colours"),
        (("palettes", 2, "colors", 3, "weight"), "huge", "palettes.2.3.weight: one of its labels"),
        (("palettes", 2, "colors", 3, "weight"), ["xs"], "palettes.2.3.weight: one of its labels"),
        (("palettes", 2, "colors", 3, "weight"), "xxl", "palettes.2: heaviest first"),
    ],
)
def test_a_near_miss_loses_exactly_its_leaf(path: tuple[str | int, ...], value: object, leaf: str) -> None:
    candidate = changed(path, value)
    assert lost(candidate) == [leaf]
    assert not accepted(candidate)


def test_colours_that_differ_in_case_alone_are_one_colour() -> None:
    candidate = changed(("palettes", 0, "colors", 0, "hex"), "#aaaaaa")
    candidate["palettes"][0]["colors"][1]["hex"] = "#AAAAAA"
    assert lost(candidate) == ["palettes.0: distinct colours"]


def test_a_missing_colour_loses_its_two_leaves_and_the_count() -> None:
    candidate = changed(("palettes", 0, "colors", 4), GONE)
    assert lost(candidate) == [
        "palettes.0: five colours",
        "palettes.0.4.hex: #rrggbb",
        "palettes.0.4.weight: one of its labels",
    ]


def test_a_missing_palette_loses_its_leaves_and_the_count() -> None:
    # 15 leaves of one palette and the rule that there are three
    assert len(lost(changed(("palettes", 2), GONE))) == 16


def test_a_fourth_palette_or_a_sixth_colour_loses_the_count_alone() -> None:
    whole = payload()
    assert lost(changed(("palettes",), [*whole["palettes"], whole["palettes"][0]])) == ["palettes: three"]
    colors = whole["palettes"][0]["colors"]
    assert lost(changed(("palettes", 0, "colors"), [*colors, {"hex": "#ffffff", "weight": "xs"}])) == [
        "palettes.0: five colours"
    ]


PATHS = st.sampled_from(
    [
        ("thinking",),
        ("title",),
        ("config",),
        ("palettes",),
        ("config", "tempo"),
        ("config", "density"),
        ("config", "register_max_oct"),
        ("config", "surprise"),
        ("palettes", 0),
        ("palettes", 1, "colors"),
        ("palettes", 1, "colors", 2),
        ("palettes", 1, "colors", 2, "hex"),
        ("palettes", 1, "colors", 2, "weight"),
        ("palettes", 1, "surprise"),
    ]
)
VALUES = st.sampled_from(
    [GONE, None, 1, 3, 8.0, True, "", "slow", "xl", "#00FF00", "\ud800", [], [1], {}, {"a": 1}, float("nan")]
)


@given(st.lists(st.tuples(PATHS, VALUES), max_size=3))
def test_all_rules_hold_exactly_when_the_contract_accepts(
    changes: list[tuple[tuple[str | int, ...], Any]],
) -> None:
    candidate = payload()
    for path, value in changes:
        node: Any = candidate
        try:
            for step in path[:-1]:
                node = node[step]
            if value is GONE:
                del node[path[-1]]
            else:
                node[path[-1]] = value
        except (KeyError, IndexError, TypeError):  # an earlier change took the place away
            continue
    assert (schema_score(candidate) == 1.0) == accepted(candidate)


def test_a_config_is_renderable_only_as_a_valid_music_config() -> None:
    whole = payload()
    assert renderable_config(whole) == MusicConfig.model_validate(whole["config"])
    assert renderable_config({"config": whole["config"]}) is not None  # the other parts do not sound
    for broken in (None, {}, {"config": None}, whole["config"], changed(("config", "tempo"), "andante")):
        assert renderable_config(broken) is None
    assert renderable_config(changed(("config", "register_min_oct"), 6)) is None
    assert renderable_config(changed(("config", "extra"), 1)) is None
