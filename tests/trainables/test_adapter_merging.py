"""Loading policies, putting LoRAs on them, and folding them in for generation."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
import torch
from peft import AutoPeftModelForCausalLM, get_peft_model

from common.errors import UserError
from common.training_config import BASE_MODELS, LoRAConfig, resolve_model
from trainables.adapter_base import base_of_adapter
from trainables.merging import merged_adapter
from trainables.policy import eos_token_ids, load_policy, lora_config, save_adapter

if TYPE_CHECKING:
    from pathlib import Path

    from peft import PeftModel
    from torch import nn
    from transformers import PreTrainedTokenizerBase


def with_lora(name: str, r: int, seed: int) -> tuple[PeftModel, PreTrainedTokenizerBase]:
    """The policy with a LoRA whose weights are random, so that it does something."""
    model, tokenizer = load_policy(name)
    model = get_peft_model(model, lora_config(model, LoRAConfig(r=r, alpha=8)))
    torch.manual_seed(seed)
    for parameter in model.parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter, std=0.1)
    return model.eval(), tokenizer


def logits(model: nn.Module) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = model(torch.tensor([[2, 3, 50, 60, 70, 4]])).logits
    return found


def test_an_adapter_folder_loads_as_the_policy_that_was_trained(small_policy: str, tmp_path: Path) -> None:
    model, _ = with_lora(small_policy, r=8, seed=1)
    save_adapter(model, tmp_path / "sft", small_policy)
    loaded = load_policy(str(tmp_path / "sft")).model
    torch.testing.assert_close(logits(loaded), logits(model), atol=1e-5, rtol=0)
    assert not any("lora" in name for name, _ in loaded.named_parameters())


def test_an_adapter_on_an_adapter_of_another_rank_loads_both(small_policy: str, tmp_path: Path) -> None:
    first, _ = with_lora(small_policy, r=8, seed=1)
    save_adapter(first, tmp_path / "sft", small_policy)
    second, _ = with_lora(str(tmp_path / "sft"), r=4, seed=2)
    save_adapter(second, tmp_path / "grpo", str(tmp_path / "sft"))
    loaded = load_policy(str(tmp_path / "grpo")).model
    torch.testing.assert_close(logits(loaded), logits(second), atol=1e-5, rtol=0)
    assert (logits(loaded) - logits(first)).abs().max() > 0.01


def test_plain_peft_loads_an_adapter_of_a_named_model_which_keeps_the_name(
    small_policy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(BASE_MODELS, "small", small_policy)
    model, _ = with_lora("small", r=2, seed=1)
    save_adapter(model, tmp_path, "small")
    # The name, and not what it stands for here, finds the base on another machine.
    assert base_of_adapter(tmp_path) == "small"
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "adapter_config.json", "adapter_model.safetensors", "base.json",
    ]  # fmt: skip
    plain = AutoPeftModelForCausalLM.from_pretrained(str(tmp_path))
    torch.testing.assert_close(logits(plain), logits(model), atol=1e-5, rtol=0)


def test_adapters_that_are_moved_together_find_each_other(small_policy: str, tmp_path: Path) -> None:
    first, _ = with_lora(small_policy, r=8, seed=1)
    save_adapter(first, tmp_path / "here" / "sft", small_policy)
    second, _ = with_lora(str(tmp_path / "here" / "sft"), r=4, seed=2)
    save_adapter(second, tmp_path / "here" / "grpo", str(tmp_path / "here" / "sft"))
    (tmp_path / "here").rename(tmp_path / "there")
    moved = load_policy(str(tmp_path / "there" / "grpo")).model
    torch.testing.assert_close(logits(moved), logits(second), atol=1e-5, rtol=0)
    # And where they are not, the adapter is named that lacks its base.
    shutil.rmtree(tmp_path / "there" / "sft")
    rule = r"^the adapter .*/there/grpo needs the base that it was trained on: model must be .*/here/sft'"
    with pytest.raises(UserError, match=rule):
        load_policy(str(tmp_path / "there" / "grpo"))


def test_a_training_run_stands_for_its_adapter(small_policy: str, tmp_path: Path) -> None:
    model, _ = with_lora(small_policy, r=8, seed=1)
    save_adapter(model, tmp_path / "run" / "adapter", small_policy)
    assert resolve_model(str(tmp_path / "run"), BASE_MODELS) == str(tmp_path / "run" / "adapter")
    loaded = load_policy(str(tmp_path / "run")).model
    torch.testing.assert_close(logits(loaded), logits(model), atol=1e-5, rtol=0)


def test_folding_an_adapter_in_changes_rounding_and_leaves_no_trace(small_policy: str) -> None:
    model, _ = with_lora(small_policy, r=8, seed=1)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    apart = logits(model)
    with merged_adapter(model):
        torch.testing.assert_close(logits(model), apart, atol=1e-5, rtol=0)
    assert torch.equal(logits(model), apart)
    after = model.state_dict()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())


def test_an_adapter_is_unfolded_when_generation_fails(small_policy: str) -> None:
    model, _ = with_lora(small_policy, r=8, seed=1)
    apart = logits(model)
    with pytest.raises(RuntimeError, match="out of memory"), merged_adapter(model):
        raise RuntimeError("out of memory")
    assert torch.equal(logits(model), apart)


def test_what_is_not_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"model must be one of tiny, .* got '/no/such/folder'"):
        load_policy("/no/such/folder")
    with pytest.raises(
        UserError, match=r"model must be a folder with config.json or adapter_config.json, got"
    ):
        load_policy(str(tmp_path))
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(
        UserError, match="model must be a causal language model that transformers can load, got"
    ):
        load_policy(str(tmp_path))


def test_the_declared_end_of_turn_ends_a_completion_too(small_policy: str) -> None:
    policy = load_policy(small_policy)
    assert eos_token_ids(policy) == [1]
    policy.model.generation_config.eos_token_id = [106, 1]
    assert eos_token_ids(policy) == [1, 106]


def test_the_lora_is_the_configured_one(other_policies: dict[str, str]) -> None:
    model = load_policy(other_policies["qwen2"]).model
    config = lora_config(
        model, LoRAConfig(r=4, alpha=6.5, dropout=0.05, bias="all", target_modules=("q_proj",))
    )
    assert (config.r, config.lora_alpha, config.lora_dropout, config.bias) == (4, 6.5, 0.05, "all")
    assert set(config.target_modules) == {"q_proj"}


def test_biases_that_the_model_does_not_have_are_refused(
    small_policy: str, other_policies: dict[str, str]
) -> None:
    gemma, qwen2 = load_policy(small_policy).model, load_policy(other_policies["qwen2"]).model
    with pytest.raises(UserError, match=r"lora.bias must be 'none' for Gemma3ForCausalLM, got 'all'"):
        lora_config(gemma, LoRAConfig(bias="all"))
    # Qwen2 has biases in its attention alone, but not behind it.
    with pytest.raises(UserError, match=r"lora.bias must be 'none' for Qwen2ForCausalLM, got 'lora_only'"):
        lora_config(qwen2, LoRAConfig(bias="lora_only", target_modules=("o_proj", "up_proj")))
    assert lora_config(qwen2, LoRAConfig(bias="lora_only")).bias == "lora_only"
