"""From a vibe to token ids, with and without a chat template."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from transformers import AutoTokenizer

from trainables.chat import PromptFormat

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

QWEN = (
    "{% for m in messages %}{{ '<|' + m['role'] + '|>' + m['content'] }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}"
    "{% if enable_thinking is defined and not enable_thinking %}{{ '<think></think>' }}{% endif %}{% endif %}"
)
NO_SYSTEM = (
    "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    "{% for m in messages %}{{ '<' + m['role'] + '>' + m['content'] }}{% endfor %}"
)


@pytest.fixture
def tokenizer(small_policy: str) -> PreTrainedTokenizerBase:
    return AutoTokenizer.from_pretrained(small_policy)


def rendered(tokenizer: PreTrainedTokenizerBase) -> str:
    form = PromptFormat.of(tokenizer, "Compose.")
    text: str = tokenizer.decode(form.token_ids("late night"))
    return text


def test_a_template_of_the_tiny_kind_drops_the_system_prompt(tokenizer: PreTrainedTokenizerBase) -> None:
    assert rendered(tokenizer) == "<bos><vibe>late night<config>"


def test_without_a_template_the_system_prompt_is_plain_text(tokenizer: PreTrainedTokenizerBase) -> None:
    tokenizer.chat_template = None
    assert rendered(tokenizer) == "Compose.\n\nlate night\n"


def test_a_template_that_can_think_is_told_not_to(tokenizer: PreTrainedTokenizerBase) -> None:
    tokenizer.chat_template = QWEN
    assert rendered(tokenizer) == "<|system|>Compose.<|user|>late night<|assistant|><think></think>"


def test_a_template_without_a_system_role_gets_it_in_the_users_turn(
    tokenizer: PreTrainedTokenizerBase,
) -> None:
    tokenizer.chat_template = NO_SYSTEM
    assert rendered(tokenizer) == "<user>Compose.\n\nlate night"
