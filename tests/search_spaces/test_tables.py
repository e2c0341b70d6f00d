"""The tables are the guide's, and a user's rows stand beside them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from common.errors import UserError
from common.training_config import BASE_MODELS, TrainingConfig, apply_overrides
from search_spaces.axes import GridAxis, RangeAxis
from search_spaces.axis_spelling import parse_axis
from search_spaces.settings import LEAF_DEFAULTS
from search_spaces.tables import TABLE, SpaceRow, row, rows_with

GUIDE = Path(__file__).parents[2].parent / "shared" / "ablation-guide.md"
RANGES = [entry for entry in TABLE if entry.low is not None and entry.path != "seed"]
SUMMARY = [
    "system_prompt", "prompts.config_generation", "prompts.vibe_extraction", "base_model",
    "lora.target_modules", "lora.bias", "optimizer.lr_scheduler", "batch.gradient_accumulation_steps",
    "epochs", "seed", "grpo.temperature", "grpo.top_p", "grpo.top_k", "grpo.max_completion_length",
    "grpo.reward.reward_type", "grpo.reward.clap.model", "grpo.scale_rewards", "grpo.loss_type",
    "grpo.multi_objective_aggregation",
]  # fmt: skip


def guide_rows() -> list[tuple[str, str, str, str, str]]:
    """(priority, path, default, range, impact) of the guide's High, Medium and Lower tables."""
    found: list[tuple[str, str, str, str, str]] = []
    for priority, body in re.findall(
        r"### (High|Medium|Lower) Priority.*?\n(.*?)(?=\n#)", GUIDE.read_text(), re.S
    ):
        for line in re.findall(r"^\| `.*$", body, re.M):
            path, default, span, impact = (cell.strip() for cell in line.strip("|").split("|"))
            found.append((priority.lower(), path.strip("`"), default, span, impact))
    return found


@pytest.mark.skipif(not GUIDE.is_file(), reason="the guide is not beside this checkout")
def test_the_first_rows_are_the_guides_tables_word_for_word() -> None:
    expected = guide_rows()
    assert len(expected) == 15
    for (priority, path, default, span, impact), entry in zip(expected, TABLE, strict=False):
        assert (entry.path, entry.priority, entry.impact) == (path, priority, impact)
        if path == "base_model":
            assert (default, span) == (entry.default, "see registry")
            assert entry.choices == tuple(BASE_MODELS)
            continue
        ends = re.fullmatch(r"([\d.]+(?:e-\d+)?)-([\d.]+(?:e-\d+)?)", span)
        assert ends is not None
        low, high = ends.groups()
        assert (entry.default, entry.low, entry.high) == (float(default), float(low), float(high))


def test_the_summarys_settings_are_listed_as_further() -> None:
    for path in SUMMARY:
        assert row(path).priority == ("lower" if path == "base_model" else "further")


def test_scales_and_kinds_fit_the_settings() -> None:
    shapes = {entry.path: (entry.kind, entry.scale) for entry in TABLE}
    assert shapes["optimizer.learning_rate"] == shapes["grpo.beta"] == ("float", "log")
    assert shapes["lora.r"] == shapes["batch.batch_size"] == ("int", "power_of_two")
    assert shapes["grpo.num_generations"] == ("int", "linear")
    assert shapes["noise.error_rate"] == ("float", "linear")
    assert shapes["base_model"] == ("choice", None)
    assert shapes["system_prompt"] == ("text", None)


def test_every_default_is_training_configs_and_inside_its_range() -> None:
    for entry in TABLE:
        if entry.path != "system_prompt":
            assert entry.default == LEAF_DEFAULTS[entry.path]
        if entry.low is not None and entry.high is not None:
            assert entry.low <= entry.default <= entry.high
        if entry.choices is not None:
            assert entry.default in [list(c) if isinstance(c, tuple) else c for c in entry.choices]


def test_a_path_has_one_row() -> None:
    assert len({entry.path for entry in TABLE}) == len(TABLE)


@pytest.mark.parametrize("entry", RANGES, ids=lambda entry: entry.path)
def test_both_ends_of_every_range_are_reached_and_accepted(entry: SpaceRow) -> None:
    assert entry.low is not None
    assert entry.high is not None
    axis = parse_axis(entry.path, {"guide": 2})
    assert isinstance(axis, RangeAxis)
    assert axis.grid_values() == (entry.low, entry.high)
    assert (axis.from_unit((0.0,)), axis.from_unit((1.0,))) == (entry.low, entry.high)
    for end in axis.grid_values():
        config = apply_overrides(TrainingConfig(), {entry.path: end})
        assert config.off_policy_depth >= 1


@given(entry=st.sampled_from(RANGES), u=st.floats(0, 1))
def test_every_draw_lies_in_its_range(entry: SpaceRow, u: float) -> None:
    axis = parse_axis(entry.path, "guide")
    assert isinstance(axis, RangeAxis)
    value = axis.from_unit((u,))
    assert entry.low is not None
    assert entry.high is not None
    assert entry.low <= value <= entry.high
    assert isinstance(value, int if entry.kind == "int" else float)
    if entry.scale == "power_of_two":
        assert bin(int(value)).count("1") == 1


@given(batch=st.integers(4, 32), generations=st.integers(2, 8), accumulation=st.sampled_from([1, 2, 4, 8]))
def test_every_batch_and_group_size_trains_as_it_is(batch: int, generations: int, accumulation: int) -> None:
    overrides = {
        "batch.batch_size": batch,
        "grpo.num_generations": generations,
        "batch.gradient_accumulation_steps": accumulation,
    }
    config = apply_overrides(TrainingConfig(), overrides)
    assert (config.batch.batch_size, config.grpo.num_generations) == (batch, generations)
    # Whole groups in one batch of rollouts, whole optimizer steps on it.
    assert batch * config.steps_per_generation % generations == 0
    assert config.steps_per_generation == config.off_policy_depth * accumulation


def test_an_unknown_row_says_what_was_meant() -> None:
    with pytest.raises(UserError, match=r"got 'lora.rank'; did you mean lora\.r\?"):
        row("lora.rank")
    with pytest.raises(UserError, match=r"got 'learning_rate'; did you mean optimizer\.learning_rate\?"):
        row("learning_rate")
    with pytest.raises(UserError, match=r"got 'zzz'; see `vibesweep space list`"):
        row("zzz")


def test_a_users_row_goes_before_ours_and_ours_stay() -> None:
    own = SpaceRow(path="grpo.beta", kind="float", low=0, high=1)
    assert row("grpo.beta", [own]) == own
    assert (own.scale, own.default, own.priority) == ("linear", 0.04, "user")
    assert rows_with([own])[0] == own
    assert row("grpo.beta").high == 0.16


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"path": "lora.rank", "kind": "int", "low": 1, "high": 2}, r"lora.rank: must be a setting"),
        (
            {"path": "lora.r", "kind": "int"},
            r"low and high must be given exactly for the kinds float and int",
        ),
        ({"path": "lora.r", "kind": "int", "low": 4, "high": 4}, r"low < high, got \[4, 4\]"),
        (
            {"path": "lora.r", "kind": "int", "low": 3, "high": 8, "scale": "power_of_two"},
            r"between powers of",
        ),
        ({"path": "lora.bias", "kind": "choice"}, r"choices must be given exactly for the kind choice"),
        ({"path": "lora.bias", "kind": "text", "low": 0, "high": 1}, r"low and high must be given exactly"),
    ],
)
def test_a_row_that_makes_no_sense_is_refused(content: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        SpaceRow.model_validate(content)


def test_a_row_of_choices_is_a_list_and_one_of_text_no_axis() -> None:
    assert parse_axis("grpo.loss_type", "guide") == GridAxis(grid=("grpo", "bnpo", "dr_grpo", "dapo"))
    with pytest.raises(ValueError, match=r"has choices, got {guide: 3}; write guide"):
        parse_axis("grpo.loss_type", {"guide": 3})
    with pytest.raises(ValueError, match=r"is text without a range, got guide; list the values to try"):
        parse_axis("system_prompt", "guide")
