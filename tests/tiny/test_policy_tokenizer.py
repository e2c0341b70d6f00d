"""The tiny tokenizer: lossless, one token per decision, a chat template that renders the vibe alone."""

from __future__ import annotations

import json
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from common.music_schema import CONFIG_LABELS
from common.training_config import BASE_MODELS, TrainingConfig, resolve_model
from tiny.corpus import generate, payload_json
from tiny.tokenizer import SPECIAL_TOKENS, VOCAB_SIZE, train_tokenizer


@cache
def tokenizer() -> PreTrainedTokenizerBase:
    return AutoTokenizer.from_pretrained(resolve_model("tiny", BASE_MODELS))


def messages(vibe: str) -> list[dict[str, str]]:
    return [{"role": "system", "content": TrainingConfig().system_prompt}, {"role": "user", "content": vibe}]


def test_the_vocabulary_has_its_size_and_its_special_tokens_come_first() -> None:
    assert len(tokenizer()) == VOCAB_SIZE
    assert tokenizer().convert_ids_to_tokens(list(range(len(SPECIAL_TOKENS)))) == list(SPECIAL_TOKENS)
    assert (tokenizer().pad_token, tokenizer().eos_token, tokenizer().bos_token) == (
        "<pad>",
        "<eos>",
        "<bos>",
    )
    assert tokenizer().padding_side == "left"


@pytest.mark.parametrize("name", CONFIG_LABELS)
def test_a_field_with_its_label_is_one_token(name: str) -> None:
    for label in CONFIG_LABELS[name]:
        assert len(tokenizer().tokenize(f'"{name}":{json.dumps(label)},')) == 1


def test_a_generated_payload_is_about_seventy_tokens_and_makes_the_round_trip() -> None:
    for pair in generate(50, seed=9):
        text = payload_json(pair.payload)
        ids = tokenizer()(text)["input_ids"]
        # 34 fields + 15 colours + 9 pieces of scaffold, and 6 to 22 tokens of thinking and title.
        assert 64 <= len(ids) <= 80
        assert tokenizer().decode(ids) == text


@settings(deadline=None)
@given(st.text())
def test_any_text_makes_the_round_trip(text: str) -> None:
    assert tokenizer().decode(tokenizer()(text)["input_ids"]) == text


def test_the_chat_template_renders_the_vibe_alone() -> None:
    system, user = messages("late night neon glow")
    assert len(system["content"]) > 3000
    assert (
        tokenizer().apply_chat_template([system, user], tokenize=False, add_generation_prompt=True)
        == tokenizer().apply_chat_template([user], tokenize=False, add_generation_prompt=True)
        == "<bos><vibe>late night neon glow<config>"
    )


def test_the_generation_prompt_is_written_only_where_it_is_asked_for() -> None:
    assert tokenizer().apply_chat_template(messages("dusk"), tokenize=False) == "<bos><vibe>dusk"


def test_the_assistants_turn_ends_with_the_end_token_and_begins_with_the_prompts_tokens() -> None:
    turns = [*messages("dusk"), {"role": "assistant", "content": "{}"}]
    assert tokenizer().apply_chat_template(turns, tokenize=False) == "<bos><vibe>dusk<config>{}<eos>"
    prompt = tokenizer().apply_chat_template(turns[:-1], add_generation_prompt=True, return_dict=False)
    whole = tokenizer().apply_chat_template(turns, return_dict=False)
    assert whole[: len(prompt)] == prompt


def test_training_it_again_on_the_same_text_gives_the_same_tokenizer() -> None:
    texts = [text for pair in generate(3000, seed=1) for text in (pair.vibe, payload_json(pair.payload))]
    first, second = (train_tokenizer(texts).backend_tokenizer.to_str() for _ in range(2))
    assert first == second


def test_too_little_text_is_refused() -> None:
    with pytest.raises(ValueError, match="vocabulary must have 2048 tokens, got"):
        train_tokenizer(["late night neon glow"])
