"""A base model is read once per process, and nobody's copy is anybody else's."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest
import torch
from peft import get_peft_model
from transformers import AutoModelForCausalLM

from common.training_config import LoRAConfig
from trainables.policy import load_policy, lora_config, save_adapter

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Weights = dict[str, torch.Tensor]


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The folders that models were read from, in turn."""
    seen: list[str] = []
    read: Callable[..., Any] = AutoModelForCausalLM.from_pretrained

    def watched(folder: str, **kwargs: Any) -> Any:
        seen.append(folder)
        return read(folder, **kwargs)

    monkeypatch.setattr(AutoModelForCausalLM, "from_pretrained", watched)
    return seen


@pytest.fixture
def own_policy(small_policy: str, tmp_path: Path) -> str:
    """A model folder that no other test has read."""
    return str(shutil.copytree(small_policy, tmp_path / "policy"))


def weights(name: str) -> Weights:
    return dict(load_policy(name).model.state_dict())


def equal(one: Weights, other: Weights) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


def write_adapter(base: str, folder: Path, value: float) -> None:
    """An adapter whose A matrices are always the same, and whose B matrices are filled with a value."""
    torch.manual_seed(0)
    model = load_policy(base).model
    adapted = get_peft_model(model, lora_config(model, LoRAConfig(r=2)))
    for name, parameter in adapted.named_parameters():
        if "lora_B" in name:
            parameter.data.fill_(value)
    save_adapter(adapted, folder, base)


def test_a_model_is_read_once_and_copied_for_everyone(own_policy: str, reads: list[str]) -> None:
    expected = weights(own_policy)
    spoilt = load_policy(own_policy)
    for parameter in spoilt.model.parameters():
        parameter.data.zero_()
    spoilt.model.generation_config.temperature = 0.123
    spoilt.model.config.pad_token_id = 99
    spoilt.tokenizer.chat_template = "{{ spoilt }}"
    spoilt.tokenizer.padding_side = "right"
    spoilt.tokenizer.pad_token = spoilt.tokenizer.eos_token
    again = load_policy(own_policy)
    assert equal(expected, dict(again.model.state_dict()))
    assert again.model.generation_config.temperature != 0.123
    assert again.model.config.pad_token_id == 0
    assert again.tokenizer.chat_template != "{{ spoilt }}"
    assert again.tokenizer.padding_side == "left"
    assert again.tokenizer.pad_token == "<pad>"
    assert reads == [own_policy]


def test_tied_weights_of_a_copy_stay_tied(own_policy: str) -> None:
    load_policy(own_policy)
    model: Any = load_policy(own_policy).model
    assert model.lm_head.weight is model.model.embed_tokens.weight


def test_an_adapter_is_merged_into_a_copy(own_policy: str, tmp_path: Path, reads: list[str]) -> None:
    expected = weights(own_policy)
    write_adapter(own_policy, tmp_path / "adapter", 0.5)
    merged = weights(str(tmp_path / "adapter"))
    assert equal(merged, weights(str(tmp_path / "adapter")))
    assert not equal(expected, merged)
    assert equal(expected, weights(own_policy))
    # The base, the base for the adapter, and the base again: one is kept, and it is the last.
    assert reads == [own_policy] * 3


def test_an_adapter_that_has_changed_is_read_again(own_policy: str, tmp_path: Path) -> None:
    adapter = str(tmp_path / "adapter")
    found = []
    for value in (0.5, 0.25):
        write_adapter(own_policy, tmp_path / "adapter", value)
        found.append(weights(adapter))
    name = next(name for name in found[0] if name.endswith("q_proj.weight"))
    base = weights(own_policy)
    assert not torch.equal(found[0][name], found[1][name])
    # Half of B is half of the difference, up to rounding.
    assert torch.allclose(found[0][name] - base[name], 2 * (found[1][name] - base[name]), atol=1e-6)


def test_an_adapter_whose_base_has_changed_is_read_again(own_policy: str, tmp_path: Path) -> None:
    adapter = str(tmp_path / "adapter")
    write_adapter(own_policy, tmp_path / "adapter", 0.0)
    before = weights(adapter)
    changed = load_policy(own_policy).model
    for parameter in changed.parameters():
        parameter.data.mul_(2)
    changed.save_pretrained(own_policy)
    after = weights(adapter)
    assert all(torch.equal(2 * before[name], after[name]) for name in before)
