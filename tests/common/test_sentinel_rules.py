"""By how much a configuration misses each rule, and that the words say the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.sentinel_rules import broken_margin, broken_rules, broken_variety, configuration_misses
from common.sentinels import SentinelConfig, SentinelRow, sentinels_of

RULES = SentinelConfig()


def row(vibe: int, margin: float, *, flatness: float = 0.1, config: int | None = None) -> SentinelRow:
    name = vibe if config is None else config
    return SentinelRow(f"vibe {vibe}", 0.5 + margin, 0.5, -20.0, 0.0, flatness, CONFIGS[name % len(CONFIGS)])


def _configs() -> list[str]:
    import random  # noqa: PLC0415

    from common.music_schema import canonical_json  # noqa: PLC0415
    from common.random_configs import random_config  # noqa: PLC0415

    return [canonical_json(random_config(random.Random(number))) for number in range(20)]


CONFIGS = _configs()


def test_each_rule_is_missed_by_its_distance_to_the_threshold() -> None:
    # Margins of +-0.25 about 0: standard deviation 0.25 * sqrt(16 / 15), an error of a fourth of that.
    rows = [
        row(vibe, 0.25 * (-1) ** vibe, flatness=0.6 if vibe < 4 else 0.1, config=vibe % 2)
        for vibe in range(16)
    ]
    assert configuration_misses([rows], RULES) == {
        "vibe_margin": pytest.approx(0.25 * (16 / 15) ** 0.5 / 4),
        "distinct_share": pytest.approx(0.25 - 2 / 16),
        "silent_share": pytest.approx(-0.05),
        "clipped_share": pytest.approx(-0.05),
        "noise_share": pytest.approx(4 / 16 - 0.05),
    }


def test_the_margin_is_over_all_seeds_and_the_worst_seed_counts_for_the_rest() -> None:
    good = [row(vibe, 0.3 + 0.01 * (vibe % 2)) for vibe in range(16)]
    bad = [row(vibe, -0.1 + 0.01 * (vibe % 2), flatness=0.6) for vibe in range(16)]
    found = configuration_misses([good, bad], RULES)
    # By vibe the two make 0.1 or 0.11.
    assert found["vibe_margin"] == pytest.approx(-0.105 + 0.005 * (16 / 15) ** 0.5 / 4)
    assert found["noise_share"] == pytest.approx(0.95)


def test_a_margin_that_is_exactly_the_noise_is_missed() -> None:
    # Every margin is 0, and so is its error: not above the noise.
    rows = [row(vibe, 0.0) for vibe in range(16)]
    assert configuration_misses([rows], RULES)["vibe_margin"] > 0
    assert len(broken_margin(sentinels_of(rows, RULES), RULES)) == 1


def test_what_is_not_judged_is_just_kept_and_what_is_off_is_no_constraint() -> None:
    few = [row(vibe, -1.0, flatness=0.9) for vibe in range(11)]
    names = {"vibe_margin", "distinct_share", "silent_share", "clipped_share", "noise_share"}
    assert configuration_misses([few], RULES) == dict.fromkeys(names, 0.0)
    assert configuration_misses([], RULES) == dict.fromkeys(names, 0.0)
    some = SentinelConfig(vibe_margin_errors=None, max_bad_sound_share=None)
    assert configuration_misses([few], some) == {"distinct_share": 0.0}


a_row = st.builds(
    lambda vibe, margin, flatness, config: row(vibe, margin, flatness=flatness, config=config),
    st.integers(0, 15),
    st.sampled_from([-0.25, 0.0, 0.25, 0.5]),
    st.sampled_from([0.1, 0.6]),
    st.integers(0, 3),
)


@given(seeds=st.lists(st.lists(a_row, min_size=8, max_size=24), min_size=1, max_size=3))
def test_a_rule_is_missed_exactly_where_the_ranking_says_that_it_is_broken(
    seeds: list[list[SentinelRow]],
) -> None:
    misses = configuration_misses(seeds, RULES)
    pooled = sentinels_of([one for rows in seeds for one in rows], RULES)
    by_seed = [sentinels_of(rows, RULES) for rows in seeds]
    assert (misses["vibe_margin"] > 0) is bool(broken_margin(pooled, RULES))
    others = {name: miss for name, miss in misses.items() if name != "vibe_margin"}
    worst = {name for name, miss in others.items() if miss > 0}
    assert len(worst) == len(
        {phrase.split("%")[1] for one in by_seed for phrase in broken_variety(one, RULES)}
    )
    if len(seeds) == 1:
        assert len(broken_rules(pooled, RULES)) == sum(miss > 0 for miss in misses.values())
