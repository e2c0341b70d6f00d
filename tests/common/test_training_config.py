from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from common.errors import UserError
from common.prompt_registry import PromptVersion, get_prompt, list_prompts, register_prompt
from common.reward_config import RewardConfig, RewardWeights
from common.training_config import (
    ABLATION_PRESETS,
    BASE_MODELS,
    PRESET_PATHS,
    PROJECT_ROOT,
    BatchConfig,
    GRPOConfig,
    LoRAConfig,
    TrainingConfig,
    apply_overrides,
    config_difference,
    flatten,
    preset,
    resolve_model,
)

if TYPE_CHECKING:
    from pathlib import Path

DEFAULT = TrainingConfig()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("grpo.beta", 0.04),
        ("grpo.reward.weights.format_weight", 0.2),
        ("grpo.reward.weights.schema_weight", 0.3),
        ("grpo.reward.weights.audio_weight", 0.5),
        ("noise.error_rate", 0.15),
        ("lora.r", 16),
        ("optimizer.learning_rate", 2e-4),
        ("optimizer.warmup_ratio", 0.06),
        ("optimizer.weight_decay", 0.01),
        ("grpo.num_generations", 4),
        ("batch.batch_size", 16),
        ("data.max_seq_length", 4096),
        ("lora.alpha", 16),
        ("lora.dropout", 0.0),
        ("base_model", "gemma3-270m"),
    ],
)
def test_the_defaults_are_the_guides(path: str, value: object) -> None:
    assert flatten(DEFAULT.model_dump())[path] == value


def test_the_presets_are_the_guides_and_vary_one_field_each() -> None:
    assert {group: list(members) for group, members in ABLATION_PRESETS.items()} == {
        "lora_rank": ["r4", "r8", "r16", "r32", "r64"],
        "learning_rate": ["lr1e-05", "lr5e-05", "lr0.0001", "lr0.0002", "lr0.0005"],
        "grpo_beta": ["beta0.01", "beta0.02", "beta0.04", "beta0.08", "beta0.16"],
        "batch_size": ["bs4", "bs8", "bs16", "bs32"],
    }
    for group, members in ABLATION_PRESETS.items():
        for config in members.values():
            assert set(flatten(config_difference(config, DEFAULT))) <= {PRESET_PATHS[group]}
    assert preset("lora_rank:r32").lora.r == 32


@pytest.mark.parametrize("name", ["lora_rank:r5", "lora_rank", "rank:r8"])
def test_an_unknown_preset_is_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(UserError, match=r"must be one of lora_rank|must be one of r4, r8"):
        preset(name)


@pytest.mark.parametrize(
    "changes",
    [
        {"optimizer": {"learning_rate": 0.0}},
        {"optimizer": {"learning_rate": math.nan}},
        {"optimizer": {"learning_rate": math.inf}},
        {"grpo": {"num_generations": 1}},
        {"grpo": {"beta": -0.01}},
        {"grpo": {"reward": {"weights": {"format_weight": -1}}}},
        {"lora": {"r": 0}},
        {"noise": {"error_rate": 1.5}},
        {"lora": {"rank": 8}},
        {"epochs": 0},
        {"prompts": {"config_generation": "config_v999"}},
    ],
)
def test_what_makes_no_sense_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        TrainingConfig.model_validate(changes)


def test_values_beyond_the_search_ranges_are_accepted() -> None:
    config = apply_overrides(DEFAULT, {"optimizer.learning_rate": 0.01, "lora.r": 128, "grpo.beta": 0.0})
    assert (config.optimizer.learning_rate, config.lora.r, config.grpo.beta) == (0.01, 128, 0.0)


def test_all_weights_zero_are_refused() -> None:
    with pytest.raises(ValidationError, match="must not all be 0"):
        RewardWeights(format_weight=0, schema_weight=0, audio_weight=0)


def test_a_custom_reward_needs_its_path_and_no_other_takes_one() -> None:
    with pytest.raises(ValidationError, match="custom_scorer_path must be set exactly when"):
        RewardConfig(reward_type="custom")
    with pytest.raises(ValidationError, match="custom_scorer_path must be set exactly when"):
        RewardConfig(custom_scorer_path="rewards.render:render")
    assert RewardConfig(reward_type="custom", custom_scorer_path="my.module:score").custom_scorer_path


@pytest.mark.parametrize(
    ("batch", "accumulation", "generations", "steps"),
    [
        (16, 1, 4, 1),  # 16 completions are 4 whole groups
        (16, 1, 6, 3),  # 48 is the first multiple of 16 that 6 divides
        (16, 2, 6, 6),  # 32 a step: 3 steps of 2 micro-steps
        (4, 1, 8, 2),
        (5, 1, 7, 7),
    ],
)
def test_rollouts_are_shared_by_as_many_steps_as_whole_groups_need(
    batch: int, accumulation: int, generations: int, steps: int
) -> None:
    config = TrainingConfig(
        batch=BatchConfig(batch_size=batch, gradient_accumulation_steps=accumulation),
        grpo=GRPOConfig(num_generations=generations),
    )
    assert config.steps_per_generation == steps
    assert batch * steps % generations == 0
    assert config.off_policy_depth == steps // accumulation


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "lora.r": st.integers(1, 256),
            "optimizer.learning_rate": st.floats(1e-7, 1.0),
            "grpo.beta": st.floats(0, 1),
            "grpo.num_generations": st.integers(2, 16),
            "noise.error_rate": st.floats(0, 1),
            "seed": st.integers(0, 2**32 - 1),
            "base_model": st.sampled_from(sorted(BASE_MODELS)),
            "system_prompt": st.text(max_size=40),
        },
    )
)
def test_overrides_to_config_to_json_to_config_is_the_identity(overrides: dict[str, Any]) -> None:
    config = apply_overrides(DEFAULT, overrides)
    assert TrainingConfig.model_validate_json(config.model_dump_json()) == config
    flat = flatten(config.model_dump())
    assert all(flat[path] == value for path, value in overrides.items())
    assert TrainingConfig.model_validate(json.loads(json.dumps(config_difference(config, DEFAULT)))) == config


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"lora.rank": 8}, r"lora\.rank: unknown key"),
        ({"lora.r": "many"}, r"lora\.r: .*'many'"),
        ({"optimizer.learning_rate": -1}, r"optimizer\.learning_rate: .*greater than 0, got -1"),
    ],
)
def test_a_refused_override_names_its_path_and_value(overrides: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        apply_overrides(DEFAULT, overrides)


def test_the_system_prompt_is_the_registered_prompt_with_the_schema() -> None:
    assert '"phrase_len_bars":{"enum":[2,4,8]' in DEFAULT.system_prompt
    assert "{schema}" not in DEFAULT.system_prompt
    other = TrainingConfig.model_validate({"prompts": {"config_generation": "system_v1"}})
    assert other.system_prompt == get_prompt("system_v1").template


def test_prompts_are_registered_once() -> None:
    prompt = PromptVersion(name="mine_v1", version="1.0.0", description="", template="Write music.")
    register_prompt(prompt)
    register_prompt(prompt)
    assert get_prompt("mine_v1") is prompt
    assert {"config_v1", "system_v1", "vibe_v1", "mine_v1"} <= {p.name for p in list_prompts()}
    with pytest.raises(ValueError, match="register a changed prompt under a new name"):
        register_prompt(prompt.model_copy(update={"template": "Write noise."}))
    with pytest.raises(ValueError, match="prompt must be one of"):
        get_prompt("mine_v2")


def test_model_names_resolve_to_folders_and_hub_ids(tmp_path: Path) -> None:
    assert resolve_model("tiny", BASE_MODELS) == str(PROJECT_ROOT / "tiny/weights/policy")
    assert resolve_model("gemma3-270m", BASE_MODELS) == "google/gemma-3-270m-it"
    assert resolve_model("some-lab/some-model", BASE_MODELS) == "some-lab/some-model"
    assert resolve_model(str(tmp_path), BASE_MODELS) == str(tmp_path)
    with pytest.raises(UserError, match="existing folder, got 'checkpoints/a/b'"):
        resolve_model("checkpoints/a/b", BASE_MODELS)


def test_configurations_are_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        LoRAConfig().r = 4


def test_a_prompt_named_anew_takes_the_place_of_the_one_before() -> None:
    named = apply_overrides(DEFAULT, {"prompts.config_generation": "system_v1"})
    for change in (
        {"prompts.config_generation": "config_v1"},
        {"prompts": {"config_generation": "config_v1"}},
    ):
        assert apply_overrides(named, change) == DEFAULT
    assert apply_overrides(named, {"lora.r": 8}).system_prompt == get_prompt("system_v1").template


def test_a_named_prompt_beside_a_text_of_its_own_is_refused() -> None:
    own = apply_overrides(DEFAULT, {"system_prompt": "Write music."})
    with pytest.raises(UserError, match=r"prompts.config_generation must not stand beside a system_prompt"):
        apply_overrides(own, {"prompts.config_generation": "system_v1"})
    with pytest.raises(UserError, match=r"got 'system_v1' and 'Write music.'; remove one of the two"):
        apply_overrides(DEFAULT, {"prompts.config_generation": "system_v1", "system_prompt": "Write music."})


def test_a_scale_that_the_aggregation_does_not_use_is_refused() -> None:
    scaled = {"grpo.multi_objective_aggregation": "normalize_then_sum", "grpo.scale_rewards": "none"}
    with pytest.raises(
        UserError, match=r"grpo: scale_rewards must be 'group' with .*, got 'none'; change one"
    ):
        apply_overrides(DEFAULT, scaled)
