"""Sentinels of one evaluation: exact values, and what breaks a rule."""

from __future__ import annotations

import math
import random
from dataclasses import fields
from typing import Any, cast

import pytest

from common.ledger import LedgerRow
from common.music_schema import CONFIG_LABELS, MusicConfig, canonical_json
from common.random_configs import random_config
from common.sentinel_rules import broken_rules
from common.sentinels import SentinelConfig, SentinelRow, gains_of, sentinels_of

RULES = SentinelConfig()


def config(seed: int) -> str:
    return canonical_json(random_config(random.Random(seed)))


def row(
    vibe: int,
    *,
    margin: float = 0.2,
    level_db: float = -20.0,
    clipped: float = 0.0,
    flatness: float = 0.01,
    music_config: str | None = None,
) -> SentinelRow:
    return SentinelRow(
        f"vibe-{vibe}", 0.3 + margin, 0.3, level_db, clipped, flatness, music_config or config(vibe)
    )


def changed(row: SentinelRow, name: str, value: float) -> SentinelRow:
    return SentinelRow(**(row._asdict() | {name: value}))


def honest(number: int = 20) -> list[SentinelRow]:
    return [row(vibe, margin=0.1 + 0.01 * (vibe % 3)) for vibe in range(number)]


def test_an_honest_evaluation_breaks_no_rule() -> None:
    assert broken_rules(sentinels_of(honest(), RULES), RULES) == ()


def test_the_margin_is_averaged_by_vibe_with_its_standard_error() -> None:
    rows = [row(0, margin=0.1), row(0, margin=0.3), row(1, margin=0.4), row(2, margin=0.6)]
    found = sentinels_of(rows, RULES)
    # By vibe 0.2, 0.4 and 0.6: mean 0.4, standard deviation 0.2.
    assert found.vibe_margin == pytest.approx(0.4)
    assert found.vibe_margin_error == pytest.approx(0.2 / math.sqrt(3))


def test_the_order_of_the_rows_changes_nothing() -> None:
    rows = [row(vibe, margin=math.sin(vibe)) for vibe in range(30)]
    assert sentinels_of(reversed(rows), RULES) == sentinels_of(rows, RULES)


def test_one_config_for_every_vibe_is_caught_twice() -> None:
    # Whatever it scores, over all vibes it fits the others as well as its own: margins that sum to 0.
    margins = [0.1 * math.cos(2 * math.pi * vibe / 20) for vibe in range(20)]
    rows = [row(vibe, margin=margin, music_config=config(0)) for vibe, margin in enumerate(margins)]
    found = sentinels_of(rows, RULES)
    assert found.vibe_margin == pytest.approx(0, abs=1e-12)
    assert found.distinct_share == 1 / 20
    assert set(found.field_entropy.values()) == {0}
    margin, distinct = broken_rules(found, RULES)
    assert "fits its own vibe no better than others" in margin
    assert distinct == "only 5% of its configs are distinct"


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (("level_db", -61.0), "10% of its clips are silent"),
        (("clipped", 0.02), "10% of its clips are clipped"),
        (("flatness", 0.6), "10% of its clips are noise"),
    ],
)
def test_bad_sound_is_caught(bad: tuple[str, float], reason: str) -> None:
    name, value = bad
    rows = honest(20)
    one = [changed(rows[0], name, value), *rows[1:]]
    # 1 of 20 is just not too many.
    assert broken_rules(sentinels_of(one, RULES), RULES) == ()
    two = [one[0], changed(rows[1], name, value), *rows[2:]]
    assert broken_rules(sentinels_of(two, RULES), RULES) == (reason,)


def test_every_rule_can_be_switched_off() -> None:
    off = SentinelConfig(vibe_margin_errors=None, min_distinct_share=None, max_bad_sound_share=None)
    rows = [row(vibe, margin=0.0, level_db=-90.0, music_config=config(0)) for vibe in range(20)]
    assert len(broken_rules(sentinels_of(rows, RULES), RULES)) == 3
    assert broken_rules(sentinels_of(rows, off), off) == ()


def test_too_few_clips_are_not_judged() -> None:
    rows = [row(vibe, level_db=-90.0, music_config=config(0)) for vibe in range(11)]
    assert broken_rules(sentinels_of(rows, RULES), RULES) == ()


def test_what_nothing_was_heard_of_has_no_sentinels() -> None:
    nothing = SentinelRow("vibe", None, None, None, None, None, None)
    found = sentinels_of([nothing] * 40, RULES)
    assert found.num_heard == 0
    assert set(found[1:-1]) == {None}
    assert found.field_entropy == {}
    assert found.mean_entropy is None
    assert broken_rules(found, RULES) == ()


def test_the_second_checkpoint_is_averaged_and_compared_with_the_scorer() -> None:
    # The scorer hears 0.4, 0.5, 0.6 and the second 0.1, 0.3, 0.2: deviations (-1, 0, 1) and (-1, 1, 0).
    rows = [
        row(vibe, margin=0.1 * (vibe + 1))._replace(eval_clap_similarity=second)
        for vibe, second in enumerate((0.1, 0.3, 0.2))
    ]
    found = sentinels_of([*rows, row(9)], RULES)
    assert found.eval_clap_similarity == pytest.approx(0.2)
    assert found.eval_clap_correlation == pytest.approx(1 / 2)
    alike = [one._replace(eval_clap_similarity=0.3) for one in rows]
    assert sentinels_of(alike, RULES).eval_clap_correlation is None
    assert sentinels_of([row(0)], RULES).eval_clap_similarity is None


def ledger_row(vibe: int, clap: float | None, eval_clap: float | None) -> LedgerRow:
    values = dict.fromkeys((field.name for field in fields(LedgerRow)), None) | {
        "prompt_id": f"vibe-{vibe}",
        "sample": 0,
        "similarity": clap,
        "eval_clap_similarity": eval_clap,
    }
    return LedgerRow(**cast("Any", values))


def test_gains_are_paired_over_what_both_heard_both_times() -> None:
    before = [
        ledger_row(0, 0.1, 0.2),
        ledger_row(1, 0.2, 0.2),
        ledger_row(2, None, None),
        ledger_row(3, 0, 0),
    ]
    after = [
        ledger_row(1, 0.6, 0.1),
        ledger_row(0, 0.3, 0.2),
        ledger_row(2, 0.9, 0.9),
        ledger_row(3, 0.9, None),
    ]
    # Vibes 0 and 1: the scorer hears 0.2 and 0.4 more, the second checkpoint 0 and 0.1 less.
    gains = gains_of(before, after)
    assert gains == pytest.approx((0.3, -0.05))
    assert gains_of(reversed(before), reversed(after)) == gains
    assert gains_of([], after) is None


def test_entropy_is_a_share_of_what_labels_and_configs_allow() -> None:
    first = random_config(random.Random(0)).model_dump() | {"depth": True, "grain": "clean"}
    second = first | {"depth": False}
    rows = [row(vibe) for vibe in range(4)]
    texts = [_canonical(one) for one in (first, first, first, second)]
    found = sentinels_of(
        [one._replace(music_config=text) for one, text in zip(rows, texts, strict=True)], RULES
    )
    # Shares 3/4 and 1/4 of two labels.
    expected = -(0.75 * math.log2(0.75) + 0.25 * math.log2(0.25))
    assert found.field_entropy["depth"] == pytest.approx(expected)
    assert found.field_entropy["grain"] == 0
    assert found.field_entropy.keys() == CONFIG_LABELS.keys()
    assert found.mean_entropy == pytest.approx(expected / len(CONFIG_LABELS))


def _canonical(labels: dict[str, object]) -> str:
    return canonical_json(MusicConfig.model_validate(labels))
